"""MUT1, the first of three cells found by mutation (Jozefowicz, Zaremba & Sutskever 2015, section 3.5)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine.cells.base import LayerState, Looped, orthogonal_, scaled_


class MUT1(Looped):
    """The state is (h,).

    The paper's tanh(x) needs an input as wide as the layer; where it is not, x is projected to H units there.
    """

    name = "mut1"
    parameter_formula = "2 * H * I + 2 * H * H + 3 * H + (I != H) * H * I"
    kept_per_unit = 9

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.w_xz = nn.Parameter(torch.empty(hidden_size, input_size))
        self.w_xr = nn.Parameter(torch.empty(hidden_size, input_size))
        self.w_hr = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.w_hh = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.b_z = nn.Parameter(torch.empty(hidden_size))
        self.b_r = nn.Parameter(torch.empty(hidden_size))
        self.b_h = nn.Parameter(torch.empty(hidden_size))
        self.widen = (
            nn.Identity()
            if input_size == hidden_size
            else nn.Linear(input_size, hidden_size, bias=False)
        )

    def initialise(self, rng: Generator) -> None:
        for weight in (self.w_xz, self.w_xr, *self.widen.parameters()):
            scaled_(weight, rng=rng)
        for weight in (self.w_hr, self.w_hh):
            orthogonal_(weight, rng=rng)
        for bias in (self.b_z, self.b_r, self.b_h):
            nn.init.zeros_(bias)

    def inputs(self, x: Tensor) -> tuple[Tensor, ...]:
        z = F.linear(x, self.w_xz, self.b_z).sigmoid()
        r_x = F.linear(x, self.w_xr, self.b_r)
        return z, r_x, self.widen(x).tanh() + self.b_h

    def advance(self, inputs: tuple[Tensor, ...], h: Tensor) -> Tensor:
        z, r_x, h_x = inputs
        r = torch.addmm(r_x, h, self.w_hr.T).sigmoid()
        return h + z * (torch.addmm(h_x, r * h, self.w_hh.T).tanh() - h)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        z = torch.sigmoid(x @ self.w_xz.T + self.b_z)
        r = torch.sigmoid(x @ self.w_xr.T + h @ self.w_hr.T + self.b_r)
        h = torch.tanh((r * h) @ self.w_hh.T + torch.tanh(self.widen(x)) + self.b_h) * z + h * (
            1 - z
        )
        return h, (h,)
