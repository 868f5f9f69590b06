"""Muon against the Newton-Schulz steps written on the matrix itself, and against torch's own Muon."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine import muon
from engine.muon import Muon, orthogonalised


def naive(x: Tensor) -> Tensor:
    """Three quintic steps on one matrix, in float64."""
    x = x.double()
    x = x / x.norm()
    for _ in range(3):
        square = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
        polynomial = -4.7750 * square + 2.0315 * square @ square
        x = 3.4445 * x + (polynomial @ x if x.shape[0] <= x.shape[1] else x @ polynomial)
    return x


@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-4), (True, 0.03)])
@pytest.mark.parametrize("shape", [(3, 24, 6), (2, 6, 24), (1, 9, 9)])
def test_the_steps_on_the_square_are_the_steps_on_the_matrix(
    shape: tuple[int, ...], bf16: bool, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "has_bf16", lambda _device: bf16)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2)) * 1e-3
    expected = torch.stack([naive(one) for one in x])
    torch.testing.assert_close(orthogonalised(x).double(), expected, rtol=0, atol=tolerance)


def test_no_gradient_at_all_moves_nothing() -> None:
    assert torch.equal(orthogonalised(torch.zeros(1, 4, 3)).float(), torch.zeros(1, 4, 3))


def test_it_steps_as_torchs_own_with_three_steps_does() -> None:
    rng = torch.Generator().manual_seed(3)
    start = [torch.randn(shape, generator=rng) for shape in ((8, 4), (4, 8), (8, 4), (5, 5))]
    ours, theirs = ([nn.Parameter(w.clone()) for w in start] for _ in range(2))
    # One that never has a gradient is left alone.
    ours.append(nn.Parameter(torch.ones(2, 2)))
    optimizers = (
        Muon(ours, lr=0.02, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, ns_steps=3),
    )
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=False):
            a.grad = torch.randn(a.shape, generator=rng)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(ours, theirs, strict=False):
        torch.testing.assert_close(a, b, rtol=0, atol=0.003)  # bf16: 4 steps of up to 0.028
    assert torch.equal(ours[-1], torch.ones(2, 2))
