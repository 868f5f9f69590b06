"""The products of a window, most of them for all its steps at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.windows import compiled

Gradients = tuple[Tensor | None, ...]
Product = Callable[[Tensor, Tensor, Tensor], Tensor]

# torch's compiler calls these; without notice they may be called otherwise one day.
LAYS_OUT = all(
    hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
)


def library_for(x: Tensor, w_h: Tensor, *state: Tensor) -> compiled.Library | None:
    """The compiled steps, if they can go on from x (T, B, I) in its arithmetic with W_h (gates * H, H) and a state."""
    known = x.dtype in compiled.UNITS and w_h.dtype == torch.float32
    steps, lanes, units = *x.shape[:2], w_h.shape[1]
    whole = bool(steps * lanes) and all(part.shape == (lanes, units) for part in state)
    fits = units % compiled.MULTIPLE == 0
    return compiled.library(x.dtype) if known and whole and fits else None


def by_block(lanes: int, *shape: int) -> Tensor:
    """Zeros for what the library adds up over a window, each block of lanes by itself."""
    return torch.zeros(-(-lanes // compiled.BLOCK), *shape)


def sums_of(x: Tensor, w_x: Tensor) -> tuple[Tensor | None, Tensor]:
    """W_x x for the library, None if x is empty; and where it writes what becomes of that, over it if it is float32."""
    inputs = from_x(x, w_x) if x.shape[-1] else None
    if inputs is not None and inputs.dtype == torch.float32:
        return inputs, inputs
    return inputs, torch.empty(*x.shape[:2], len(w_x))


def step_product(w: Tensor, *, like: Tensor) -> Product:
    """A function of (plus, x, out) that writes plus + x Wᵀ for the rows x of a step, in the arithmetic of `like`.

    In bf16 oneDNN has W laid out anew at every call, unless it was before: 16 rows by 512 x 2048 take 173 us then, 235
    otherwise (float32 517), and the bits are the same.
    """
    if like.dtype != torch.bfloat16:
        return lambda plus, x, out: torch.addmm(plus, x, w.T, out=out)
    laid_out = torch.ops.mkldnn._reorder_linear_weight(w.to(torch.bfloat16), like.shape[1])

    def product(plus: Tensor, x: Tensor, out: Tensor) -> Tensor:
        found = torch.ops.mkldnn._linear_pointwise(
            x.to(torch.bfloat16), laid_out, None, "none", [], ""
        )
        return torch.add(plus, found, out=out)

    return product


def from_x(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """W x, and b, for the whole window, in x's precision."""
    return F.linear(x, w.to(x.dtype), None if b is None else b.to(x.dtype))


def towards_x(ctx: Any, rows: Tensor, w_x: Tensor) -> Tensor | None:
    """The gradient of x (T, B, I) from those of the sums (T * B, ...)."""
    x = ctx.saved_tensors[0]
    return (rows @ w_x.to(x.dtype)).view_as(x) if ctx.needs_input_grad[0] else None


def towards_w(rows: Tensor, x: Tensor) -> Tensor:
    """The gradient of a matrix from those of the sums (T * B, ...) and what it multiplied (T, B, ...)."""
    return rows.T @ x.flatten(0, -2).to(rows.dtype)


def towards_w_h(rows: Tensor, h: Tensor, out: Tensor) -> Tensor:
    """The gradient of W_h from those of the sums (T * B, ...), the first h (B, H) and the outputs (T, B, H)."""
    lanes, kept = len(h), out[:-1].flatten(0, 1).to(rows.dtype)
    first = rows[:lanes].T @ h.to(rows.dtype)
    return torch.addmm(first, rows[lanes:].T, kept) if len(kept) else first


def before(first: Tensor, after: Tensor) -> Tensor:
    """What each step began with, (T * B, H)."""
    return torch.cat([first.unsqueeze(0).to(after.dtype), after[:-1]]).flatten(0, 1)


def shifted(d_out: Tensor) -> list[Tensor]:
    """The gradients (B, H) that come from above to what each step began with, and to the last step's output."""
    return [torch.zeros_like(d_out[0]), *d_out.contiguous().unbind(0)]
