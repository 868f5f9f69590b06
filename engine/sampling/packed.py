"""The network for one text on the CPU: its weights packed once, each step a product of a matrix and a vector in NumPy.

A character passes every weight once, so the weights' way from memory is the time it takes. For one row NumPy's product
reads them faster than torch's (77 GB/s against 57 on one Zen 4 core; 2x192: 0.03 ms a step against 0.09), and a step is
a dozen calls instead of sixty. What the first layer makes of each token is looked up, where the vocabulary is small.

Weights that no near cache holds are read from memory, at a quarter of that speed or less: in int8 (a scale a row;
the inputs are rounded to 8 bits too) they take a quarter of the room. Three products of 2048 x 1024 beside other work:
0.21 ms instead of 1.35.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Protocol

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
# A stack of more weights than this (8 MB in float32) is packed in int8 where that is left to us.
MOST_IN_FLOAT32 = 1 << 21

Arithmetic = Literal["float32", "int8"]


class Text(Protocol):
    """The network while it writes one text."""

    def step(self, token: int) -> Tensor:
        """Logits (1, V) for what follows `token`; overwritten by the next step."""


def arithmetic(model: Model, wanted: str) -> Arithmetic:
    """What `SampleConfig.weights` (auto, float32, int8) means for this model on this machine."""
    large = sum(p.numel() for cell in model.layers for p in cell.parameters()) > MOST_IN_FLOAT32
    return (
        "int8" if has_int8() and (wanted == "int8" or (wanted == "auto" and large)) else "float32"
    )


def has_int8() -> bool:
    """Whether this torch has int8 products for this machine."""
    return "x86" in torch.backends.quantized.supported_engines


def pack(model: Model, arithmetic: Arithmetic = "float32") -> Packed:
    """The model, ready to write texts one at a time. What it has no NumPy for, torch computes, in float32."""
    # A model of another class has a step of its own.
    plain = type(model) is Model and not (model.config.layer_norm or model.config.residual)
    if plain and all(type(cell) in _LAYERS for cell in model.layers):
        return _InNumPy(model, _Int8 if arithmetic == "int8" else _Float32)
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


class _Product(ABC):
    """A matrix that vectors are multiplied with."""

    @abstractmethod
    def __init__(self, weight: Floats) -> None: ...

    @abstractmethod
    def __call__(self, x: Floats) -> Floats:
        """W x, anew each time."""


class _Float32(_Product):
    def __init__(self, weight: Floats) -> None:
        self.weight = np.ascontiguousarray(weight)

    def __call__(self, x: Floats) -> Floats:
        return np.dot(self.weight, x)  # type: ignore[no-any-return]


class _Int8(_Product):
    def __init__(self, weight: Floats) -> None:
        scales = np.maximum(np.abs(weight).max(axis=1), 1e-9).astype(np.float64) / 127
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch's, that quantized tensors will move to another package
            rows = torch.quantize_per_channel(
                torch.from_numpy(np.ascontiguousarray(weight)),
                torch.from_numpy(scales),
                torch.zeros(len(weight), dtype=torch.int64),
                0,
                torch.qint8,
            )
        self.packed: Any = torch.ops.quantized.linear_prepack(rows, None)

    def __call__(self, x: Floats) -> Floats:
        out = torch.ops.quantized.linear_dynamic(torch.from_numpy(x)[None], self.packed, False)
        return out[0].numpy()  # type: ignore[no-any-return]


class _InNumPy(Packed):
    def __init__(self, model: Model, product: type[_Product]) -> None:
        e = model.embedding
        self.vectors = (
            _array(e.weight) if e is not None else np.eye(model.vocab_size, dtype=np.float32)
        )
        self.layers = [
            _LAYERS[type(cell)](cell, self.vectors if i == 0 else None, product)
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
    """One layer's weights, the input's as a table of W_x x + b where the tokens' `vectors` are given and few."""

    def __init__(self, cell: Cell, vectors: Floats | None, product: type[_Product]) -> None:
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = (self.arranged(_array(weight)) for weight in cell.weights)
        self.hidden = w_h.shape[1]
        self.table: Floats | None = None
        if vectors is not None and len(vectors) * len(w_x) <= MOST_LOOKED_UP:
            self.table = vectors @ w_x.T + self.input_bias(b_x, b_h)
        self.w_x, self.w_h = product(w_x), product(w_h)
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
        return self.w_x(x) + self.input_bias(self.b_x, self.b_h)


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
        self.squashed = np.empty_like(self.c)

    def step(self, token: int, x: Floats) -> Floats:
        z = self.layer.w_h(self.h)
        z += self.layer.from_input(token, x)
        np.tanh(z, out=z)
        gates = z[: 3 * self.layer.hidden]
        gates *= 0.5
        gates += 0.5
        i, f, o, g = z.reshape(4, -1)
        self.c *= f
        i *= g
        self.c += i
        np.tanh(self.c, out=self.squashed)
        np.multiply(o, self.squashed, out=self.h)
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

    def step(self, token: int, x: Floats) -> Floats:
        border = 2 * self.layer.hidden
        from_x, from_h = self.layer.from_input(token, x), self.layer.w_h(self.h)
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
        self.h = np.tanh(self.layer.w_h(self.h) + self.layer.from_input(token, x))
        return self.h


_LAYERS: dict[type[Cell], type[_Layer]] = {LSTM: _LSTMLayer, GRU: _GRULayer, RNN: _RNNLayer}


def _array(weight: Tensor) -> Floats:
    return weight.detach().float().numpy()
