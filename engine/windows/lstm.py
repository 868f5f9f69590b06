"""A window of an LSTM: i, f, o = sigmoid, g = tanh; c = f c + i g; h = o tanh c."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.windows.products import (
    Gradients,
    before,
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


class LSTMWindow(torch.autograd.Function):
    """(x, tokens, table, h, c, W_x, W_h) to the outputs (T, B, H) and the last c; gates stacked as i, f, g, o.

    Sums, gates, c and their gradients stay in the weights' precision, the outputs are in x's.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        tokens: Tensor | None,
        table: Tensor,
        h: Tensor,
        c: Tensor,
        w_x: Tensor,
        w_h: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.library = library_for(x, w_h, h, c)
        out = x.new_empty(*x.shape[:2], h.shape[1])
        cells, squashed = (torch.empty_like(out, dtype=w_h.dtype) for _ in range(2))  # c, tanh c
        if ctx.library:
            h, c, w_h = h.float().contiguous(), c.float().contiguous(), w_h.contiguous()
            inputs, gates = sums_of(x, w_x)  # (T, B, 4H)
            given = inputs, tokens, table.float().contiguous(), w_h, h, c
            ctx.library.call("lstm_forward", out.shape, *given, out, gates, cells, squashed)
        else:
            gates = from_x(x, w_x, table[0]).to(w_h.dtype)
            _forward(gates, h, c, w_h, x, out, cells, squashed)
        ctx.rows = len(table)
        ctx.save_for_backward(x, tokens, h, c, w_x, w_h, out, gates, cells, squashed)
        return out, cells[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_c: Tensor) -> Gradients:
        x, tokens, h, c, w_x, w_h, out, gates, cells, squashed = ctx.saved_tensors
        d_gates = torch.empty_like(gates, dtype=x.dtype)
        d_c = d_c.clone(memory_format=torch.contiguous_format)
        if ctx.library:
            d_h = torch.empty_like(h)
            kept = (d_out.contiguous(), w_h, c, gates, cells, squashed, tokens)
            d_tables = by_block(len(h), ctx.rows, gates.shape[-1])
            size = *out.shape, ctx.rows
            ctx.library.call("lstm_backward", size, *kept, d_gates, d_tables, d_h, d_c)
            d_table = d_tables.sum(0)
        else:
            d_h = _backward(d_out, d_c, c, w_h, gates, cells, squashed, d_gates)
            d_table = d_gates.sum((0, 1)).unsqueeze(0)
        rows = d_gates.flatten(0, 1)
        return (
            towards_x(ctx, rows, w_x),
            None,
            d_table,
            d_h,
            d_c,
            towards_w(rows, x),
            towards_w_h(rows, h, out),
        )


def _forward(
    gates: Tensor,
    h: Tensor,
    c: Tensor,
    w_h: Tensor,
    x: Tensor,
    out: Tensor,
    cells: Tensor,
    squashed: Tensor,
) -> None:
    """Turns the sums of the inputs into the gates, and writes the outputs, c and tanh c."""
    i, f, g, o = (gate.unbind(0) for gate in gates.chunk(4, dim=-1))
    both = gates[..., : 2 * h.shape[1]].unbind(0)  # i and f
    product = step_product(w_h, like=x)
    for t, sums in enumerate(gates.unbind(0)):
        product(sums, h, sums)
        both[t].sigmoid_()
        g[t].tanh_()
        o[t].sigmoid_()
        c = torch.mul(f[t], c, out=cells[t]).addcmul_(i[t], g[t])
        h = torch.mul(o[t], torch.tanh(c, out=squashed[t]), out=out[t])


def _backward(
    d_out: Tensor,
    d_c: Tensor,
    c: Tensor,
    w_h: Tensor,
    gates: Tensor,
    cells: Tensor,
    squashed: Tensor,
    d_gates: Tensor,
) -> Tensor:
    """Writes the gradients of the sums, and that of the first c over that of the last; gives that of the first h."""
    i, f, g, o = gates.chunk(4, dim=-1)
    # What each gate's sum takes of a step's gradient: the output's of that of h, the others of that of c.
    shares = gates.new_empty(*cells.shape[:2], 4, cells.shape[2])
    to_c, to_o = shares[:, :, :3].unbind(0), shares[:, :, 3].unbind(0)
    _through_sigmoid(g, i, shares[:, :, 0])
    _through_sigmoid(before(c, cells).view_as(cells), f, shares[:, :, 1])
    _through_tanh(i, g, shares[:, :, 2])
    _through_sigmoid(squashed, o, shares[:, :, 3])
    slopes = _through_tanh(o, squashed, torch.empty_like(cells)).unbind(0)
    parts = d_gates.view(*cells.shape[:2], 4, -1)
    parts_c, parts_o = parts[:, :, :3].unbind(0), parts[:, :, 3].unbind(0)
    wholes, d_outs, fs = d_gates.unbind(0), shifted(d_out.to(gates.dtype)), f.unbind(0)
    product = step_product(w_h.T, like=d_gates)
    d_h, d_before = d_outs[-1], torch.empty_like(d_outs[0])
    for t in reversed(range(len(wholes))):
        d_c.addcmul_(d_h, slopes[t])
        torch.mul(to_o[t], d_h, out=parts_o[t])
        torch.mul(to_c[t], d_c.unsqueeze(1), out=parts_c[t])
        d_c.mul_(fs[t])
        d_h = product(d_outs[t], wholes[t], d_before)
    return d_h


def _through_sigmoid(d: Tensor, y: Tensor, into: Tensor) -> Tensor:
    """d y (1 - y)."""
    return torch.ops.aten.sigmoid_backward.grad_input(d, y, grad_input=into)  # type: ignore[no-any-return]


def _through_tanh(d: Tensor, y: Tensor, into: Tensor) -> Tensor:
    """d (1 - y²)."""
    return torch.ops.aten.tanh_backward.grad_input(d, y, grad_input=into)  # type: ignore[no-any-return]
