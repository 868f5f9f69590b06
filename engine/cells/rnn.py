"""The plain recurrent network with tanh units (Elman 1990): h' = tanh(W_xh x + W_hh h + b)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine import windows
from engine.cells.base import Fused, LayerState
from engine.inputs import Inputs


class RNN(Fused):
    """The state is (h,)."""

    name = "rnn"
    parameter_formula = "H * (I + H + 2)"
    kept_per_unit = 3

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.kernel = nn.RNN(input_size, hidden_size, nonlinearity="tanh")

    def forward(self, x: Tensor | Inputs, state: LayerState) -> tuple[Tensor, LayerState]:
        if isinstance(x, Tensor) and not windows.pay(x):
            return super().forward(x, state)
        out = windows.rnn(x, state[0], self.weights)
        return out, (out[-1],)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        w_x, w_h, b_x, b_h = self.weights
        h = torch.tanh(F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h))
        return h, (h,)
