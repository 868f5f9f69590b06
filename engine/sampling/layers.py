"""One layer of each cell in NumPy: `Cell.step` for some texts side by side, each with the bits that it has alone.

Equations and sources stand with the cells (`engine/cells/`), under the same names.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.cells.base import Cell, Fused
from engine.cells.gru import GRU
from engine.cells.lstm import LSTM
from engine.cells.lstm_ln import LayerNormLSTM
from engine.cells.mut1 import MUT1
from engine.cells.mut2 import MUT2
from engine.cells.mut3 import MUT3
from engine.cells.qrnn import QRNN
from engine.cells.rnn import RNN
from engine.cells.rnn_relu import CEILING, IdentityRNN
from engine.model import Model
from engine.sampling.products import Floats, Product

# A table of a layer's products with the tokens' vectors beyond this many numbers (64 MiB) would not stay in any cache.
MOST_LOOKED_UP = 1 << 24
LAYER_NORM_EPS = np.float32(1e-5)  # torch's

Rows = slice | npt.NDArray[np.int64]
Parts = list[Floats]
"""What a layer carries of each text, (B, H) each; a step leaves in it what the next one finds."""


@dataclass(frozen=True, slots=True)
class Own:
    """What the first layer reads of a token itself: its vector, or one number of V that is 1."""

    vocab_size: int
    vectors: Floats | None
    """(V, E)"""

    @classmethod
    def of(cls, model: Model) -> Own:
        vectors = model.embedding
        return cls(model.vocab_size, None if vectors is None else array(vectors.weight))

    def rows(self, tokens: Rows) -> Floats:
        """(B, E), or (B, V)."""
        if self.vectors is not None:
            return self.vectors[tokens]
        ids = np.arange(self.vocab_size)[tokens]
        rows = np.zeros((len(ids), self.vocab_size), np.float32)
        rows[np.arange(len(ids)), ids] = 1
        return rows


@dataclass(frozen=True, slots=True)
class Below:
    """What a layer's inputs are."""

    bounded: bool = True
    """Whether none of their numbers is beyond ±1."""
    own: Own | None = None
    """For the first layer: what inputs begin with."""


class Inputs:
    """W x + b for the inputs of a layer, as a table of the tokens where their vectors are given and few.

    What the input has beside those vectors is multiplied.
    """

    def __init__(self, weight: Floats, bias: Floats, below: Below, product: type[Product]) -> None:
        self._known, rest = looked_up(weight, bias, below.own)
        self._known.flags.writeable = False
        self._looked_up = weight.shape[1] - rest.shape[1]
        self._product = product(rest, bounded=below.bounded) if rest.size else None

    def __call__(self, tokens: Rows, x: Floats) -> Floats:
        """(B, O) for the inputs x (B, I) of these tokens; it may be a part of the table, which nobody can write to."""
        known = self._known[tokens] if self._looked_up else self._known
        if self._product is None:
            return known
        out = self._product(x[:, self._looked_up :])
        out += known
        return out


class Layer(ABC):
    """One layer's weights, laid out for steps of a few rows."""

    bounded: ClassVar[bool] = True
    """Whether no output is beyond ±1."""

    @abstractmethod
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None: ...

    @abstractmethod
    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        """The output (B, H) for the inputs x (B, I) of these tokens."""


