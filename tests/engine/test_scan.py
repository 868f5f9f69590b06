"""Linear recurrences against a loop, and both of their ways against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine import scan as scanning
from engine.scan import scan


def inputs(steps: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(steps)
    keep = torch.rand(steps, 2, 3, generator=rng, dtype=torch.float64)
    new = torch.randn(steps, 2, 3, generator=rng, dtype=torch.float64)
    return keep, new, torch.randn(2, 3, generator=rng, dtype=torch.float64)


@pytest.fixture(params=["cpu", "elsewhere"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step as on the CPU, or by doubling as on a GPU."""
    if request.param == "elsewhere":
        monkeypatch.setattr(scanning, "_run", scanning._doubling)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("steps", [1, 2, 7, 64])
def test_it_agrees_with_a_loop(steps: int) -> None:
    keep, new, h = inputs(steps)
    now, expected = h.numpy(), []
    for t in range(steps):
        now = keep[t].numpy() * now + new[t].numpy()
        expected.append(now)
    np.testing.assert_allclose(scan(keep, new, h).numpy(), np.stack(expected), atol=1e-12)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("steps", [1, 5])
def test_gradients_agree_with_finite_differences(steps: int) -> None:
    assert torch.autograd.gradcheck(scan, [tensor.requires_grad_() for tensor in inputs(steps)])


@pytest.mark.usefixtures("way")
def test_gates_that_close_or_stay_open_do_no_harm() -> None:
    keep, new, h = inputs(64)
    keep[::3], keep[1::3] = 0.0, 1.0
    out = scan(keep, new, h)
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out[63], new[63])  # keep is 0 there: all before is forgotten
