"""LSTM with layer normalisation inside (Ba, Kiros & Hinton 2016, arXiv 1607.06450, equations 20 to 22)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine.cells.base import Cell, LayerState, orthogonal_, scaled_


class LayerNormLSTM(Cell):
    """The state is (h, c): (i, f, o, g) = LN(W_h h) + LN(W_x x) + b, c' = f c + i g, h' = o tanh(LN(c')).

    Each LN spans all four gates, or all memory cells. The shifts of the first two are left out, as b does their work.
    """

    name = "lstm_ln"
    parameter_formula = "4 * H * (I + H + 3) + 2 * H"
    kept_per_unit = 17
    state_tensors = 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.w_x = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.w_h = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.b = nn.Parameter(torch.empty(4 * hidden_size))
        self.gain_x = nn.Parameter(torch.empty(4 * hidden_size))
        self.gain_h = nn.Parameter(torch.empty(4 * hidden_size))
        self.gain_c = nn.Parameter(torch.empty(hidden_size))
        self.shift_c = nn.Parameter(torch.empty(hidden_size))

    def initialise(self, rng: Generator) -> None:
        scaled_(self.w_x, rng=rng, gates=4)
        orthogonal_(self.w_h, rng=rng, gates=4)
        for gain in (self.gain_x, self.gain_h, self.gain_c):
            nn.init.ones_(gain)
        for shift in (self.b, self.shift_c):
            nn.init.zeros_(shift)
        self.raise_forget_bias()

    def raise_forget_bias(self) -> None:
        self.b.detach().chunk(4)[1].fill_(1.0)

    def memory(self, state: LayerState) -> Tensor:
        return self._shown(state[1]).tanh()

    def forward(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        h, c = state
        gates, w_h = self.gain_x.shape, self.w_h.T
        # tanh g = 1 - 2 sigmoid(-2 g), so that one call squashes all gates; its -2 goes into the norms' gains.
        scale = torch.ones_like(self.b)
        scale[3 * self.hidden_size :].fill_(-2.0)
        gain_h = self.gain_h * scale
        from_x = F.layer_norm(F.linear(x, self.w_x), gates, self.gain_x * scale, self.b * scale)
        outputs = []
        for now in from_x.unbind(0):
            a = F.layer_norm(torch.mm(h, w_h), gates, gain_h) + now
            i, f, o, g = a.sigmoid().chunk(4, dim=-1)
            c = torch.addcmul(torch.addcmul(i, f, c), i, g, value=-2)  # f c + i (1 - 2 g)
            h = o * self._shown(c).tanh()
            outputs.append(h)
        return torch.stack(outputs), (h, c)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        h, c = state
        gates = self.gain_x.shape
        a = F.layer_norm(h @ self.w_h.T, gates) * self.gain_h
        a = a + F.layer_norm(x @ self.w_x.T, gates) * self.gain_x + self.b
        i, f, o, g = a.chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * (F.layer_norm(c, self.gain_c.shape) * self.gain_c + self.shift_c).tanh()
        return h, (h, c)

    def _shown(self, c: Tensor) -> Tensor:
        return F.layer_norm(c, self.gain_c.shape, self.gain_c, self.shift_c)
