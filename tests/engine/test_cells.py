"""Each cell against its equations written a second time in NumPy, against itself, and against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from checkpoints.errors import ConfigError
from engine import cells, compiler, windows
from engine.cells.base import Cell, Fused, LayerState
from engine.devices import has_bf16

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]

NAMES = ("gru", "lstm", "lstm_ln", "mut1", "mut2", "mut3", "qrnn", "rnn", "rnn_relu")


def build(
    name: str, input_size: int, hidden_size: int, *, seed: int = 0, jitter: float = 0.3
) -> Cell:
    """A cell in float64 whose every weight, biases too, is something else than a special value."""
    rng = torch.Generator().manual_seed(seed)
    cell = cells.find(name)(input_size, hidden_size)
    cell.initialise(rng)
    cell.double()
    with torch.no_grad():
        for p in cell.parameters():
            p.add_(torch.randn(p.shape, generator=rng, dtype=p.dtype) * jitter)
    return cell


def random_state(cell: Cell, lanes: int, *, seed: int = 1) -> LayerState:
    rng = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(part.shape, generator=rng, dtype=torch.float64)
        for part in cell.initial_state(lanes)
    )


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# The equations once more, one lane and one unit vector at a time, from the papers: (weights, x (I,), state) -> state.


def naive_lstm(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    h, c = state
    a = w["kernel.weight_ih_l0"] @ x + w["kernel.bias_ih_l0"]
    a = a + w["kernel.weight_hh_l0"] @ h + w["kernel.bias_hh_l0"]
    n = len(h)
    i, f = sigmoid(a[:n]), sigmoid(a[n : 2 * n])
    g, o = np.tanh(a[2 * n : 3 * n]), sigmoid(a[3 * n :])
    c = f * c + i * g
    return [o * np.tanh(c), c]


def layer_norm(a: Array) -> Array:
    return (a - a.mean()) / np.sqrt(((a - a.mean()) ** 2).mean() + 1e-5)


def naive_lstm_ln(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    h, c = state
    a = layer_norm(w["w_h"] @ h) * w["gain_h"] + layer_norm(w["w_x"] @ x) * w["gain_x"] + w["b"]
    n = len(h)
    i, f, o, g = (
        sigmoid(a[:n]),
        sigmoid(a[n : 2 * n]),
        sigmoid(a[2 * n : 3 * n]),
        np.tanh(a[3 * n :]),
    )
    c = f * c + i * g
    return [o * np.tanh(layer_norm(c) * w["gain_c"] + w["shift_c"]), c]


def naive_gru(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    n = len(h)
    from_x = w["kernel.weight_ih_l0"] @ x + w["kernel.bias_ih_l0"]
    from_h = w["kernel.weight_hh_l0"] @ h + w["kernel.bias_hh_l0"]
    r = sigmoid(from_x[:n] + from_h[:n])
    z = sigmoid(from_x[n : 2 * n] + from_h[n : 2 * n])
    candidate = np.tanh(from_x[2 * n :] + r * from_h[2 * n :])
    return [(1 - z) * candidate + z * h]


def naive_rnn(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    a = w["kernel.weight_ih_l0"] @ x + w["kernel.bias_ih_l0"]
    return [np.tanh(a + w["kernel.weight_hh_l0"] @ h + w["kernel.bias_hh_l0"])]


def naive_rnn_relu(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    h = np.maximum(w["w_xh"] @ x + w["w_hh"] @ h + w["b_h"], 0)
    return [h / max(1.0, float(np.sqrt((h**2).mean())))]


def naive_mut1(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    wide = w["widen.weight"] @ x if "widen.weight" in w else x
    z = sigmoid(w["w_xz"] @ x + w["b_z"])
    r = sigmoid(w["w_xr"] @ x + w["w_hr"] @ h + w["b_r"])
    return [np.tanh(w["w_hh"] @ (r * h) + np.tanh(wide) + w["b_h"]) * z + h * (1 - z)]


def naive_mut2(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    wide = w["widen.weight"] @ x if "widen.weight" in w else x
    z = sigmoid(w["w_xz"] @ x + w["w_hz"] @ h + w["b_z"])
    r = sigmoid(wide + w["w_hr"] @ h + w["b_r"])
    return [np.tanh(w["w_hh"] @ (r * h) + w["w_xh"] @ x + w["b_h"]) * z + h * (1 - z)]


def naive_mut3(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    (h,) = state
    z = sigmoid(w["w_xz"] @ x + w["w_hz"] @ np.tanh(h) + w["b_z"])
    r = sigmoid(w["w_xr"] @ x + w["w_hr"] @ h + w["b_r"])
    return [np.tanh(w["w_hh"] @ (r * h) + w["w_xh"] @ x + w["b_h"]) * z + h * (1 - z)]


def naive_qrnn(w: Weights, x: Array, state: list[Array]) -> list[Array]:
    """The filters over two inputs: what the one before gave to z, f and o is all that must be kept of it."""
    _, c, *before = state
    n = len(c)
    a = w["w_x"] @ x + w["b"] + np.concatenate(before)
    z, f, o = np.tanh(a[:n]), sigmoid(a[n : 2 * n]), sigmoid(a[2 * n :])
    c = f * c + (1 - f) * z
    after = w["w_before"] @ x
    return [o * c, c, after[:n], after[n : 2 * n], after[2 * n :]]


NAIVE: dict[str, Callable[[Weights, Array, list[Array]], list[Array]]] = {
    "lstm": naive_lstm,
    "lstm_ln": naive_lstm_ln,
    "gru": naive_gru,
    "rnn": naive_rnn,
    "rnn_relu": naive_rnn_relu,
    "mut1": naive_mut1,
    "mut2": naive_mut2,
    "mut3": naive_mut3,
    "qrnn": naive_qrnn,
}


def test_every_cell_is_found_by_its_name() -> None:
    assert cells.names() == NAMES
    for name in NAMES:
        assert cells.find(name).name == name


@pytest.mark.parametrize(("typed", "meant"), [("lstn", "lstm"), ("LSTM", "lstm"), ("mut4", "mut")])
def test_a_mistyped_cell_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=typed) as caught:
        cells.find(typed)
    assert f"did you mean {meant}" in caught.value.hint


def test_what_is_no_cell_is_not_found() -> None:
    for name in ("base", "../lstm", "transformer", ""):
        with pytest.raises(ConfigError):
            cells.find(name)


@pytest.mark.parametrize(("input_size", "hidden_size"), [(3, 5), (4, 4), (1, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_window_agrees_with_a_loop_written_from_the_equations(
    name: str, input_size: int, hidden_size: int
) -> None:
    cell = build(name, input_size, hidden_size)
    state = random_state(cell, 2)
    x = torch.randn(6, 2, input_size, generator=torch.Generator().manual_seed(2)).double()
    out, after = cell(x, state)

    weights = {key: value.numpy() for key, value in cell.state_dict().items()}
    for lane in range(2):
        now = [part[lane].numpy() for part in state]
        for t in range(6):
            now = NAIVE[name](weights, x[t, lane].numpy(), now)
            np.testing.assert_allclose(out[t, lane].detach().numpy(), now[0], atol=1e-12)
        for part, expected in zip(after, now, strict=True):
            np.testing.assert_allclose(part[lane].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("lanes", "steps"), [(1, 1), (3, 7)])
@pytest.mark.parametrize("name", NAMES)
def test_window_and_plain_steps_agree_with_their_gradients(
    name: str, lanes: int, steps: int
) -> None:
    cell = build(name, 4, 6)
    x = torch.randn(steps, lanes, 4, generator=torch.Generator().manual_seed(3)).double()

    def gradients(out: Tensor, state: LayerState) -> tuple[Tensor, ...]:
        loss = (out**3).sum() + sum((part**2).sum() for part in state)
        return torch.autograd.grad(loss, [*cell.parameters()])

    out, after = cell(x, random_state(cell, lanes))
    state = random_state(cell, lanes)
    outs = []
    for t in range(steps):
        h, state = cell.step(x[t], state)
        outs.append(h)
    torch.testing.assert_close(torch.stack(outs), out, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, after, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        gradients(torch.stack(outs), state), gradients(out, after), rtol=1e-10, atol=1e-10
    )


def written_out(cell: Fused, x: Tensor, state: LayerState) -> tuple[Tensor, ...]:
    """The cell's window by `engine.windows`: outputs, and the last c if there is one."""
    if cell.name == "lstm":
        return windows.lstm(x, *state, cell.weights)
    return ({"gru": windows.gru, "rnn": windows.rnn}[cell.name](x, *state, cell.weights),)


