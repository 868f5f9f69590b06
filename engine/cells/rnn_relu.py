"""Rectified linear units that start as the identity (Le, Jaitly & Hinton 2015, arXiv 1504.00941)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine.cells.base import LayerState, Looped, scaled_

CEILING = 1.0


class IdentityRNN(Looped):
    """The state is (h,): h' = relu(W_xh x + W_hh h + b), with W_hh the identity and b = 0 at the start.

    The paper's tasks start each sequence at zero. Here the state is carried over a whole corpus, and as published |h|
    led beyond 10^9. So a lane's h is scaled down where its root mean square would pass 1: that leaves its direction,
    which a ceiling on each unit does not (units that all saturate tell nothing apart). Input weights are Glorot's; the
    paper's, normal with 0.001, start too slowly for a rate that decays (docs/experiments.md).
    """

    name = "rnn_relu"
    parameter_formula = "H * (I + H + 1)"
    kept_per_unit = 5

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.w_xh = nn.Parameter(torch.empty(hidden_size, input_size))
        self.w_hh = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.b_h = nn.Parameter(torch.empty(hidden_size))

    @torch.no_grad()
    def initialise(self, rng: Generator) -> None:
        scaled_(self.w_xh, rng=rng)
        nn.init.eye_(self.w_hh)
        nn.init.zeros_(self.b_h)

    def inputs(self, x: Tensor) -> tuple[Tensor, ...]:
        return (F.linear(x, self.w_xh, self.b_h),)

    def advance(self, inputs: tuple[Tensor, ...], h: Tensor) -> Tensor:
        (h_x,) = inputs
        h = torch.addmm(h_x, h, self.w_hh.T).relu()
        most = CEILING * math.sqrt(self.hidden_size)  # of the norm
        norm: Tensor = torch.linalg.vector_norm(h, dim=-1, keepdim=True)
        return h * (most / norm.clamp_min(most))

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        h = torch.relu(x @ self.w_xh.T + h @ self.w_hh.T + self.b_h)
        rms = h.square().mean(dim=-1, keepdim=True).sqrt()
        h = h / (rms / CEILING).clamp_min(1.0)
        return h, (h,)
