"""The network for one text on the CPU: its weights packed once, each step a product of a matrix and a vector in NumPy.

A character passes every weight once, so the weights' way from memory is the time it takes. For one row NumPy's product
reads them faster than torch's (77 GB/s against 57 on one Zen 4 core; 2x192: 0.03 ms a step against 0.09), and a step is
a dozen calls instead of sixty. What the first layer makes of each token is looked up, where the vocabulary is small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.cells.base import Cell, Fused
from engine.cells.gru import GRU
from engine.cells.lstm import LSTM
from engine.cells.rnn import RNN
from engine.model import Model
from engine.state import State

Floats = npt.NDArray[np.float32]

# A table of the first layer's products beyond this many numbers (64 MiB) would not stay in any cache.
MOST_LOOKED_UP = 1 << 24


class Text(Protocol):
    """The network while it writes one text."""

    def step(self, token: int) -> Tensor:
        """Logits (1, V) for what follows `token`; overwritten by the next step."""


def pack(model: Model) -> Packed:
    """The model, ready to write texts one at a time. What it has no NumPy for, torch computes."""
    # A model of another class has a step of its own.
    plain = type(model) is Model and not (model.config.layer_norm or model.config.residual)
    if plain and all(type(cell) in _LAYERS for cell in model.layers):
        return _InNumPy(model)
    return _InTorch(model)


class Packed(ABC):
    """A model's weights, laid out for steps of one row."""

    @abstractmethod
    def begin(self, state: State) -> Text:
        """A text that goes on from a state (of one lane)."""


class _InTorch(Packed):
    def __init__(self, model: Model) -> None:
        self.model = model

    def begin(self, state: State) -> Text:
        return _TorchText(self.model, state)


class _TorchText:
    def __init__(self, model: Model, state: State) -> None:
        self._model, self._state = model, state

    @torch.inference_mode()
    def step(self, token: int) -> Tensor:
        logits, self._state = self._model.step(torch.tensor([token]), self._state)
        return logits


class _InNumPy(Packed):
    def __init__(self, model: Model) -> None:
        e = model.embedding
        self.vectors = (
            _array(e.weight) if e is not None else np.eye(model.vocab_size, dtype=np.float32)
        )
        self.layers = [
            _LAYERS[type(cell)](cell, self.vectors if i == 0 else None)
            for i, cell in enumerate(model.layers)
        ]
        self.narrow = _array(model.narrow.weight) if isinstance(model.narrow, nn.Linear) else None
        weight = model.output_weight
        self.output = self.vectors if weight is None else _array(weight)
        self.bias = _array(model.output_bias)

    def begin(self, state: State) -> Text:
        return _NumPyText(self, state)


class _NumPyText:
    def __init__(self, packed: _InNumPy, state: State) -> None:
        self._packed = packed
        self._runs = [
            layer.begin([_array(part[0]) for part in parts])
            for layer, parts in zip(packed.layers, state, strict=True)
        ]
        self._logits = np.empty(len(packed.bias), np.float32)
        self._shown = torch.from_numpy(self._logits).unsqueeze(0)

    def step(self, token: int) -> Tensor:
        packed = self._packed
        x = packed.vectors[token]
        for run in self._runs:
            x = run.step(token, x)
        if packed.narrow is not None:
            x = packed.narrow @ x
        np.dot(packed.output, x, out=self._logits)
        np.add(self._logits, packed.bias, out=self._logits)
        return self._shown


class _Run(ABC):
    """One layer while one text is written."""

    @abstractmethod
    def step(self, token: int, x: Floats) -> Floats:
        """The output (H,) for the input x (I,), which a table may know by its token."""