def by_torch(cell: Fused, x: Tensor, state: LayerState) -> tuple[Tensor, ...]:
    """The same by torch's module."""
    first = tuple(part.unsqueeze(0) for part in state)
    if cell.name == "lstm":
        out, (_, c) = cell.kernel(x, first)
        return out, c.squeeze(0)
    return (cell.kernel(x, *first)[0],)


def gradients_of(
    window: Callable[..., tuple[Tensor, ...]], cell: Fused, x: Tensor, state: LayerState
) -> tuple[Tensor, ...]:
    """What the window gives, and the gradients of a loss on it: of inputs, state and weights."""
    found = window(cell, x, state)
    loss = (found[0] ** 3).sum() + sum((part[-1] ** 2).sum() for part in found)
    return (*found, *torch.autograd.grad(loss, [x, *state, *cell.parameters()]))


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("name", ["gru", "lstm", "rnn"])
def test_windows_written_out_agree_with_torchs_kernel(name: str, steps: int) -> None:
    cell = build(name, 3, 5)
    assert isinstance(cell, Fused)
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(steps, 2, 3, generator=rng).double().requires_grad_()
    state = tuple(part.requires_grad_() for part in random_state(cell, 2))
    ours, theirs = (gradients_of(window, cell, x, state) for window in (written_out, by_torch))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this CPU has no units for bf16")
