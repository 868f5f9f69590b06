"""A window of plain units: h = tanh(W_x x + W_h h + b)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.windows.products import (
    Gradients,
    by_block,
    from_x,
    library_for,
    shifted,
    step_product,
    sums_of,
    towards_w,
    towards_w_h,
    towards_x,
)


class RNNWindow(torch.autograd.Function):
    """(x, tokens, table, h, W_x, W_h) to the outputs (T, B, H)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        tokens: Tensor | None,
        table: Tensor,
        h: Tensor,
        w_x: Tensor,
        w_h: Tensor,
    ) -> Tensor:
        ctx.library = library_for(x, w_h, h)
        if ctx.library:
            h, w_h = h.float().contiguous(), w_h.contiguous()
            inputs, out = sums_of(x, w_x)
            given = inputs, tokens, table.float().contiguous(), w_h, h
            ctx.library.call("rnn_forward", out.shape, *given, out)
        else:
            out = _forward(from_x(x, w_x, table[0]).to(w_h.dtype), h, w_h, x)
        ctx.rows = len(table)
        ctx.save_for_backward(x, tokens, h, w_x, w_h, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> Gradients:
        x, tokens, h, w_x, w_h, out = ctx.saved_tensors
        d_sums = torch.empty_like(out, dtype=x.dtype)  # before tanh
        if ctx.library:
            d_h = torch.empty_like(h)
            d_out = d_out.float().contiguous()
            d_tables = by_block(len(h), ctx.rows, h.shape[1])
            size, kept = (*out.shape, ctx.rows), (d_out, w_h, out, tokens)
            ctx.library.call("rnn_backward", size, *kept, d_sums, d_tables, d_h)
            d_table = d_tables.sum(0)
        else:
            d_h = _backward(d_out, w_h, out, d_sums)
            d_table = d_sums.sum((0, 1)).unsqueeze(0)
        rows = d_sums.flatten(0, 1)
        return (
            towards_x(ctx, rows, w_x),
            None,
            d_table,
            d_h,
            towards_w(rows, x),
            towards_w_h(rows, h, out),
        )


def _forward(out: Tensor, h: Tensor, w_h: Tensor, x: Tensor) -> Tensor:
    """Turns the sums of the inputs into the outputs."""
    product = step_product(w_h, like=x)
    for step in out.unbind(0):
        h = product(step, h, step).tanh_()
    return out


def _backward(d_out: Tensor, w_h: Tensor, out: Tensor, d_sums: Tensor) -> Tensor:
    """Writes the gradients of the sums; gives that of the first h."""
    d_outs, slopes, steps = shifted(d_out), (1 - out * out).unbind(0), d_sums.unbind(0)
    product = step_product(w_h.T, like=d_sums)
    d_h, d_before = d_outs[-1], torch.empty_like(out[0])
    for t in reversed(range(len(steps))):
        torch.mul(d_h, slopes[t], out=steps[t])
        d_h = product(d_outs[t], steps[t], d_before)
    return d_h
