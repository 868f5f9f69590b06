"""Muon (Jordan et al. 2024): each matrix moves along its momentum with all singular values brought near 1.

torch has it too; this one costs a quarter of the time, which on a CPU was as much as half of the network's own. Three
Newton-Schulz steps instead of five, and each of them on the small square X Xᵀ instead of on X: with p_k the polynomial
of step k,

    G_1 = X Xᵀ / |X Xᵀ|,   P_k = p_k(G_k) P_(k-1),   G_(k+1) = p_k(G_k) G_k p_k(G_k),   result P_3 X / |X Xᵀ|^½

The norm of the square bounds the largest singular value closer than that of X, by which others divide: small values
start 1.5 times as large. Matrices of one shape go through together, in bf16 where the device has units for it; with
five steps on the square that is too coarse (values up to 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from engine.devices import has_bf16

STEPS = 3
# a x + b x^3 + c x^5 takes every singular value in (0, 1] towards 0.7 to 1.2 (Jordan).
A, B, C = 3.4445, -4.7750, 2.0315
# A matrix moves at every third step where orthogonalising it is more than this share of the network's own work with it,
# counted in operations: for an LSTM's at 16 lanes of 64 it is 0.18 at 128 units, 0.35 at 256 and 0.71 at 512. In bf16
# Muon's products come nearer to the units' rate than the network's, and what resting at 0.2 saved won nothing in equal
# time. Three steps in one cost nothing that two seeds could tell at 192 and 256 units, but 0.01 nats at 64, whose
# products take no time anyway.
MOST = {torch.bfloat16: 0.5, torch.float32: 0.1}
REST = 3
NARROW = 64


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay. Parameters are matrices.

    A matrix that takes long to orthogonalise beside the `tokens` that the network reads for a step moves at every third
    turn, then three times as far (`period`). `turn` counts steps; whoever resumes sets it.

    Where `found_inf`, a number on their device, is not 0, a step changes nothing (as in torch's fused optimizers).
    """

    found_inf: Tensor | None = None
    turn = 0

    def __init__(
        self,
        params: Iterable[dict[str, Any]] | Iterable[nn.Parameter],
        *,
        lr: float = 0.03,
        weight_decay: float,
        momentum: float = 0.95,
        tokens: int,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self._tokens = tokens

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Average every matrix's gradient, and move those whose turn it is."""
        del closure
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                averages, gradients = self._averaged(parameters, group["momentum"])
                dtype = _arithmetic(parameters[0].device)
                every = period(shape, tokens=self._tokens, dtype=dtype)
                if self.turn % every:
                    continue
                lr = group["lr"] * every
                # Tall matrices change their output as much as square ones do.
                rate = lr * max(1.0, shape[0] / shape[1]) ** 0.5
                moved = orthogonalised(_directions(gradients, averages, group["momentum"], dtype))
                shrink: float | Tensor = 1 - lr * group["weight_decay"]
                if self.found_inf is not None:
                    moved = moved * (self.found_inf == 0)
                    shrink = torch.where(self.found_inf == 0, shrink, 1.0).to(parameters[0].dtype)
                torch._foreach_mul_(parameters, shrink)
                torch._foreach_add_(parameters, moved.to(parameters[0].dtype).unbind(), alpha=-rate)

    def _averaged(
        self, parameters: list[Tensor], momentum: float
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The gradients' running averages, taken one step further, and the gradients."""
        averages, gradients = [], []
        for parameter in parameters:
            assert parameter.grad is not None
            kept = self.state[parameter]
            if "momentum_buffer" not in kept:
                kept["momentum_buffer"] = torch.zeros_like(parameter)
            averages.append(kept["momentum_buffer"])
            gradients.append(parameter.grad)
        if self.found_inf is not None:
            gradients = [
                torch.where(self.found_inf == 0, gradient, average)
                for gradient, average in zip(gradients, averages, strict=True)
            ]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        return averages, gradients


def period(shape: tuple[int, ...], *, tokens: int, dtype: torch.dtype) -> int:
    """Every how many steps a matrix moves that `dtype` orthogonalises and a step reads so many `tokens` through.

    What orthogonalising takes is kept small beside the network's products.
    """
    long, short = max(shape), min(shape)
    # X Xᵀ and the result; the polynomials' squares; and between two steps p G p and p P.
    orthogonalising = 4 * long * short**2 + (2 * STEPS + 6 * (STEPS - 1)) * short**3
    dear = orthogonalising > MOST[dtype] * 6 * long * short * tokens
    return REST if dear and short > NARROW else 1


def _arithmetic(device: torch.device) -> torch.dtype:
    """What a device orthogonalises in."""
    return torch.bfloat16 if has_bf16(device) else torch.float32


def _directions(
    gradients: list[Tensor], averages: list[Tensor], momentum: float, dtype: torch.dtype
) -> Tensor:
    """Where the averages, taken one more step along these gradients (Nesterov), point: (N, R, C)."""
    first = gradients[0]
    # Each into its place at once: fresh memory for all of three 2048 x 512 took 13 ms more, of 90.
    found = torch.empty(len(gradients), *first.shape, dtype=dtype, device=first.device)
    for into, gradient, average in zip(found.unbind(), gradients, averages, strict=True):
        into.copy_(torch.lerp(gradient, average, momentum))
    return found


def orthogonalised(x: Tensor) -> Tensor:
    """Matrices (N, R, C) with the same singular vectors and, but for the smallest, values of about 1.

    Nothing is transposed in memory: sums over another layout take three times as long.
    """
    tall = x.shape[-2] > x.shape[-1]
    square = x.mT @ x if tall else x @ x.mT
    size: Tensor = torch.linalg.matrix_norm(square.float(), keepdim=True).clamp_min(1e-14)
    square = (square / size).to(x.dtype)
    product = polynomial = _polynomial(square)
    for _ in range(STEPS - 1):
        square = polynomial @ square @ polynomial
        polynomial = _polynomial(square)
        product = polynomial @ product
    product = (product / size.sqrt()).to(x.dtype)
    return x @ product if tall else product @ x


def _polynomial(square: Tensor) -> Tensor:
    """A + B G + C G^2."""
    found = torch.baddbmm(square, square, square, beta=B, alpha=C)
    found.diagonal(dim1=-2, dim2=-1).add_(A)
    return found