@pytest.mark.parametrize("name", ["gru", "lstm", "rnn"])
def test_windows_written_out_are_close_in_bf16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gradient is off by about a hundredth of its size at most, though every product rounds to three digits."""
    monkeypatch.setenv(compiler.OFF, "0")
    cell = build(name, 48, 64, jitter=0.05)
    assert isinstance(cell, Fused)
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(20, 4, 48, generator=rng).double().requires_grad_()
    state = tuple(part.requires_grad_() for part in random_state(cell, 4))
    exact = gradients_of(by_torch, cell, x, state)

    def halved(cell: Fused, x: Tensor, state: LayerState) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            return written_out(cell, x, state)

    cell.float()
    found = gradients_of(halved, cell, x.float(), tuple(part.float() for part in state))
    for ours, expected in zip(found, exact, strict=True):
        assert float(((ours - expected).norm() / expected.norm()).detach()) < 0.012


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this CPU has no units for bf16")
@pytest.mark.parametrize(("threads", "wide"), [(1, windows.WIDE), (2, windows.WIDE_SHARED)])
def test_a_wide_lstm_learns_in_windows_written_out_and_reads_by_torchs_kernel(
    monkeypatch: pytest.MonkeyPatch, threads: int, wide: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setenv(compiler.OFF, "0")
    calls = []

    def written_out(x: Tensor, _h: Tensor, c: Tensor, _weights: object) -> tuple[Tensor, Tensor]:
        calls.append(torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"))
        return x, c

    monkeypatch.setattr(windows, "lstm", written_out)
    x = torch.zeros(2, 3, wide)
    for hidden in (wide, wide - 1):
        cell = cells.find("lstm")(wide, hidden)
        cell(x, cell.initial_state(3))
        with torch.autocast("cpu", torch.bfloat16):
            cell(x, cell.initial_state(3))
            with torch.no_grad():
                cell(x, cell.initial_state(3))
    assert calls == [True]


@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    cell = build(name, 2, 3)
    names = [key for key, _ in cell.named_parameters()]
    x = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(4)).double()

    def window(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        weights, state = rest[: len(names)], rest[len(names) :]
        out, after = torch.func.functional_call(
            cell, dict(zip(names, weights, strict=True)), (x, tuple(state))
        )
        return out, *after

    inputs = [x, *(p.detach() for p in cell.parameters()), *random_state(cell, 2)]
    for tensor in inputs:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(window, inputs)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"qrnn", "rnn_relu"}))
def test_recurrent_weights_start_orthogonal_gate_by_gate(name: str) -> None:
    cell = cells.find(name)(8, 32)
    cell.initialise(torch.Generator().manual_seed(5))
    square = [p for key, p in cell.named_parameters() if "_hh" in key or key.startswith("w_h")]
    blocks = [b for p in square if p.ndim == 2 for b in p.split(32)]
    assert len(blocks) == {
        "lstm": 4, "lstm_ln": 4, "gru": 3, "rnn": 1, "mut1": 2, "mut2": 3, "mut3": 3
    }[name]  # fmt: skip
    for block in blocks:
        torch.testing.assert_close(block @ block.T, torch.eye(32), rtol=0, atol=1e-5)


def test_orthogonal_matrices_are_drawn_uniformly() -> None:
    """Over the orthogonal group the trace of 2x2 matrices has mean 0 and mean square 1 (Diaconis & Shahshahani)."""
    from engine.cells.base import orthogonal_

    rng = torch.Generator().manual_seed(6)
    weight = torch.empty(2 * 4000, 2)
    orthogonal_(weight, rng=rng, gates=4000)
    traces = weight.view(4000, 2, 2).diagonal(dim1=1, dim2=2).sum(1)
    assert abs(float(traces.mean())) < 0.06
    assert abs(float((traces**2).mean()) - 1) < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_input_weights_start_at_the_scale_of_their_sizes(name: str) -> None:
    cell = cells.find(name)(48, 96)
    cell.initialise(torch.Generator().manual_seed(7))
    for key, p in cell.named_parameters():
        if "weight_ih" in key or key.startswith(("w_x", "w_before", "widen")):
            # Uniform within ±sqrt(6 / 144): the variance is 2 / 144.
            assert float(p.detach().abs().max()) <= (6 / 144) ** 0.5
            assert abs(float(p.detach().var()) * 144 / 2 - 1) < 0.1


def test_relu_units_start_as_the_identity_and_remember_to_the_bit() -> None:
    cell = cells.find("rnn_relu")(16, 64)
    cell.initialise(torch.Generator().manual_seed(8))
    h = torch.rand(2, 64)
    _, (after,) = cell(torch.zeros(300, 2, 16), (h,))
    torch.testing.assert_close(after, h, rtol=0, atol=0)


def test_relu_units_never_grow_beyond_their_ceiling_and_keep_their_direction() -> None:
    """With a state carried over a whole corpus they otherwise overflow in the end."""
    cell = build("rnn_relu", 4, 6, jitter=2.0)
    x = torch.ones(200, 3, 4, dtype=torch.float64)
    with torch.no_grad():
        out, (h,) = cell(x, cell.initial_state(3, dtype=torch.float64))
        stepped, _ = cell.step(x[0], (h,))
        free = torch.relu(x[0] @ cell.w_xh.T + h @ cell.w_hh.T + cell.b_h)
    rms = out.square().mean(dim=-1).sqrt()
    assert float(rms.max()) == pytest.approx(1.0)
    assert float(out.min()) >= 0.0
    assert float(free.square().mean(dim=-1).sqrt().min()) > 1.0
    torch.testing.assert_close(torch.cosine_similarity(stepped, free), torch.ones(3).double())


def test_qrnn_starts_out_remembering() -> None:
    cell = cells.find("qrnn")(4, 8)
    cell.initialise(torch.Generator().manual_seed(9))
    assert cell.state_dict()["b"].tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 8


def test_lstm_starts_out_remembering() -> None:
    normalised = cells.find("lstm_ln")(4, 8)
    normalised.initialise(torch.Generator().manual_seed(9))
    assert normalised.state_dict()["b"].tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16
    cell = cells.find("lstm")(4, 8)
    cell.initialise(torch.Generator().manual_seed(9))
    bias = cell.state_dict()["kernel.bias_ih_l0"] + cell.state_dict()["kernel.bias_hh_l0"]
    assert bias.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_gives_the_same_weights(name: str) -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        cell = cells.find(name)(5, 7)
        cell.initialise(torch.Generator().manual_seed(seed))
        return dict(cell.state_dict())

    torch.testing.assert_close(weights(1), weights(1), rtol=0, atol=0)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(weights(1), weights(2), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_bf16_follows_float32(name: str) -> None:
    """Mixed precision neither fails on mixed types nor strays further than bf16's three digits."""
    cell = build(name, 8, 16, jitter=0.05).float()
    x = torch.randn(5, 2, 8, generator=torch.Generator().manual_seed(10))
    state = cell.initial_state(2)
    expected, _ = cell(x, state)
    with torch.autocast("cpu", torch.bfloat16):
        out, after = cell(x, state)
        stepped, _ = cell.step(x[0], state)
        again, _ = cell(x, after)
    assert torch.isfinite(again).all()
    torch.testing.assert_close(out.float(), expected, rtol=0.05, atol=0.03)
    torch.testing.assert_close(stepped.float(), expected[0], rtol=0.05, atol=0.03)
