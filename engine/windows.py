"""Whole windows of `rnn` and `gru` on the CPU, backward written out.

torch has no kernel for them there: it runs a dozen small functions a step, and as many back. Here a step takes two
forward and two back (rnn), five and three (gru), and the weights' gradients are one product for the whole window. One
Zen 4 core, 16 lanes of 64, forward and backward of a layer, ms: rnn 128 units 5.0 (torch 7.0), 512 46.9 (52.8); gru 128
13.8 (19.5), 512 151 (177). The equations stand in the cells' `step`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Gradients = tuple[Tensor | None, ...]


def pays(x: Tensor) -> bool:
    """Whether a window is faster here than by torch: on the CPU, in full precision."""
    return x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def rnn(x: Tensor, h: Tensor, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Outputs (T, B, H) of tanh units for inputs (T, B, I) from h (B, H); weights as `Fused.weights` has them."""
    return _RNN.apply(x, h, *weights)  # type: ignore[no-any-return, no-untyped-call]


def gru(x: Tensor, h: Tensor, weights: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """The same of a GRU, its gates stacked as reset, update, candidate."""
    return _GRU.apply(x, h, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor
    ) -> Tensor:
        out = F.linear(x, w_x, b_x + b_h)
        now = h
        for step in out.unbind(0):
            torch.addmm(step, now, w_h.T, out=step)
            now = step.tanh_()
        ctx.save_for_backward(x, h, w_x, w_h, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> Gradients:
        x, h, w_x, w_h, out = ctx.saved_tensors
        d_outs, slopes = d_out.contiguous().unbind(0), (1 - out * out).unbind(0)
        d_sum = torch.empty_like(out)  # before tanh
        d_sums = d_sum.unbind(0)
        d_h = d_outs[-1]
        for t in reversed(range(len(d_sums))):
            torch.mul(d_h, slopes[t], out=d_sums[t])
            d_h = torch.addmm(d_outs[t - 1], d_sums[t], w_h) if t else d_sums[0] @ w_h
        rows = d_sum.flatten(0, 1)
        d_b = rows.sum(0)
        return (*_inputs(ctx, rows, x, w_x, d_h), rows.T @ _before(h, out), d_b, d_b)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor
    ) -> Tensor:
        gates = F.linear(x, w_x, b_x)  # (T, B, 3H)
        from_h = torch.empty_like(gates)
        out = gates.new_empty(*gates.shape[:2], h.shape[1])
        r, z, n = (gate.unbind(0) for gate in gates.chunk(3, dim=-1))
        both, both_h = (g[..., : -h.shape[1]].unbind(0) for g in (gates, from_h))  # r and z
        n_h = from_h[..., -h.shape[1] :].unbind(0)
        now = h
        for t, step in enumerate(out.unbind(0)):
            torch.addmm(b_h, now, w_h.T, out=from_h[t])
            both[t].add_(both_h[t]).sigmoid_()
            n[t].addcmul_(r[t], n_h[t]).tanh_()
            now = torch.lerp(n[t], now, z[t], out=step)  # (1 - z) n + z h
        ctx.save_for_backward(x, h, w_x, w_h, out, gates, from_h[..., -h.shape[1] :].clone())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> Gradients:
        x, h, w_x, w_h, out, gates, n_h = ctx.saved_tensors
        r, z, n = gates.chunk(3, dim=-1)
        before = _before(h, out)
        # What each gate's sum takes of a step's gradient; of n's sum, as far as the product with h goes.
        to_n = (1 - z) * (1 - n * n)
        to_z = (before.view_as(out) - n) * z * (1 - z)
        shares = torch.stack([to_n * n_h * r * (1 - r), to_z, to_n * r], dim=2).unbind(0)
        d_gates = torch.empty(*out.shape[:2], 3, out.shape[2], dtype=out.dtype)
        parts, wholes = d_gates.unbind(0), d_gates.flatten(2).unbind(0)
        d_out = d_out.contiguous()
        d_all = torch.empty_like(out)
        d_all[-1] = d_out[-1]
        d_outs, d_hs, zs = d_out.unbind(0), d_all.unbind(0), z.unbind(0)
        for t in reversed(range(1, len(parts))):
            torch.mul(shares[t], d_hs[t].unsqueeze(1), out=parts[t])
            passed = torch.addcmul(d_outs[t - 1], d_hs[t], zs[t])
            torch.addmm(passed, wholes[t], w_h, out=d_hs[t - 1])
        torch.mul(shares[0], d_hs[0].unsqueeze(1), out=parts[0])
        d_h = torch.addmm(d_hs[0] * zs[0], wholes[0], w_h)
        rows = d_gates.flatten(2).flatten(0, 1)
        d_w_h, d_b_h = rows.T @ before, rows.sum(0)
        torch.mul(to_n, d_all, out=d_gates[:, :, 2])  # towards x no reset gate lies between
        return (*_inputs(ctx, rows, x, w_x, d_h), d_w_h, rows.sum(0), d_b_h)


def _before(h: Tensor, out: Tensor) -> Tensor:
    """The h that each step began with, (T * B, H)."""
    return torch.cat([h.unsqueeze(0), out[:-1]]).flatten(0, 1)


def _inputs(ctx: Any, rows: Tensor, x: Tensor, w_x: Tensor, d_h: Tensor) -> Gradients:
    """The gradients of x, h and W_x from those of the sums (T * B, ...)."""
    d_x = (rows @ w_x).view_as(x) if ctx.needs_input_grad[0] else None
    return d_x, d_h, rows.T @ x.flatten(0, 1)
