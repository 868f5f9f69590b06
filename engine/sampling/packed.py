"""The network on the CPU: weights packed once, a step of some texts side by side in NumPy.

A step is a dozen calls instead of the model's sixty (2x192, one text: 0.03 ms against 0.09), and what the first layer
makes of each token is looked up, where the vocabulary is small. Of one text a step passes every weight once, so the
weights' way from memory is the time it takes: in int8 (`products.py`) a quarter of float32's. Many texts share it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.cells.base import Cell, Fused
from engine.cells.gru import GRU
from engine.cells.lstm import LSTM
from engine.cells.rnn import RNN
from engine.grams import Grams, rows_of_last
from engine.model import Model, no_number
from engine.sampling.network import Network
from engine.sampling.products import (
    PRODUCTS,
    Arithmetic,
    Floats,
    Product,
    has_int8,
    has_int16,
)
from engine.state import State

# A table of the first layer's products beyond this many numbers (64 MiB) would not stay in any cache.
MOST_LOOKED_UP = 1 << 24
# A stack of more weights than this (2x96 has 137,000) is packed in int8 where that is left to us: a smaller one is
# quick in int16 too, and says of its texts what the evaluator would.
MOST_IN_INT16 = 150_000

Rows = slice | npt.NDArray[np.int64]


def arithmetic(model: Model, wanted: str) -> Arithmetic:
    """What `SampleConfig.weights` (auto, float32, int16, int8) means for this model on this machine."""
    if wanted == "auto":
        large = sum(p.numel() for cell in model.layers for p in cell.parameters()) > MOST_IN_INT16
        wanted = "int8" if large else "int16"
    if wanted == "int8" and has_int8():
        return "int8"
    return "int16" if wanted == "int16" and has_int16() else "float32"


def can_pack(model: Model) -> bool:
    """Whether there is a step in NumPy for this model: a plain stack of lstm, gru or rnn."""
    # A model of another class has a step of its own.
    plain = type(model) is Model and not (model.config.layer_norm or model.config.residual)
    return plain and all(type(cell) in _LAYERS for cell in model.layers)


class Packed:
    """A model's weights, laid out for steps of a few rows; `can_pack` it.

    Raises CheckpointError where a weight is no number: rounded to whole numbers it would be one.
    """

    def __init__(self, model: Model, arithmetic: Arithmetic) -> None:
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise no_number()
        product = PRODUCTS[arithmetic]
        self.most_texts = product.most_rows
        e = model.embedding
        self.vectors = (
            _array(e.weight) if e is not None else np.eye(model.vocab_size, dtype=np.float32)
        )
        self.grams = None if model.grams is None else _Grams(model.grams)
        self.layers = [
            _LAYERS[type(cell)](cell, self.vectors if i == 0 else None, product)
            for i, cell in enumerate(model.layers)
        ]
        self.narrow = (
            product(_array(model.narrow.weight), bounded=True)
            if isinstance(model.narrow, nn.Linear)
            else None
        )
        weight = model.output_weight
        self.output = product(
            self.vectors if weight is None else _array(weight), bounded=self.narrow is None
        )
        self.bias = _array(model.output_bias)

    def begin(self, states: Sequence[State]) -> Network:
        """Texts that go on from states (of one lane each), at most `most_texts`."""
        return _Texts(self, states)


class _Texts:
    def __init__(self, packed: Packed, states: Sequence[State]) -> None:
        self._packed = packed
        layers = [state[: len(packed.layers)] for state in states]
        self._runs = [
            layer.begin(
                [
                    np.concatenate([_array(part) for part in parts])
                    for parts in zip(*of_each, strict=True)
                ]
            )
            for layer, of_each in zip(packed.layers, zip(*layers, strict=True), strict=True)
        ]
        self._before: npt.NDArray[np.int64] | None = None
        if packed.grams is not None:
            self._before = np.concatenate([state[-1][0].numpy() for state in states])

    def step(self, tokens: Sequence[int]) -> Tensor:
        packed = self._packed
        # One text is looked up by a view of its row, many by a copy of theirs.
        at = slice(tokens[0], tokens[0] + 1) if len(tokens) == 1 else np.array(tokens)
        x = packed.vectors[at]
        if packed.grams is not None and self._before is not None:
            beside, self._before = packed.grams(at, self._before)
            x = np.concatenate([x, beside], axis=1)
        for run in self._runs:
            x = run.step(at, x)
        if packed.narrow is not None:
            x = packed.narrow(x)
        logits = packed.output(x)
        logits += packed.bias
        return torch.from_numpy(logits)

    def keep(self, rows: Sequence[int]) -> None:
        if self._before is not None:
            self._before = self._before[rows]
        for run in self._runs:
            run.keep(rows)


class _Grams:
    """`engine.grams` by the token."""

    def __init__(self, grams: Grams) -> None:
        self._vectors, self._codes = _array(grams.weight), grams.codes.numpy()

    def __call__(
        self, tokens: Rows, before: npt.NDArray[np.int64]
    ) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Vectors (B, gram_size) for the next token of each text, and what was read `before` the one after it."""
        seen = np.concatenate([before, self._codes[tokens][:, None]], axis=1)
        found = self._vectors[rows_of_last(seen, len(self._vectors))]  # (B, longest - 1, gram_size)
        vectors: Floats = found[:, 0]
        # One by one, so that a text has the same bits whatever stands beside it.
        for run in range(1, found.shape[1]):
            vectors += found[:, run]
        return vectors, seen[:, 1:]