class _Layer(ABC):
    """One layer's weights: W (gates * H, I + H) for input and state together, or W_h and a table of W_x x + b."""

    def __init__(self, cell: Cell, vectors: Floats | None) -> None:
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = (self.arranged(_array(weight)) for weight in cell.weights)
        self.hidden, self.inputs = w_h.shape[1], w_x.shape[1]
        self.table: Floats | None = None
        if vectors is not None and len(vectors) * len(w_x) <= MOST_LOOKED_UP:
            self.table = vectors @ w_x.T + self.input_bias(b_x, b_h)
        self.w_x, self.w_h = w_x, np.ascontiguousarray(w_h)
        self.b_x, self.b_h = b_x, b_h

    def arranged(self, weight: Floats) -> Floats:
        """The gates' blocks of a weight in the order and scale that the run wants."""
        return weight

    def input_bias(self, b_x: Floats, b_h: Floats) -> Floats:
        """What is added to W_x x."""
        return b_x + b_h

    @abstractmethod
    def begin(self, state: Sequence[Floats]) -> _Run: ...

    def from_input(self, token: int, x: Floats) -> Floats:
        """W_x x + b (gates * H)."""
        if self.table is not None:
            return self.table[token]  # type: ignore[no-any-return]
        return self.w_x @ x + self.input_bias(self.b_x, self.b_h)


class _LSTMLayer(_Layer):
    def arranged(self, weight: Floats) -> Floats:
        # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: with three gates halved and the candidate last, one tanh serves all.
        i, f, g, o = np.split(weight, 4)
        return np.concatenate([0.5 * i, 0.5 * f, 0.5 * o, g]).astype(np.float32)

    def begin(self, state: Sequence[Floats]) -> _Run:
        return _LSTMRun(self, state)


class _LSTMRun(_Run):
    def __init__(self, layer: _LSTMLayer, state: Sequence[Floats]) -> None:
        self.layer = layer
        self.h, self.c = (part.copy() for part in state)
        self.z = np.empty(4 * layer.hidden, np.float32)
        self.gates = self.z[: 3 * layer.hidden]
        self.i, self.f, self.o, self.g = np.split(self.z, 4)
        self.squashed = np.empty_like(self.c)

    def step(self, token: int, x: Floats) -> Floats:
        np.dot(self.layer.w_h, self.h, out=self.z)
        self.z += self.layer.from_input(token, x)
        np.tanh(self.z, out=self.z)
        self.gates *= 0.5
        self.gates += 0.5
        self.c *= self.f
        self.i *= self.g
        self.c += self.i
        np.tanh(self.c, out=self.squashed)
        np.multiply(self.o, self.squashed, out=self.h)
        return self.h


class _GRULayer(_Layer):
    def input_bias(self, b_x: Floats, b_h: Floats) -> Floats:
        del b_h  # the candidate's acts behind the reset gate
        return b_x

    def begin(self, state: Sequence[Floats]) -> _Run:
        return _GRURun(self, state)


class _GRURun(_Run):
    def __init__(self, layer: _GRULayer, state: Sequence[Floats]) -> None:
        self.layer = layer
        self.h = state[0].copy()
        self.from_h = np.empty(3 * layer.hidden, np.float32)

    def step(self, token: int, x: Floats) -> Floats:
        border = 2 * self.layer.hidden
        from_x, from_h = self.layer.from_input(token, x), self.from_h
        np.dot(self.layer.w_h, self.h, out=from_h)
        from_h += self.layer.b_h
        gates = 0.5 * np.tanh(0.5 * (from_x[:border] + from_h[:border])) + 0.5
        r, z = gates[: self.layer.hidden], gates[self.layer.hidden :]
        n = np.tanh(from_x[border:] + r * from_h[border:])
        self.h = n + z * (self.h - n)
        return self.h


class _RNNLayer(_Layer):
    def begin(self, state: Sequence[Floats]) -> _Run:
        return _RNNRun(self, state)


class _RNNRun(_Run):
    def __init__(self, layer: _RNNLayer, state: Sequence[Floats]) -> None:
        self.layer = layer
        self.h = state[0].copy()

    def step(self, token: int, x: Floats) -> Floats:
        self.h = np.tanh(self.layer.w_h @ self.h + self.layer.from_input(token, x))
        return self.h


_LAYERS: dict[type[Cell], type[_Layer]] = {LSTM: _LSTMLayer, GRU: _GRULayer, RNN: _RNNLayer}


def _array(weight: Tensor) -> Floats:
    return weight.detach().float().numpy()
