"""MUT3, the last of three cells found by mutation (Jozefowicz, Zaremba & Sutskever 2015, section 3.5)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine.cells.base import LayerState, Looped, orthogonal_, scaled_


class MUT3(Looped):
    """The state is (h,). A GRU whose update gate sees h through a tanh."""

    name = "mut3"
    parameter_formula = "3 * H * (I + H + 1)"
    kept_per_unit = 9

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.w_xz = nn.Parameter(torch.empty(hidden_size, input_size))
        self.w_xr = nn.Parameter(torch.empty(hidden_size, input_size))
        self.w_xh = nn.Parameter(torch.empty(hidden_size, input_size))
        self.w_hz = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.w_hr = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.w_hh = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.b_z = nn.Parameter(torch.empty(hidden_size))
        self.b_r = nn.Parameter(torch.empty(hidden_size))
        self.b_h = nn.Parameter(torch.empty(hidden_size))

    def initialise(self, rng: Generator) -> None:
        for weight in (self.w_xz, self.w_xr, self.w_xh):
            scaled_(weight, rng=rng)
        for weight in (self.w_hz, self.w_hr, self.w_hh):
            orthogonal_(weight, rng=rng)
        for bias in (self.b_z, self.b_r, self.b_h):
            nn.init.zeros_(bias)

    def inputs(self, x: Tensor) -> tuple[Tensor, ...]:
        return (
            F.linear(x, self.w_xz, self.b_z),
            F.linear(x, self.w_xr, self.b_r),
            F.linear(x, self.w_xh, self.b_h),
        )

    def advance(self, inputs: tuple[Tensor, ...], h: Tensor) -> Tensor:
        z_x, r_x, h_x = inputs
        z = torch.addmm(z_x, h.tanh(), self.w_hz.T).sigmoid()
        r = torch.addmm(r_x, h, self.w_hr.T).sigmoid()
        return h + z * (torch.addmm(h_x, r * h, self.w_hh.T).tanh() - h)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        z = torch.sigmoid(x @ self.w_xz.T + torch.tanh(h) @ self.w_hz.T + self.b_z)
        r = torch.sigmoid(x @ self.w_xr.T + h @ self.w_hr.T + self.b_r)
        h = torch.tanh((r * h) @ self.w_hh.T + x @ self.w_xh.T + self.b_h) * z + h * (1 - z)
        return h, (h,)
