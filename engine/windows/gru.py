"""A window of a GRU: r, z = sigmoid; n = tanh(x_n + r (W_n h + b_n)); h = (1 - z) n + z h."""

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


class GRUWindow(torch.autograd.Function):
    """(x, tokens, table, h, W_x, W_h, b_h) to the outputs (T, B, H); gates stacked as r, z, n."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        tokens: Tensor | None,
        table: Tensor,
        h: Tensor,
        w_x: Tensor,
        w_h: Tensor,
        b_h: Tensor,
    ) -> Tensor:
        ctx.library = library_for(x, w_h, h)
        if ctx.library:
            h, w_h, table, b_h = (part.float().contiguous() for part in (h, w_h, table, b_h))
            inputs, gates = sums_of(x, w_x)
            out, n_h = (gates.new_empty(*gates.shape[:2], h.shape[1]) for _ in range(2))
            given = inputs, tokens, table, b_h, w_h, h
            ctx.library.call("gru_forward", out.shape, *given, out, gates, n_h)
        else:
            gates = from_x(x, w_x, table[0]).to(w_h.dtype)
            out, n_h = _forward(gates, h, w_h, b_h, x)
        ctx.rows = len(table)
        ctx.save_for_backward(x, tokens, h, w_x, w_h, out, gates, n_h)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> Gradients:
        x, tokens, h, w_x, w_h, out, gates, n_h = ctx.saved_tensors
        units = h.shape[1]
        d_gates = torch.empty_like(gates, dtype=x.dtype)  # of the sums of W_h h + b_h
        if ctx.library:
            d_n, d_h = torch.empty_like(out, dtype=x.dtype), torch.empty_like(h)
            d_out = d_out.float().contiguous()
            d_tables = by_block(len(h), ctx.rows, 3 * units)
            d_b_n = by_block(len(h), units)
            kept = (d_out, w_h, h, out, gates, n_h, tokens)
            size = *out.shape, ctx.rows
            ctx.library.call("gru_backward", size, *kept, d_gates, d_n, d_tables, d_b_n, d_h)
            d_table = d_tables.sum(0)
            d_b_h = torch.cat([d_table.sum(0)[: 2 * units], d_b_n.sum(0)])
        else:
            d_n, d_h = _backward(d_out, h, w_h, out, gates, n_h, d_gates)
            d_b_h = d_gates.sum((0, 1))
            d_table = torch.cat([d_b_h[: 2 * units], d_n.sum((0, 1))]).unsqueeze(0)
        rows = d_gates.flatten(0, 1)
        d_w_h = towards_w_h(rows, h, out)
        d_gates[..., 2 * units :] = d_n  # towards x no reset gate lies between
        return (
            towards_x(ctx, rows, w_x),
            None,
            d_table,
            d_h,
            towards_w(rows, x),
            d_w_h,
            d_b_h,
        )


def _forward(
    gates: Tensor, h: Tensor, w_h: Tensor, b_h: Tensor, x: Tensor
) -> tuple[Tensor, Tensor]:
    """Turns the sums of the inputs into the gates; gives the outputs and W_n h + b_n, (T, B, H) both."""
    from_h = torch.empty_like(gates)
    out = gates.new_empty(*gates.shape[:2], h.shape[1])
    r, z, n = (gate.unbind(0) for gate in gates.chunk(3, dim=-1))
    both, both_h = (g[..., : -h.shape[1]].unbind(0) for g in (gates, from_h))  # r and z
    n_h = from_h[..., -h.shape[1] :].unbind(0)
    product = step_product(w_h, like=x)
    for t, step in enumerate(out.unbind(0)):
        product(b_h, h, from_h[t])
        both[t].add_(both_h[t]).sigmoid_()
        n[t].addcmul_(r[t], n_h[t]).tanh_()
        h = torch.lerp(n[t], h, z[t], out=step)  # (1 - z) n + z h
    return out, from_h[..., -h.shape[1] :].clone()


def _backward(
    d_out: Tensor,
    h: Tensor,
    w_h: Tensor,
    out: Tensor,
    gates: Tensor,
    n_h: Tensor,
    d_gates: Tensor,
) -> tuple[Tensor, Tensor]:
    """Writes the gradients of W_h h + b_h; gives those of n's sum (T, B, H) and of the first h."""
    r, z, n = gates.chunk(3, dim=-1)
    # What each gate's sum takes of a step's gradient; of n's sum, as far as the product with h goes.
    to_n = (1 - z) * (1 - n * n)
    to_z = (before(h, out).view_as(out) - n) * z * (1 - z)
    shares = torch.stack([to_n * n_h * r * (1 - r), to_z, to_n * r], dim=2).unbind(0)
    parts, wholes = d_gates.view(*out.shape[:2], 3, -1).unbind(0), d_gates.unbind(0)
    product = step_product(w_h.T, like=d_gates)
    d_all = out.new_empty(len(out) + 1, *h.shape)  # towards h, and each step's output
    d_hs, d_outs, zs = d_all.unbind(0), shifted(d_out), z.unbind(0)
    d_hs[-1].copy_(d_outs[-1])
    for t in reversed(range(len(parts))):
        torch.mul(shares[t], d_hs[t + 1].unsqueeze(1), out=parts[t])
        passed = torch.addcmul(d_outs[t], d_hs[t + 1], zs[t])
        product(passed, wholes[t], d_hs[t])
    return to_n * d_all[1:], d_hs[0]