class LSTMLayer(Layer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = (_halved(_ordered(array(weight))) for weight in cell.weights)
        self._inputs = Inputs(w_x, b_x + b_h, below, product)
        self._w_h = product(w_h, bounded=True)

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        h, c = parts
        gates = self._w_h(h)
        gates += self._inputs(tokens, x)
        twice_o = _remember(gates, c)
        np.tanh(c, out=h)
        h *= twice_o
        h *= 0.5
        return h


class LayerNormLSTMLayer(Layer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, LayerNormLSTM)
        self._inputs = Inputs(array(cell.w_x), np.zeros(len(cell.w_x), np.float32), below, product)
        self._w_h = product(array(cell.w_h), bounded=True)
        self._gain_x, self._gain_h, self._b = (
            _halved(array(weight).copy()) for weight in (cell.gain_x, cell.gain_h, cell.b)
        )
        self._gain_c, self._shift_c = array(cell.gain_c), array(cell.shift_c)

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        h, c = parts
        gates = normed(self._w_h(h))
        gates *= self._gain_h
        gates += normed(self._inputs(tokens, x)) * self._gain_x
        gates += self._b
        twice_o = _remember(gates, c)
        shown = normed(c)
        shown *= self._gain_c
        shown += self._shift_c
        np.tanh(shown, out=h)
        h *= twice_o
        h *= 0.5
        return h


class GRULayer(Layer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = (array(weight) for weight in cell.weights)
        self._inputs = Inputs(w_x, b_x, below, product)  # the candidate's b_h acts behind a gate
        self._w_h, self._b_h = product(w_h, bounded=True), b_h

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        (h,) = parts
        from_x, from_h = self._inputs(tokens, x), self._w_h(h)
        from_h += self._b_h
        *_, n_x = _blocks(from_x, h)
        *gates_h, n = _blocks(from_h, h)
        gates = from_h[:, : -h.shape[1]]
        gates += from_x[:, : -h.shape[1]]
        _sigmoid(gates)
        r, z = gates_h
        n *= r
        n += n_x
        np.tanh(n, out=n)
        # n + z (h - n)
        h -= n
        h *= z
        h += n
        return h


class RNNLayer(Layer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = (array(weight) for weight in cell.weights)
        self._inputs = Inputs(w_x, b_x + b_h, below, product)
        self._w_h = product(w_h, bounded=True)

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        (h,) = parts
        a = self._w_h(h)
        a += self._inputs(tokens, x)
        np.tanh(a, out=h)
        return h


class IdentityRNNLayer(Layer):
    bounded = False

    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, IdentityRNN)
        self._inputs = Inputs(array(cell.w_xh), array(cell.b_h), below, product)
        self._w_hh = product(array(cell.w_hh), bounded=False)
        self._most = np.float32(CEILING * math.sqrt(cell.hidden_size))  # of the norm

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        (h,) = parts
        a = self._w_hh(h)
        a += self._inputs(tokens, x)
        np.maximum(a, 0, out=h)
        norm = np.sqrt((h * h).sum(axis=1, keepdims=True))
        h *= self._most / np.maximum(norm, self._most)
        return h


class QRNNLayer(Layer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, QRNN)
        # What an input adds to this step, and below it what it adds to the next one.
        stacked = _stacked((cell.w_x, cell.b), (cell.w_before, None))
        self._inputs = Inputs(*stacked, below, product)

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        _, c, *before = parts
        z_x, f_x, o_x, *after = _blocks(self._inputs(tokens, x), c)
        z, f, o = (now + then for now, then in zip((z_x, f_x, o_x), before, strict=True))
        np.tanh(z, out=z)
        _sigmoid(f)
        _sigmoid(o)
        # z + f (c - z)
        c -= z
        c *= f
        c += z
        h: Floats = o * c
        parts[:] = [h, c, *after]
        return h


class _MutatedLayer(Layer):
    """h + z (tanh(W_hh (r h) + what comes from x) - h)."""

    _w_hh: Product

    def _move(self, h: Floats, z: Floats, r: Floats, from_x: Floats) -> Floats:
        r *= h
        n = self._w_hh(r)
        n += from_x
        np.tanh(n, out=n)
        n -= h
        n *= z
        h += n
        return h


class MUT1Layer(_MutatedLayer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, MUT1)
        widen = ((weight, None) for weight in cell.widen.parameters())
        stacked = _stacked((cell.w_xz, cell.b_z), (cell.w_xr, cell.b_r), *widen)
        self._inputs = Inputs(*stacked, below, product)
        self._w_hr = product(array(cell.w_hr), bounded=True)
        self._w_hh = product(array(cell.w_hh), bounded=True)
        self._b_h = array(cell.b_h)

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        (h,) = parts
        z_x, r_x, *wide = _blocks(self._inputs(tokens, x), h)
        r = self._w_hr(h)
        r += r_x
        h_x = np.tanh(wide[0] if wide else x)
        h_x += self._b_h
        return self._move(h, _sigmoid(z_x.copy()), _sigmoid(r), h_x)


class MUT2Layer(_MutatedLayer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, MUT2)
        widen = ((weight, cell.b_r) for weight in cell.widen.parameters())
        stacked = _stacked((cell.w_xz, cell.b_z), (cell.w_xh, cell.b_h), *widen)
        self._inputs = Inputs(*stacked, below, product)
        self._w_h = product(np.concatenate([array(cell.w_hz), array(cell.w_hr)]), bounded=True)
        self._w_hh = product(array(cell.w_hh), bounded=True)
        self._b_r = array(cell.b_r)

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        (h,) = parts
        z_x, h_x, *wide = _blocks(self._inputs(tokens, x), h)
        gates = self._w_h(h)
        z, r = _blocks(gates, h)
        z += z_x
        r += wide[0] if wide else x + self._b_r
        _sigmoid(gates)
        return self._move(h, z, r, h_x)


class MUT3Layer(_MutatedLayer):
    def __init__(self, cell: Cell, below: Below, product: type[Product]) -> None:
        assert isinstance(cell, MUT3)
        stacked = _stacked((cell.w_xz, cell.b_z), (cell.w_xr, cell.b_r), (cell.w_xh, cell.b_h))
        self._inputs = Inputs(*stacked, below, product)
        self._w_hz, self._w_hr, self._w_hh = (
            product(array(weight), bounded=True) for weight in (cell.w_hz, cell.w_hr, cell.w_hh)
        )

    def step(self, tokens: Rows, x: Floats, parts: Parts) -> Floats:
        (h,) = parts
        z_x, r_x, h_x = _blocks(self._inputs(tokens, x), h)
        z, r = self._w_hz(np.tanh(h)), self._w_hr(h)
        z += z_x
        r += r_x
        return self._move(h, _sigmoid(z), _sigmoid(r), h_x)


LAYERS: Mapping[type[Cell], type[Layer]] = {
    LSTM: LSTMLayer,
    LayerNormLSTM: LayerNormLSTMLayer,
    GRU: GRULayer,
    RNN: RNNLayer,
    IdentityRNN: IdentityRNNLayer,
    QRNN: QRNNLayer,
    MUT1: MUT1Layer,
    MUT2: MUT2Layer,
    MUT3: MUT3Layer,
}


def array(weight: Tensor) -> Floats:
    """A weight as float32 numbers, which may be its own memory."""
    return weight.detach().float().numpy()


def looked_up(weight: Floats, bias: Floats, own: Own | None) -> tuple[Floats, Floats]:
    """What comes from below without a product, and the rest of W_x (O, I), which is multiplied.

    A table of the tokens (V, O), if their vectors are given and few, or W_x has a column for each token; else the bias
    alone, (1, O).
    """
    if own is not None and own.vectors is None:
        columns = weight[:, : own.vocab_size]
        return np.ascontiguousarray(columns.T) + bias, weight[:, own.vocab_size :]
    vectors = None if own is None else own.vectors
    if vectors is None or len(vectors) * len(weight) > MOST_LOOKED_UP:
        return bias[None].copy(), weight
    known = vectors.shape[1]
    # Not by NumPy, whose threads are all cores', and stay awake beside whoever trains on them: 0.2 s for each table.
    with torch.autocast("cpu", enabled=False):
        table = torch.from_numpy(vectors) @ torch.from_numpy(weight[:, :known]).T
    return table.numpy() + bias, weight[:, known:]


def normed(rows: Floats) -> Floats:
    """Each row with mean 0 and variance 1, anew: a layer normalisation without its gain and shift."""
    out: Floats = rows - rows.mean(axis=1, keepdims=True)
    out /= np.sqrt((out * out).mean(axis=1, keepdims=True) + LAYER_NORM_EPS)
    return out


def _stacked(*maps: tuple[Tensor, Tensor | None]) -> tuple[Floats, Floats]:
    """Weights and biases (None is 0) as those of one map."""
    return np.concatenate([array(weight) for weight, _ in maps]), np.concatenate(
        [np.zeros(len(w), np.float32) if bias is None else array(bias) for w, bias in maps]
    )


def _ordered(gates: Floats) -> Floats:
    """The blocks i, f, g, o of torch's LSTM as i, f, o, g, copied."""
    i, f, g, o = np.split(gates, 4)
    return np.concatenate([i, f, o, g])


def _halved(gates: Floats) -> Floats:
    """i, f and o of i, f, o, g halved, in place: 2 sigmoid(a) = tanh(a / 2) + 1, so that one tanh serves all."""
    gates[: 3 * len(gates) // 4] *= 0.5
    return gates


def _remember(gates: Floats, c: Floats) -> Floats:
    """Let c (B, H) be f c + i g, for gates (B, 4 H) before squashing, ordered and halved; what is left is 2 o."""
    hidden = c.shape[1]
    np.tanh(gates, out=gates)
    gates[:, : 3 * hidden] += 1  # twice the gates
    i, f, o, g = _blocks(gates, c)
    c *= f
    i *= g
    c += i
    c *= 0.5
    return o


def _sigmoid(a: Floats) -> Floats:
    """In place."""
    a *= 0.5
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5
    return a


def _blocks(gates: Floats, h: Floats) -> list[Floats]:
    """Views of its columns, each as wide as h."""
    width = h.shape[1]
    return [gates[:, at : at + width] for at in range(0, gates.shape[1], width)]