class _Run(ABC):
    """One layer while some texts are written."""

    h: Floats  # (B, H)

    @abstractmethod
    def step(self, tokens: Rows, x: Floats) -> Floats:
        """The output (B, H) for the inputs x (B, I), which a table may know by their tokens."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        self.h = self.h[rows]


class _Layer(ABC):
    """One layer's weights, the input's as a table of W_x x + b where the tokens' `vectors` are given and few.

    What the input has beside those vectors is multiplied.
    """

    def __init__(self, cell: Cell, vectors: Floats | None, product: type[Product]) -> None:
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = (self.arranged(_array(weight)) for weight in cell.weights)
        self.hidden = w_h.shape[1]
        self.table: Floats | None = None
        self.b_x, self.b_h = self.input_bias(b_x, b_h), b_h
        self.looked_up = 0
        if vectors is not None and len(vectors) * len(w_x) <= MOST_LOOKED_UP:
            self.looked_up = vectors.shape[1]
            self.table = vectors @ w_x[:, : self.looked_up].T + self.b_x
        rest = w_x[:, self.looked_up :]
        # Layers give what is within ±1; the tokens' own vectors can be of any length.
        self.w_x = product(rest, bounded=vectors is None) if rest.size else None
        self.w_h = product(w_h, bounded=True)

    def arranged(self, weight: Floats) -> Floats:
        """The gates' blocks of a weight in the order and scale that the run wants."""
        return weight

    def input_bias(self, b_x: Floats, b_h: Floats) -> Floats:
        """What is added to W_x x."""
        return b_x + b_h

    @abstractmethod
    def begin(self, state: Sequence[Floats]) -> _Run:
        """Go on from the parts (B, H) of a state, which are the run's own."""

    def from_input(self, tokens: Rows, x: Floats) -> Floats:
        """W_x x + b (B, gates * H)."""
        looked_up = self.b_x if self.table is None else self.table[tokens]
        if self.w_x is None:
            return looked_up
        return self.w_x(x[:, self.looked_up :]) + looked_up


class _LSTMLayer(_Layer):
    def arranged(self, weight: Floats) -> Floats:
        # 2 sigmoid(z) = tanh(z / 2) + 1: with three gates halved and the candidate last, one tanh serves all.
        i, f, g, o = np.split(weight, 4)
        return np.concatenate([0.5 * i, 0.5 * f, 0.5 * o, g]).astype(np.float32)

    def begin(self, state: Sequence[Floats]) -> _Run:
        return _LSTMRun(self, state)


class _LSTMRun(_Run):
    def __init__(self, layer: _LSTMLayer, state: Sequence[Floats]) -> None:
        self.layer = layer
        self.h, self.c = state

    def step(self, tokens: Rows, x: Floats) -> Floats:
        hidden = self.layer.hidden
        z = self.layer.w_h(self.h)
        z += self.layer.from_input(tokens, x)
        np.tanh(z, out=z)
        z[:, : 3 * hidden] += 1  # twice the gates
        i, f, o, g = (z[:, k * hidden : (k + 1) * hidden] for k in range(4))
        self.c *= f
        i *= g
        self.c += i
        self.c *= 0.5
        np.tanh(self.c, out=self.h)
        self.h *= o
        self.h *= 0.5
        return self.h

    def keep(self, rows: Sequence[int]) -> None:
        super().keep(rows)
        self.c = self.c[rows]


class _GRULayer(_Layer):
    def input_bias(self, b_x: Floats, b_h: Floats) -> Floats:
        del b_h  # the candidate's acts behind the reset gate
        return b_x

    def begin(self, state: Sequence[Floats]) -> _Run:
        return _GRURun(self, state)


class _GRURun(_Run):
    def __init__(self, layer: _GRULayer, state: Sequence[Floats]) -> None:
        self.layer = layer
        (self.h,) = state

    def step(self, tokens: Rows, x: Floats) -> Floats:
        hidden = self.layer.hidden
        from_x, from_h = self.layer.from_input(tokens, x), self.layer.w_h(self.h)
        from_h += self.layer.b_h
        gates = from_x[:, : 2 * hidden] + from_h[:, : 2 * hidden]
        gates *= 0.5
        np.tanh(gates, out=gates)
        gates *= 0.5
        gates += 0.5
        n = from_h[:, 2 * hidden :]
        n *= gates[:, :hidden]
        n += from_x[:, 2 * hidden :]
        np.tanh(n, out=n)
        # n + z (h - n)
        self.h -= n
        self.h *= gates[:, hidden:]
        self.h += n
        return self.h


class _RNNLayer(_Layer):
    def begin(self, state: Sequence[Floats]) -> _Run:
        return _RNNRun(self, state)


class _RNNRun(_Run):
    def __init__(self, layer: _RNNLayer, state: Sequence[Floats]) -> None:
        self.layer = layer
        (self.h,) = state

    def step(self, tokens: Rows, x: Floats) -> Floats:
        z = self.layer.w_h(self.h)
        z += self.layer.from_input(tokens, x)
        np.tanh(z, out=self.h)
        return self.h


_LAYERS: dict[type[Cell], type[_Layer]] = {LSTM: _LSTMLayer, GRU: _GRULayer, RNN: _RNNLayer}


def _array(weight: Tensor) -> Floats:
    return weight.detach().float().numpy()
