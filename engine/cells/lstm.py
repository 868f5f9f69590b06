"""Long short-term memory (Hochreiter & Schmidhuber 1997) with forget gates (Gers et al. 2000)."""

from __future__ import annotations

from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine import windows
from engine.cells.base import Fused, LayerState
from engine.inputs import Inputs


class LSTM(Fused):
    """The state is (h, c). torch's kernel keeps the gates stacked as input, forget, candidate, output."""

    name = "lstm"
    parameter_formula = "4 * H * (I + H + 2)"
    kept_per_unit = 18
    state_tensors = 2
    gates = 4

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.kernel = nn.LSTM(input_size, hidden_size)

    def initialise(self, rng: Generator) -> None:
        super().initialise(rng)
        self.raise_forget_bias()

    def raise_forget_bias(self) -> None:
        """A bias of 1, of which training goes on (Gers et al. 2000; Jozefowicz et al. 2015, section 2.2)."""
        _, _, b_x, b_h = self.weights
        b_h.detach().chunk(4)[1].zero_()
        _, forget, _, _ = b_x.detach().chunk(4)
        forget.fill_(1.0)

    def forward(self, x: Tensor | Inputs, state: LayerState) -> tuple[Tensor, LayerState]:
        if isinstance(x, Tensor) and not windows.pay_for_lstm(x, self.hidden_size):
            return super().forward(x, state)
        h, c = state
        out, c = windows.lstm(x, h, c, self.weights)
        return out, (out[-1], c)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        h, c = state
        w_x, w_h, b_x, b_h = self.weights
        i, f, g, o = (F.linear(x, w_x, b_x) + F.linear(h, w_h, b_h)).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h, (h, c)
