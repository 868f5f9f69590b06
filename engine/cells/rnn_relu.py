"""A network of rectified linear units that starts as the identity (Le, Jaitly & Hinton 2015, arXiv 1504.00941)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine.cells.base import Fused, LayerState

INPUT_STD = 0.001


class IdentityRNN(Fused):
    """The state is (h,): h' = relu(W_xh x + W_hh h + b), with W_hh = 1 and b = 0 at the start.

    Input weights start at N(0, 0.001) as published: units that forget nothing add up what they read, and a state
    carried over a whole corpus would otherwise grow before the first weight is learned.
    """

    name = "rnn_relu"
    parameter_formula = "H * (I + H + 2)"
    kept_per_unit = 3

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.kernel = nn.RNN(input_size, hidden_size, nonlinearity="relu")

    @torch.no_grad()
    def initialise(self, rng: Generator) -> None:
        w_x, w_h, b_x, b_h = self.weights
        w_x.copy_(torch.randn(w_x.shape, generator=rng) * INPUT_STD)
        nn.init.eye_(w_h)
        nn.init.zeros_(b_x)
        nn.init.zeros_(b_h)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        w_x, w_h, b_x, b_h = self.weights
        h = torch.relu(F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h))
        return h, (h,)
