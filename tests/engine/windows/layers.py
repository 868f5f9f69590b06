"""Layers with every weight at work, and the libraries that this machine can run."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine import cells, compiler
from engine.cells.base import Cell, LayerState
from engine.devices import cpu_has
from engine.windows import compiled

NAMES = ("gru", "lstm", "rnn")
HALVED, WHOLE = torch.bfloat16, torch.float32
NEAR = {HALVED: 0.015, WHOLE: 3e-6}
"""How far from the equations a tensor may be, of its size: in bf16 every product rounds its factors to three digits."""
KINDS = {unit: (kind, flags) for kind, of in compiled.UNITS.items() for unit, flags in of.items()}


def here(unit: str) -> pytest.MarkDecorator:
    """Skips where nothing that is compiled for such units can run."""
    known = cpu_has(unit) and compiler.command()
    return pytest.mark.skipif(
        not (platform.system() == "Linux" and known), reason=f"no CPU with {unit}, or no compiler"
    )


every_kind = pytest.mark.parametrize(
    "unit", [pytest.param(unit, marks=here(unit)) for unit in KINDS]
)


def use(unit: str, patch: pytest.MonkeyPatch) -> torch.dtype:
    """Have windows computed by the library for such units; gives what its products are in."""
    kind, flags = KINDS[unit]
    found, why = compiler.library(compiled.MAIN, [flags], compiled.Library)
    assert found, why
    patch.setattr(compiled, "library", {kind: found}.get)
    return kind


def made(
    name: str, inputs: int, units: int, lanes: int, steps: int
) -> tuple[Cell, Tensor, LayerState]:
    """A cell with every weight at work, and a window for it."""
    rng = torch.Generator().manual_seed(units + lanes)
    cell = cells.find(name)(inputs, units)
    cell.initialise(rng)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.add_(torch.empty_like(weight).uniform_(-0.1, 0.1, generator=rng))
    x = torch.randn(steps, lanes, inputs, generator=rng).requires_grad_()
    state = tuple(
        torch.randn(lanes, units, generator=rng).requires_grad_() for _ in range(cell.state_tensors)
    )
    return cell, x, state


def gradients(
    cell: Cell, out: Tensor, after: LayerState, given: tuple[Tensor, ...]
) -> list[Tensor]:
    loss = (out.float() ** 3).sum() + sum((part.float() ** 2).sum() for part in after)
    return [out, *after, *torch.autograd.grad(loss, [*given, *cell.parameters()])]


def agree(found: list[Tensor], expected: list[Tensor], kind: torch.dtype) -> None:
    """Each tensor has the expected shape and is as near to it as products of that kind allow."""
    for ours, exact in zip(found, expected, strict=True):
        assert ours.shape == exact.shape
        assert float(((ours - exact).norm() / exact.norm()).detach()) < NEAR[kind]


def same_by_any_threads(compute: Callable[[], list[Tensor]], patch: pytest.MonkeyPatch) -> None:
    """To the last bit."""
    alone = compute()
    for threads in (2, 3, 5):
        patch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        torch.testing.assert_close(compute(), alone, rtol=0, atol=0)
