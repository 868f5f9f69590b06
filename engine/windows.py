"""Whole windows of `rnn`, `gru` and `lstm` on the CPU, backward written out.

torch has no kernel there for `rnn` and `gru`: it runs a dozen small functions a step, and as many back. Here a step
takes two forward and two back (rnn), five and three (gru), eight and five (lstm), and the weights' gradients are one
product for the whole window. The equations stand in the cells' `step`.

Inputs in bf16 have the products computed in bf16 and all else in the weights' own precision. Four of a layer's six
products are for the whole window, and those of a step multiply by a matrix that is laid out once, so they run at the
speed of large ones; torch's kernel for lstm takes longer in bf16 than in float32 where layers are wide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from engine.devices import has_bf16

Gradients = tuple[Tensor | None, ...]
Weights = tuple[Tensor, Tensor, Tensor, Tensor]
Product = Callable[[Tensor, Tensor, Tensor], Tensor]

# Units from which an LSTM's window is faster in bf16 than by torch's kernel, for one thread and for more (its time over
# ours, 16 lanes of 64: one thread 0.8 at 320, 1.1 at 384, 1.4 at 512, 1.9 at 1024; two 0.7 at 384, 1.1 at 512: the
# functions between the products are too small to be shared out).
WIDE, WIDE_SHARED = 384, 512
# torch's compiler calls these; without notice they may be called otherwise one day.
_LAYS_OUT = all(
    hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
)


def pay(x: Tensor) -> bool:
    """Whether windows of rnn and gru are faster here than by torch: on the CPU, but where bf16 is slow."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return x.device.type == "cpu"
    return _LAYS_OUT and torch.get_autocast_dtype("cpu") == torch.bfloat16 and has_bf16(x.device)


def pay_for_lstm(x: Tensor, hidden_size: int) -> bool:
    """Whether a window of so many units is faster here than by torch's kernel: to learn in bf16, if it is wide."""
    halved = pay(x) and torch.is_autocast_enabled("cpu")
    least = WIDE if torch.get_num_threads() == 1 else WIDE_SHARED
    return halved and hidden_size >= least and torch.is_grad_enabled()


