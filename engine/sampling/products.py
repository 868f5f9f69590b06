"""A weight matrix and how vectors are multiplied with it on the CPU: in float32 by NumPy, in int8 or int16 by torch.

int8 (Dettmers et al. 2022, section 2, whose scale of each row is the weights' here): every row of weights and every
input is rounded to 8 bits, the sums are whole numbers, which are exact in whatever order they are added up. So a vector
multiplied beside others gives the very bits that it gives alone, and many texts can be written in one product. In
float32 they cannot: a product of another shape adds up in another order, and one bit can become another word later.

int16 does the same with a second byte for what the first one rounds away, at four times the work: as fast as float32
for many texts, and as near to it as matters.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float32]
Arithmetic = Literal["float32", "int16", "int8"]


class Product(ABC):
    """A matrix (O, I) that vectors (B, I) are multiplied with. `bounded`: no number in them is beyond ±1."""

    most_rows: int
    """The largest B at which a row still has the bits that it has alone."""

    @abstractmethod
    def __init__(self, weight: Floats, *, bounded: bool) -> None: ...

    @abstractmethod
    def __call__(self, x: Floats) -> Floats:
        """x Wᵀ (B, O), anew each time."""


class Float32(Product):
    """NumPy's product of a matrix and a vector: at one row it reads weights faster than torch's."""

    most_rows = 1

    def __init__(self, weight: Floats, *, bounded: bool) -> None:
        del bounded
        self._weight = np.ascontiguousarray(weight)

    def __call__(self, x: Floats) -> Floats:
        return np.dot(self._weight, x[0])[None]  # type: ignore[no-any-return]


class Int8(Product):
    """torch's product of rounded inputs and weights; needs `has_int8`.

    torch rounds by the least and the greatest number among all rows. Two more rows, of that least and greatest, see to
    it that these are always the same; what is not bounded is brought into ±1 row by row.
    """

    most_rows = 256

    def __init__(self, weight: Floats, *, bounded: bool) -> None:
        self._bounded = bounded
        self._product = _Rounded(weight, _largest(weight) / np.float32(127), self.most_rows)

    def __call__(self, x: Floats) -> Floats:
        if self._bounded:
            return self._bounded_product(x)
        size = _largest(x)
        out: Floats = self._bounded_product(x / size) * size
        return out

    def _bounded_product(self, x: Floats) -> Floats:
        return self._product(x)


class Int16(Int8):
    """The same with two bytes of each weight and input; needs `has_int16`.

    With w = w1 + w2 / 254 and x = x1 + x2 / 254, where w1 and x1 are rounded to 8 bits and w2 and x2 what that left,
    the product is the sum of four.
    """

    def __init__(self, weight: Floats, *, bounded: bool) -> None:
        self._bounded = bounded
        self._outputs = len(weight)
        scales = _largest(weight) / np.float32(127)
        high = np.rint(weight / scales) * scales
        both = np.concatenate([high, (weight - high) * 254])
        self._product = _Rounded(both, np.concatenate([scales, scales]), 2 * self.most_rows)

    def _bounded_product(self, x: Floats) -> Floats:
        high = np.rint(x * 127)
        high *= np.float32(1 / 127)
        low = x - high
        low *= 254
        # In the middle between two steps the rounding of `high` can leave a little more than half a step.
        np.minimum(low, 1, out=low)
        np.maximum(low, -1, out=low)
        out = self._product(np.concatenate([high, low]))
        rows, columns = len(x), self._outputs
        rest = out[rows:, columns:]
        rest *= np.float32(1 / 254)
        rest += out[rows:, :columns]
        rest += out[:rows, columns:]
        rest *= np.float32(1 / 254)
        rest += out[:rows, :columns]
        return rest


class _Rounded:
    """torch's own: a matrix rounded to 8 bits with a scale a row, and inputs within ±1 to multiples of 1/127."""

    def __init__(self, weight: Floats, scales: Floats, most_rows: int) -> None:
        with warnings.catch_warnings():
            # torch's, that quantized tensors will move to another package.
            warnings.simplefilter("ignore")
            rows = torch.quantize_per_channel(
                torch.from_numpy(np.ascontiguousarray(weight)),
                torch.from_numpy(scales[:, 0].astype(np.float64)),
                torch.zeros(len(weight), dtype=torch.int64),
                0,
                torch.qint8,
            )
        self._packed: Any = torch.ops.quantized.linear_prepack(rows, None)
        # 256 steps of 1/127, from -128/127: then 0 is the 128th, and multiples of 1/127 are themselves.
        self._inputs = np.ones((most_rows + 2, weight.shape[1]), np.float32)
        self._inputs[0] = -128 / 127
        self._seven_bits = not has_int16()

    def __call__(self, x: Floats) -> Floats:
        # The two rows come first, so that the others lie as they lay, whatever their number.
        inputs = self._inputs[: len(x) + 2]
        inputs[2:] = x
        out = torch.ops.quantized.linear_dynamic(
            torch.from_numpy(inputs), self._packed, self._seven_bits
        )
        return out.numpy()[2:]  # type: ignore[no-any-return]


def _largest(rows: Floats) -> Floats:
    """The largest size of a number in each row, (N, 1), and never 0."""
    largest: Floats = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.float32(1e-9))
    return largest


PRODUCTS: Mapping[Arithmetic, type[Product]] = {"float32": Float32, "int16": Int16, "int8": Int8}


def has_int8() -> bool:
    """Whether this torch has int8 products for this machine."""
    return "x86" in torch.backends.quantized.supported_engines


def has_int16() -> bool:
    """Whether all 8 bits of an input can be used.

    Without VNNI two products of 8 bits are added in 16, which could overflow: inputs have 7 bits then.
    """
    return has_int8() and bool(torch.cpu._is_vnni_supported())
