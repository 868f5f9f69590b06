"""Linear recurrences over a whole window: h_t = keep_t * h_(t-1) + new_t, for every unit by itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def scan(keep: Tensor, new: Tensor, h: Tensor) -> Tensor:
    """All h (T, B, H) from `keep` and `new` (T, B, H) and the h (B, H) before them.

    With `keep` from 0 to 1 nothing overflows; minGRU's detour through logarithms (Feng et al. 2024), which forbids
    negative states, is not needed.
    """
    out: Tensor = _Scan.apply(keep.to(h.dtype), new.to(h.dtype), h)  # type: ignore[no-untyped-call]
    return out


class _Scan(torch.autograd.Function):
    """Backward is the same recurrence, from the end: d_t = grad_t + keep_(t+1) * d_(t+1)."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, new: Tensor, h: Tensor) -> Tensor:
        out = _run(keep, new, h)
        ctx.save_for_backward(keep, out, h)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keep, out, h = ctx.saved_tensors
        (grad,) = grads
        shifted = torch.cat([torch.zeros_like(keep[:1]), keep.flip(0)[:-1]])
        d = _run(shifted, grad.flip(0), torch.zeros_like(h)).flip(0)
        return d * torch.cat([h.unsqueeze(0), out[:-1]]), d, keep[0] * d[0]


def _run(keep: Tensor, new: Tensor, h: Tensor) -> Tensor:
    """Step by step on the CPU, where a step of 16 x 192 costs 4 µs and a GPU's many kernels are no help."""
    if new.device.type != "cpu":
        return _doubling(keep, new, h)
    out = torch.empty_like(new)
    for k, n, o in zip(keep.unbind(0), new.unbind(0), out.unbind(0), strict=True):
        h = torch.addcmul(n, k, h, out=o)
    return out


def _doubling(keep: Tensor, new: Tensor, h: Tensor) -> Tensor:
    """In log2(T) rounds over all steps at once (Hillis & Steele 1986): each joins spans twice as long."""
    new = torch.cat([torch.addcmul(new[:1], keep[:1], h), new[1:]])
    reach = 1
    while reach < len(new):
        new = torch.cat([new[:reach], torch.addcmul(new[reach:], keep[reach:], new[:-reach])])
        keep = torch.cat([keep[:reach], keep[reach:] * keep[:-reach]])
        reach *= 2
    return new
