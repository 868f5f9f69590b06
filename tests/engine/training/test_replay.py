"""Training windows replayed as graphs: which windows are, and that every cell without a kernel can be captured."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine import cells, scan
from engine.cells.base import Fused
from engine.config import ModelConfig
from engine.model import Model
from engine.training import replay
from tests.engine.recorded import Recorded

LANES, BPTT, VOCABULARY = 3, 5, 11
PLAIN = sorted(name for name in cells.names() if not issubclass(cells.find(name), Fused))


def build(cell: str, **settings: Any) -> Model:
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=8, embedding_size=4, **settings)
    return Model(config, VOCABULARY, rng=torch.Generator().manual_seed(1))


def tokens(bptt: int = BPTT) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    return torch.randint(VOCABULARY, (bptt, LANES), generator=rng)


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The windows that were replayed, by a stand-in for CUDA's graphs that counts and computes plainly."""
    calls: list[nn.Module] = []

    def graphed(module: Any, arguments: tuple[Tensor, ...]) -> nn.Module:
        plain, shapes = module.cell.forward, [a.shape for a in arguments]

        def forward(x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
            assert [a.shape for a in (x, *state)] == shapes
            calls.append(module)
            out, after = plain(x, state)
            return (out, *after)

        module.forward = forward
        return module  # type: ignore[no-any-return]

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", graphed)
    return calls


def adopt(model: Model, replayed: list[nn.Module]) -> int:
    found = replay.adopt(model, lanes=LANES, bptt=BPTT, dtype=torch.float32)
    replayed.clear()
    return found


def faster(window: nn.Module, *_: object) -> float:
    return 1.0 if "forward" in vars(window) else 2.0


@pytest.mark.parametrize("cell", PLAIN)
def test_windows_of_training_are_replayed_and_no_others(
    cell: str, replayed: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_seconds", faster)
    model, plain = build(cell), build(cell)
    assert adopt(model, replayed) == 2
    state = plain.initial_state(LANES)
    for network in (model, plain):
        logits, after = network(tokens(), state)
        logits.sum().backward()
        assert [len(layer) for layer in after] == [len(layer) for layer in state]
    assert len(replayed) == 2
    for own, expected in zip(model.parameters(), plain.parameters(), strict=True):
        assert own.grad is not None
        assert expected.grad is not None
        assert torch.equal(own.grad, expected.grad)
    model(tokens(BPTT - 1), state)
    with torch.no_grad():
        model(tokens(), state)
    assert len(replayed) == 2
    assert sorted(model.state_dict()) == sorted(plain.state_dict())


@pytest.mark.parametrize("embedding", [0, 4])
def test_a_window_whose_input_learns_nothing_is_one_of_its_own_kind(
    embedding: int, replayed: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_seconds", faster)
    config = ModelConfig(cell="mut1", num_layers=2, hidden_size=8, embedding_size=embedding)
    model = Model(config, VOCABULARY, rng=torch.Generator().manual_seed(1))
    assert adopt(model, replayed) == 2
    model(tokens(), model.initial_state(LANES))
    assert len(replayed) == 2


def test_what_is_slower_or_cannot_be_captured_stays_as_it_is(
    replayed: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_seconds", lambda window, *rest: -faster(window, *rest))
    assert adopt(build("mut1"), replayed) == 0

    def refused(*_: object) -> nn.Module:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refused)
    model = build("mut1")
    assert adopt(model, replayed) == 0
    model(tokens(), model.initial_state(LANES))


def test_both_ways_are_timed(replayed: list[nn.Module]) -> None:
    adopt(build("lstm_ln"), [])
    assert len(replayed) == 2 * (replay.ROUNDS + 1)


def test_layers_with_a_kernel_are_left_alone(replayed: list[nn.Module]) -> None:
    assert adopt(build("lstm"), replayed) == 0


def test_what_a_layer_reads_is_known_without_the_layers_below() -> None:
    """A capture must not reach them: their gradients belong to the caller's stream."""
    model = build("mut1")
    seen = replay._inputs(model, model.layers, lanes=LANES, bptt=BPTT, dtype=torch.float32)
    assert [*seen] == model.layers
    assert all(x.is_leaf and x.requires_grad for x in seen.values())


@pytest.mark.parametrize("cell", PLAIN)
def test_a_window_forward_and_back_is_the_same_calls_every_time(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a capture asks for: no number on the host, no shape or call that hangs on numbers."""
    monkeypatch.setattr(scan, "_run", scan._doubling)  # as on CUDA
    layer = build(cell).layers[1]
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(BPTT, LANES, 8, generator=rng).requires_grad_()
    state = layer.initial_state(LANES)
    wanted = [x, *layer.parameters()]
    found: list[Tensor] = []

    def window() -> None:
        out, _ = layer(x, state)
        found[:] = [out, *torch.autograd.grad((out * out).sum(), wanted)]

    recorded = Recorded(window)
    kept = list(found)
    with torch.no_grad():
        for tensor in (*wanted, *state):
            tensor.add_(torch.randn(tensor.shape, generator=rng), alpha=0.3)
        recorded.replay()
    window()
    for again, fresh in zip(kept, found, strict=True):
        assert torch.equal(again, fresh)