def rnn(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    """Outputs (T, B, H) of tanh units for inputs (T, B, I) from h (B, H); weights as `Fused.weights` has them."""
    return _computed(_RNN, x, h, *weights)  # type: ignore[no-any-return]


def gru(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    """The same of a GRU, its gates stacked as reset, update, candidate."""
    return _computed(_GRU, x, h, *weights)  # type: ignore[no-any-return]


def lstm(x: Tensor, h: Tensor, c: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """The same of an LSTM, its gates stacked as input, forget, candidate, output; and the last c (B, H)."""
    return _computed(_LSTM, x, h, c, *weights)  # type: ignore[no-any-return]


def _computed(window: type[torch.autograd.Function], x: Tensor, *rest: Tensor) -> Any:
    if torch.is_autocast_enabled("cpu"):
        x = x.to(torch.get_autocast_dtype("cpu"))
    with torch.autocast("cpu", enabled=False):
        return window.apply(x, *rest)  # type: ignore[no-untyped-call]


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor
    ) -> Tensor:
        out = _from_x(x, w_x, b_x + b_h)
        product = _product(w_h, like=x)
        now = h
        for step in out.unbind(0):
            now = product(step, now, step).tanh_()
        ctx.save_for_backward(x, h, w_x, w_h, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> Gradients:
        x, h, w_x, w_h, out = ctx.saved_tensors
        d_outs, slopes = _shifted(d_out), (1 - out * out).unbind(0)
        d_sum = torch.empty_like(out, dtype=x.dtype)  # before tanh
        d_sums = d_sum.unbind(0)
        product = _product(w_h.T, like=x)
        d_h, d_before = d_outs[-1], torch.empty_like(h)
        for t in reversed(range(len(d_sums))):
            torch.mul(d_h, slopes[t], out=d_sums[t])
            d_h = product(d_outs[t], d_sums[t], d_before)
        rows = d_sum.flatten(0, 1)
        d_b = rows.sum(0)
        return (
            _towards_x(ctx, rows, w_x),
            d_h,
            _towards_w(rows, x),
            _towards_w(rows, _before(h, out)),
            d_b,
            d_b,
        )


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor
    ) -> Tensor:
        gates = _from_x(x, w_x, b_x)  # (T, B, 3H)
        from_h = torch.empty_like(gates)
        out = gates.new_empty(*gates.shape[:2], h.shape[1])
        r, z, n = (gate.unbind(0) for gate in gates.chunk(3, dim=-1))
        both, both_h = (g[..., : -h.shape[1]].unbind(0) for g in (gates, from_h))  # r and z
        n_h = from_h[..., -h.shape[1] :].unbind(0)
        product = _product(w_h, like=x)
        now = h
        for t, step in enumerate(out.unbind(0)):
            product(b_h, now, from_h[t])
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
        d_gates = torch.empty(*out.shape[:2], 3, out.shape[2], dtype=x.dtype)
        parts, wholes = d_gates.unbind(0), d_gates.flatten(2).unbind(0)
        product = _product(w_h.T, like=x)
        d_all = out.new_empty(len(out) + 1, *h.shape)  # towards h, and each step's output
        d_hs, d_outs, zs = d_all.unbind(0), _shifted(d_out), z.unbind(0)
        d_hs[-1].copy_(d_outs[-1])
        for t in reversed(range(len(parts))):
            torch.mul(shares[t], d_hs[t + 1].unsqueeze(1), out=parts[t])
            passed = torch.addcmul(d_outs[t], d_hs[t + 1], zs[t])
            product(passed, wholes[t], d_hs[t])
        rows = d_gates.flatten(2).flatten(0, 1)
        d_w_h, d_b_h = _towards_w(rows, before), rows.sum(0)
        torch.mul(to_n, d_all[1:], out=d_gates[:, :, 2])  # towards x no reset gate lies between
        return (
            _towards_x(ctx, rows, w_x),
            d_hs[0],
            _towards_w(rows, x),
            d_w_h,
            rows.sum(0),
            d_b_h,
        )


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h: Tensor,
        c: Tensor,
        w_x: Tensor,
        w_h: Tensor,
        b_x: Tensor,
        b_h: Tensor,
    ) -> tuple[Tensor, Tensor]:
        gates = _from_x(x, w_x, b_x + b_h)  # (T, B, 4H)
        i, f, g, o = (gate.unbind(0) for gate in gates.chunk(4, dim=-1))
        both = gates[..., : 2 * h.shape[1]].unbind(0)  # i and f
        out = x.new_empty(*x.shape[:2], h.shape[1])
        cells, squashed = (torch.empty_like(out, dtype=gates.dtype) for _ in range(2))  # c, tanh c
        product = _product(w_h, like=x)
        now, memory = h, c
        for t, sums in enumerate(gates.unbind(0)):
            product(sums, now, sums)
            both[t].sigmoid_()
            g[t].tanh_()
            o[t].sigmoid_()
            memory = torch.mul(f[t], memory, out=cells[t]).addcmul_(i[t], g[t])
            now = torch.mul(o[t], torch.tanh(memory, out=squashed[t]), out=out[t])
        ctx.save_for_backward(x, h, c, w_x, w_h, out, gates, cells, squashed)
        return out, memory.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_c: Tensor) -> Gradients:
        x, h, c, w_x, w_h, out, gates, cells, squashed = ctx.saved_tensors
        i, f, g, o = gates.chunk(4, dim=-1)
        # What each gate's sum takes of a step's gradient: the output's of that of h, the others of that of c.
        shares = gates.new_empty(*out.shape[:2], 4, out.shape[2])
        to_c, to_o = shares[:, :, :3].unbind(0), shares[:, :, 3].unbind(0)
        _through_sigmoid(g, i, shares[:, :, 0])
        _through_sigmoid(_before(c, cells).view_as(cells), f, shares[:, :, 1])
        _through_tanh(i, g, shares[:, :, 2])
        _through_sigmoid(squashed, o, shares[:, :, 3])
        slopes = _through_tanh(o, squashed, torch.empty_like(cells)).unbind(0)
        d_gates = torch.empty_like(shares, dtype=x.dtype)
        parts_c, parts_o = d_gates[:, :, :3].unbind(0), d_gates[:, :, 3].unbind(0)
        wholes, d_outs, fs = (
            d_gates.flatten(2).unbind(0),
            _shifted(d_out.to(gates.dtype)),
            f.unbind(0),
        )
        product = _product(w_h.T, like=x)
        d_h, d_before, d_c = d_outs[-1], torch.empty_like(d_outs[0]), d_c.clone()
        for t in reversed(range(len(wholes))):
            d_c.addcmul_(d_h, slopes[t])
            torch.mul(to_o[t], d_h, out=parts_o[t])
            torch.mul(to_c[t], d_c.unsqueeze(1), out=parts_c[t])
            d_c.mul_(fs[t])
            d_h = product(d_outs[t], wholes[t], d_before)
        rows = d_gates.flatten(2).flatten(0, 1)
        d_b = rows.sum(0)
        return (
            _towards_x(ctx, rows, w_x),
            d_h,
            d_c,
            _towards_w(rows, x),
            _towards_w(rows, _before(h, out)),
            d_b,
            d_b,
        )


def _product(w: Tensor, *, like: Tensor) -> Product:
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


def _from_x(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """W x + b for the whole window, in W's precision."""
    return F.linear(x, w.to(x.dtype), b.to(x.dtype)).to(w.dtype)


def _towards_x(ctx: Any, rows: Tensor, w_x: Tensor) -> Tensor | None:
    """The gradient of x (T, B, I) from those of the sums (T * B, ...)."""
    x = ctx.saved_tensors[0]
    return (rows @ w_x.to(x.dtype)).view_as(x) if ctx.needs_input_grad[0] else None


def _towards_w(rows: Tensor, x: Tensor) -> Tensor:
    """The gradient of a matrix from those of the sums (T * B, ...) and what it multiplied (T, B, ...)."""
    return rows.T @ x.flatten(0, -2).to(rows.dtype)


def _before(first: Tensor, after: Tensor) -> Tensor:
    """What each step began with, (T * B, H)."""
    return torch.cat([first.unsqueeze(0).to(after.dtype), after[:-1]]).flatten(0, 1)


def _shifted(d_out: Tensor) -> list[Tensor]:
    """The gradients (B, H) that come from above to what each step began with, and to the last step's output."""
    return [torch.zeros_like(d_out[0]), *d_out.contiguous().unbind(0)]


def _through_sigmoid(d: Tensor, y: Tensor, into: Tensor) -> Tensor:
    """d y (1 - y)."""
    return torch.ops.aten.sigmoid_backward.grad_input(d, y, grad_input=into)  # type: ignore[no-any-return]


def _through_tanh(d: Tensor, y: Tensor, into: Tensor) -> Tensor:
    """d (1 - y²)."""
    return torch.ops.aten.tanh_backward.grad_input(d, y, grad_input=into)  # type: ignore[no-any-return]
