"""Muon against the Newton-Schulz steps written on the matrix itself, and its moves against the equations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine import muon
from engine.muon import Muon, orthogonalised, period


def naive(x: Tensor) -> Tensor:
    """Three quintic steps on one matrix, in float64."""
    x = x.double()
    x = x / (x @ x.T).norm().sqrt()
    for _ in range(3):
        square = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
        polynomial = -4.7750 * square + 2.0315 * square @ square
        x = 3.4445 * x + (polynomial @ x if x.shape[0] <= x.shape[1] else x @ polynomial)
    return x


@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-4), (True, 0.03)])
@pytest.mark.parametrize("shape", [(3, 24, 6), (2, 6, 24), (1, 9, 9)])
def test_the_steps_on_the_square_are_the_steps_on_the_matrix(
    shape: tuple[int, ...], bf16: bool, tolerance: float
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2)) * 1e-3
    expected = torch.stack([naive(one) for one in x])
    found = orthogonalised(x.bfloat16() if bf16 else x)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance)


def test_no_gradient_at_all_moves_nothing() -> None:
    assert torch.equal(orthogonalised(torch.zeros(1, 4, 3)).float(), torch.zeros(1, 4, 3))


def moved(start: Tensor, gradients: list[Tensor], *, every: int) -> Tensor:
    """The equations, one matrix at a time: at a rate of 0.02, weight decay 0.1, momentum 0.95 with Nesterov's step."""
    weight, average = start.double(), torch.zeros_like(start).double()
    for turn, gradient in enumerate(gradients):
        average = 0.95 * average + 0.05 * gradient
        if turn % every == 0:
            direction = naive(0.95 * average + 0.05 * gradient)
            rate = 0.02 * every
            longer = max(1.0, start.shape[0] / start.shape[1]) ** 0.5
            weight = weight * (1 - rate * 0.1) - rate * longer * direction
    return weight


@pytest.mark.parametrize(("tokens", "every"), [(1000, 1), (15, 3)])
def test_matrices_move_by_the_equations_and_large_ones_not_at_every_turn(
    tokens: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "has_bf16", lambda _device: False)
    monkeypatch.setattr(muon, "NARROW", 0)
    rng = torch.Generator().manual_seed(3)
    start = [torch.randn(shape, generator=rng) for shape in ((8, 4), (4, 8), (8, 4), (5, 5))]
    # One that never has a gradient is left alone.
    weights = [nn.Parameter(w.clone()) for w in [*start, torch.ones(2, 2)]]
    optimizer = Muon(weights, lr=0.02, weight_decay=0.1, tokens=tokens)
    gradients: list[list[Tensor]] = [[] for _ in start]
    for turn in range(5):
        for weight, seen in zip(weights, gradients, strict=False):
            seen.append(torch.randn(weight.shape, generator=rng))
            weight.grad = seen[-1].clone()
        optimizer.turn = turn
        optimizer.step()
    for weight, before, seen in zip(weights, start, gradients, strict=False):
        expected = moved(before, seen, every=every)
        torch.testing.assert_close(weight.detach().double(), expected, rtol=0, atol=1e-5)
    assert torch.equal(weights[-1], torch.ones(2, 2))


def test_matrices_move_less_often_where_orthogonalising_is_much_beside_the_networks_work() -> None:
    """At 16 lanes of 64 tokens, an LSTM's from 384 units on; in float32, whose products are as slow, from 96."""
    widths = (64, 96, 128, 320, 384, 512, 2048)

    def periods(tokens: int, dtype: torch.dtype) -> list[int]:
        return [period((4 * h, h), tokens=tokens, dtype=dtype) for h in widths]

    assert periods(1024, torch.bfloat16) == [1, 1, 1, 1, 3, 3, 3]
    assert periods(1024, torch.float32) == [1, 3, 3, 3, 3, 3, 3]
    # Twice the lanes serve twice the units.
    assert periods(2048, torch.bfloat16) == [1, 1, 1, 1, 1, 1, 3]
    for lying in ((72, 2048), (2048, 72)):
        assert period(lying, tokens=256, dtype=torch.float32) == 3
    # However small a step: what so narrow a matrix takes is not worth a move.
    assert period((256, 64), tokens=64, dtype=torch.float32) == 1
    assert period((512, 512), tokens=1024, dtype=torch.bfloat16) == 3
