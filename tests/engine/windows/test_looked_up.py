"""Layers that are given tokens and look up what each adds, beside the same layers given vectors."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine import windows
from engine.cells.base import Cell, LayerState
from engine.config import ModelConfig
from engine.inputs import Inputs
from engine.model import Model
from engine.windows import compiled
from tests.engine.windows.layers import (
    HALVED,
    NAMES,
    WHOLE,
    agree,
    every_kind,
    gradients,
    here,
    made,
    same_by_any_threads,
    use,
)

V, E = 11, 7


def layer(
    name: str, units: int, lanes: int, steps: int, *, beside: int, one_hot: bool
) -> tuple[Cell, Inputs, LayerState]:
    cell, x, state = made(name, (V if one_hot else E) + beside, units, lanes, steps)
    rng = torch.Generator().manual_seed(steps)
    tokens = torch.randint(V, (steps, lanes), generator=rng)
    vectors = None if one_hot else torch.randn(V, E, generator=rng).requires_grad_()
    return cell, Inputs(tokens, V, vectors, x[..., :beside].detach().requires_grad_()), state


def told(
    cell: Cell, inputs: Inputs, out: Tensor, after: LayerState, first: LayerState
) -> list[Tensor]:
    """The outputs and all gradients; none for a token's vector or for what is beside it where there is none."""
    wanted = [inputs.beside] if inputs.beside.numel() else []
    if inputs.vectors is not None:
        wanted.append(inputs.vectors)
    return gradients(cell, out, after, (*wanted, *first))


def looked_up(kind: torch.dtype, cell: Cell, inputs: Inputs, state: LayerState) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == HALVED):
        out, after = cell(inputs, state)
    return told(cell, inputs, out, after, state)


def by_equations(cell: Cell, inputs: Inputs, state: LayerState) -> list[Tensor]:
    cell, first = cell.double(), tuple(part.double() for part in state)
    vectors = None if inputs.vectors is None else inputs.vectors.double()
    inputs = inputs._replace(vectors=vectors, beside=inputs.beside.double())
    after, outs = first, []
    for row in inputs.dense():
        out, after = cell.step(row, after)
        outs.append(out)
    return told(cell, inputs, torch.stack(outs), after, first)


@every_kind
@pytest.mark.parametrize("name", NAMES)
@given(
    units=st.sampled_from([32, 64, 224]),
    lanes=st.integers(1, 40),
    steps=st.integers(1, 9),
    beside=st.sampled_from([0, 5]),
    one_hot=st.booleans(),
)
def test_they_are_near_the_equations(
    name: str, unit: str, units: int, lanes: int, steps: int, beside: int, one_hot: bool
) -> None:
    made_so = layer(name, units, lanes, steps, beside=beside, one_hot=one_hot)
    with pytest.MonkeyPatch.context() as patch:
        kind = use(unit, patch)
        found = looked_up(kind, *made_so)
    agree(found, by_equations(*made_so), kind)


@every_kind
@pytest.mark.parametrize("name", NAMES)
def test_as_many_threads_as_you_like_give_the_same_bits(
    name: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use(unit, monkeypatch)
    made_so = layer(name, 256, 37, 5, beside=3, one_hot=False)
    same_by_any_threads(lambda: looked_up(kind, *made_so), monkeypatch)


@here("avx2+fma3")
@pytest.mark.parametrize("name", ["gru", "rnn"])
def test_silent_units_learn_nothing_of_tokens(name: str) -> None:
    made_so = layer(name, 40, 3, 4, beside=2, one_hot=False)
    found = looked_up(WHOLE, *made_so)
    agree(found, by_equations(*made_so), WHOLE)


@here("avx2+fma3")
@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"embedding_size": 0},
        {"grams": 3, "gram_size": 4, "gram_rows": 50},
        {"layer_norm": True, "num_layers": 3, "residual": True},
        {"tied": True},
    ],
    ids=["plain", "one-hot", "grams", "residual", "tied"],
)
def test_a_network_learns_the_same_of_tokens(
    cell: str, more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(**{"cell": cell, "hidden_size": 32, "embedding_size": E, **more})  # type: ignore[arg-type]
    model = Model(config, V, rng=torch.Generator().manual_seed(1))
    tokens = torch.randint(V, (9, 6), generator=torch.Generator().manual_seed(2))
    used = []

    def learnt() -> list[Tensor]:
        model.zero_grad()
        logits, _ = model(tokens, model.initial_state(6))
        logits.square().sum().backward()
        return [logits, *(weight.grad for weight in model.parameters() if weight.grad is not None)]

    real = Inputs.table
    monkeypatch.setattr(Inputs, "table", lambda *given: used.append(1) or real(*given))
    by_tokens = learnt()
    assert used == [1]
    monkeypatch.setattr(windows, "look_up", lambda *_: False)
    torch.testing.assert_close(by_tokens, learnt(), rtol=1e-4, atol=1e-4)
    assert used == [1]


@here("avx2+fma3")
@pytest.mark.parametrize("name", NAMES)
def test_what_the_library_does_not_compute_is_not_looked_up(name: str) -> None:
    """Weights that it cannot take, though the products are its own."""
    tokens = torch.randint(V, (9, 6), generator=torch.Generator().manual_seed(2))
    model = Model(
        ModelConfig(cell=name, hidden_size=32, embedding_size=E),
        V,
        rng=torch.Generator().manual_seed(1),
    )
    with torch.no_grad():
        expected, _ = model(tokens, model.initial_state(6))
    for dtype in (HALVED, torch.float64):
        other = copy.deepcopy(model).to(dtype)
        found, _ = other(tokens, other.initial_state(6))
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), expected, rtol=0.03, atol=0.03)


def test_a_row_that_is_left_out_of_the_vocabulary_is_never_read() -> None:
    vectors, b = torch.zeros(V, E), torch.zeros(4)
    for wrong in (-1, V):
        tokens = torch.tensor([[0, wrong]])
        with pytest.raises(IndexError, match=f"{wrong}"):
            Inputs(tokens, V, vectors, torch.zeros(1, 2, 0)).table(torch.zeros(4, E), b)


def test_tokens_are_looked_up_where_they_are_many_and_the_window_is_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "library", lambda _products: object())

    def agreed(
        cell: str = "gru",
        units: int = 64,
        *,
        size: tuple[int, int] = (8, 16),
        vocab: int = 32,
        like: Tensor | None = None,
    ) -> bool:
        beside = (torch.zeros(0) if like is None else like).new_empty(*size, 0)
        tokens = torch.zeros(size, dtype=torch.int64)
        return windows.look_up(cell, units, Inputs(tokens, vocab, None, beside))

    assert agreed()
    assert agreed("lstm")
    with torch.no_grad():
        assert agreed()
        assert not agreed("lstm"), "torch reads faster"
    assert not agreed(vocab=33), "a token would occur less than four times"
    assert not agreed(size=(2, 64)), "each block of lanes has rows of its own"
    assert not agreed("qrnn")
    assert not agreed(units=20)
    assert not agreed(like=torch.zeros(0, dtype=torch.float64))
    assert not agreed(like=torch.zeros(0, device="meta"))
    monkeypatch.setattr(compiled, "library", lambda _products: None)
    assert not agreed()
