"""What every cell is: one recurrent layer, fast over a window and readable over one step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import _VF, Generator, Tensor, nn

LayerState = tuple[Tensor, ...]
"""What one layer carries from step to step: tensors (B, H), the output `h` first."""


class Cell(nn.Module, ABC):
    """One recurrent layer with inputs of size I and H units.

    `forward` runs a window (through torch's fused kernel where there is one), `step` states the paper's equations for
    one time step; they agree to rounding, and gradients flow through both.
    """

    name: ClassVar[str]
    """The name under which `--cell` finds it; the module's name too."""

    parameter_formula: ClassVar[str]
    """Number of weights, in I and H: plain arithmetic that `engine.sizes` reads from the source without torch."""

    kept_per_unit: ClassVar[int]
    """Numbers kept for the backward pass a unit, lane and step, dropout's mask among them; a test measures it."""

    state_tensors: ClassVar[int] = 1
    """How many tensors (B, H) the layer carries."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

    @abstractmethod
    def initialise(self, rng: Generator) -> None:
        """Draw all weights from `rng`, a CPU generator: the same seed gives the same weights for every device."""

    def raise_forget_bias(self) -> None:
        """Let the cell remember until it learns to forget; nothing to do without such a gate."""

    @abstractmethod
    def forward(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """Inputs (T, B, I) to outputs (T, B, H) and the state after the last step."""

    @abstractmethod
    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """Inputs (B, I) to outputs (B, H) and the next state, by the equations."""

    def memory(self, state: LayerState) -> Tensor:
        """What the layer remembers (B, H), each unit within -1 to 1 or near it: h, or tanh c where there is a c."""
        return state[0] if self.state_tensors == 1 else state[1].tanh()

    def initial_state(
        self,
        lanes: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> LayerState:
        """Zeros: what a layer knows before it read anything."""
        shape = (lanes, self.hidden_size)
        return tuple(
            torch.zeros(shape, device=device, dtype=dtype) for _ in range(self.state_tensors)
        )


class Fused(Cell):
    """A cell that torch has a kernel for (on GPUs at least), with one matrix for x and one for h, gates stacked.

    Both of torch's biases are trained, as in char-rnn and its heirs: only their sum matters (but in the GRU), so the
    price is a few numbers a unit, and the fused kernels take two biases or none.
    """

    kernel: nn.RNNBase
    gates: ClassVar[int] = 1

    @property
    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """W_x (gates * H, I), W_h (gates * H, H), b_x and b_h (gates * H)."""
        w_x, w_h, b_x, b_h = self.kernel.all_weights[0]
        return w_x, w_h, b_x, b_h

    def initialise(self, rng: Generator) -> None:
        w_x, w_h, b_x, b_h = self.weights
        scaled_(w_x, rng=rng, gates=self.gates)
        orthogonal_(w_h, rng=rng, gates=self.gates)
        nn.init.zeros_(b_x)
        nn.init.zeros_(b_h)

    def forward(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        hx = tuple(part.unsqueeze(0) for part in state)
        if x.is_cuda and _autocasts_to_bf16():
            out, *after = self._in_bf16(x, hx)
        elif len(hx) == 1:
            out, *after = self.kernel(x, *hx)
        else:
            out, after = self.kernel(x, hx)
        return out, tuple(part.squeeze(0) for part in after)

    def _in_bf16(self, x: Tensor, hx: LayerState) -> tuple[Tensor, ...]:
        """What autocast to bf16 means, and torch does not do: it has cuDNN's layers in fp16 whatever it was asked for
        (ATen/cudnn/AutocastRNN.cpp), where gradients are lost unless the loss is scaled.
        """
        sizes = [weight.numel() for weight in self.weights]
        with torch.autocast("cuda", enabled=False):
            # One after the other in one chunk, as cuDNN wants them.
            chunk = torch.cat([weight.flatten() for weight in self.weights]).bfloat16()
            parts = zip(chunk.split_with_sizes(sizes), self.weights, strict=True)
            weights = [part.view_as(weight) for part, weight in parts]
            x, begin = x.bfloat16(), tuple(part.bfloat16() for part in hx)
            kernel = getattr(_VF, "rnn_tanh" if self.name == "rnn" else self.name)
            how = True, 1, 0.0, self.training, False, False  # biases, layers, dropout, ...
            found: tuple[Tensor, ...] = kernel(
                x, begin if len(begin) > 1 else begin[0], weights, *how
            )
        return found


def _autocasts_to_bf16() -> bool:
    return torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda") == torch.bfloat16


class Looped(Cell):
    """A cell without a fused kernel: whatever does not depend on `h` is computed for the whole window first."""

    @abstractmethod
    def inputs(self, x: Tensor) -> tuple[Tensor, ...]:
        """The terms that come from the input alone, for x (..., I): each (..., H)."""

    @abstractmethod
    def advance(self, inputs: tuple[Tensor, ...], h: Tensor) -> Tensor:
        """The next h (B, H) from one step's `inputs`, each (B, H), and the last h."""

    def forward(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        (h,) = state
        outputs = []
        for terms in zip(*(term.unbind(0) for term in self.inputs(x)), strict=True):
            h = self.advance(terms, h)
            outputs.append(h)
        return torch.stack(outputs), (h,)


@torch.no_grad()
def orthogonal_(weight: Tensor, *, rng: Generator, gates: int = 1) -> None:
    """Fill each gate's block of `weight` (gates * H, H) with a random orthogonal matrix.

    Orthogonal recurrence neither shrinks nor blows up the signal at the start (Saxe et al. 2014, arXiv 1312.6120).
    """
    for block in weight.chunk(gates):
        # The signs of R's diagonal make the draw uniform over the orthogonal group (Mezzadri 2007).
        q, r = torch.linalg.qr(torch.randn(block.shape, generator=rng, dtype=torch.float64))
        block.copy_(q * r.diagonal().sign())


@torch.no_grad()
def scaled_(weight: Tensor, *, rng: Generator, gates: int = 1) -> None:
    """Fill each gate's block (H, I) uniformly within ±sqrt(6 / (I + H)) (Glorot & Bengio 2010, eq. 16)."""
    for block in weight.chunk(gates):
        bound = math.sqrt(6 / sum(block.shape))
        block.copy_(torch.empty(block.shape).uniform_(-bound, bound, generator=rng))
