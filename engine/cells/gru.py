"""Gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), in the form that cuDNN and torch compute."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from engine import windows
from engine.cells.base import Fused, LayerState
from engine.inputs import Inputs


class GRU(Fused):
    """The state is (h,). torch's kernel keeps the gates stacked as reset, update, candidate.

    The reset gate acts on W h + b rather than on h (the published report has both forms), so that all three products
    with h are one; the candidate's two biases are therefore not redundant.
    """

    name = "gru"
    parameter_formula = "3 * H * (I + H + 2)"
    kept_per_unit = 7
    gates = 3

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.kernel = nn.GRU(input_size, hidden_size)

    def forward(self, x: Tensor | Inputs, state: LayerState) -> tuple[Tensor, LayerState]:
        if isinstance(x, Tensor) and not windows.pay(x):
            return super().forward(x, state)
        out = windows.gru(x, state[0], self.weights)
        return out, (out[-1],)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        w_x, w_h, b_x, b_h = self.weights
        r_x, z_x, n_x = F.linear(x, w_x, b_x).chunk(3, dim=-1)
        r_h, z_h, n_h = F.linear(h, w_h, b_h).chunk(3, dim=-1)
        r = (r_x + r_h).sigmoid()
        z = (z_x + z_h).sigmoid()
        n = (n_x + r * n_h).tanh()
        h = (1 - z) * n + z * h
        return h, (h,)
