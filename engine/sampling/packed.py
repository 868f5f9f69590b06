"""The network on the CPU: weights packed once, a step of some texts side by side in NumPy.

A step is a dozen calls instead of the model's sixty (2x192, one text: 0.03 ms against 0.09), and what the first layer
makes of each token is looked up, where the vocabulary is small. Of one text a step passes every weight once, so the
weights' way from memory is the time it takes: in int8 (`products.py`) a quarter of float32's. Many texts share it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine.carried import State
from engine.grams import Grams, rows_of_last
from engine.model import Model, no_number
from engine.sampling.compiled import Library
from engine.sampling.layers import LAYERS, Below, Own, Rows, array, normed
from engine.sampling.network import Network
from engine.sampling.products import PRODUCTS, Arithmetic, Floats, has_int8, has_int16

# A stack of more weights than this (2x96 has 137,000) is packed in int8 where that is left to us: a smaller one is
# quick in int16 too (compiled, in float32), and says of its texts what the evaluator would.
MOST_IN_INT16 = 150_000


def arithmetic(weights: int, wanted: str, *, library: Library | None) -> Arithmetic:
    """What `SampleConfig.weights` (auto, float32, int16, int8) means for a stack of so many weights on this machine.

    A network that is computed by the library has float32 for int16, which is no slower.
    """
    if wanted == "auto":
        quick = library is None or library.dots
        wanted = "int8" if quick and weights > MOST_IN_INT16 else "int16"
    if library:
        return "int8" if wanted == "int8" else "float32"
    if wanted == "int8" and has_int8():
        return "int8"
    return "int16" if wanted == "int16" and has_int16() else "float32"


def can_pack(model: Model) -> bool:
    """Whether there is a step in NumPy for this model; one of another class has a step of its own."""
    return type(model) is Model and all(type(cell) in LAYERS for cell in model.layers)


class Packed:
    """A model's weights, laid out for steps of a few rows; `can_pack` it.

    Raises CheckpointError where a weight is no number: rounded to whole numbers it would be one.
    """

    def __init__(self, model: Model, arithmetic: Arithmetic) -> None:
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise no_number()
        product = PRODUCTS[arithmetic]
        self.most_texts = product.most_rows
        self.own = Own.of(model)
        self.grams = None if model.grams is None else _Grams(model.grams)
        self.residual = model.config.residual
        self.norms = [
            (array(norm.weight), array(norm.bias))
            for norm in model.norms
            if isinstance(norm, nn.LayerNorm)
        ]
        kinds = [LAYERS[type(cell)] for cell in model.layers]
        # Only the tokens' own vectors can be of any length, unless the layers' outputs are added up or normed.
        bounded = [
            kind.bounded and not (self.residual or model.config.layer_norm) for kind in kinds
        ]
        below = [Below(bounded=False, own=self.own), *map(Below, bounded[:-1])]
        self.layers = [
            kind(cell, inputs, product)
            for kind, cell, inputs in zip(kinds, model.layers, below, strict=True)
        ]
        self.narrow = (
            product(array(model.narrow.weight), bounded=bounded[-1])
            if isinstance(model.narrow, nn.Linear)
            else None
        )
        weight = model.output_weight
        out = self.own.vectors if weight is None else array(weight)
        assert out is not None  # only vectors can be tied
        self.output = product(out, bounded=self.narrow is None and bounded[-1])
        self.bias = array(model.output_bias)

    def begin(self, states: Sequence[State]) -> Network:
        """Texts that go on from states (of one lane each), at most `most_texts`."""
        return _Texts(self, states)


class _Texts:
    def __init__(self, packed: Packed, states: Sequence[State]) -> None:
        self._packed = packed
        layers = [state[: len(packed.layers)] for state in states]
        self._parts = [
            [
                np.concatenate([array(part) for part in parts])
                for parts in zip(*of_each, strict=True)
            ]
            for of_each in zip(*layers, strict=True)
        ]
        self._before: npt.NDArray[np.int64] | None = None
        if packed.grams is not None:
            self._before = np.concatenate([state[-1][0].numpy() for state in states])

    def step(self, tokens: Sequence[int]) -> Tensor:
        packed = self._packed
        # One text is looked up by a view of its row, many by a copy of theirs.
        at = slice(tokens[0], tokens[0] + 1) if len(tokens) == 1 else np.array(tokens)
        x = packed.own.rows(at)
        if packed.grams is not None and self._before is not None:
            beside, self._before = packed.grams(at, self._before)
            x = np.concatenate([x, beside], axis=1)
        for i, (layer, parts) in enumerate(zip(packed.layers, self._parts, strict=True)):
            below, x = x, layer.step(at, x, parts)
            if packed.residual and i > 0:
                x = x + below
            if packed.norms:
                gain, shift = packed.norms[i]
                x = normed(x)
                x *= gain
                x += shift
        if packed.narrow is not None:
            x = packed.narrow(x)
        logits = packed.output(x)
        logits += packed.bias
        return torch.from_numpy(logits)

    def keep(self, rows: Sequence[int]) -> None:
        if self._before is not None:
            self._before = self._before[rows]
        self._parts = [[part[rows] for part in parts] for parts in self._parts]


class _Grams:
    """`engine.grams` by the token."""

    def __init__(self, grams: Grams) -> None:
        self._vectors, self._codes = array(grams.weight), grams.codes.numpy()

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
