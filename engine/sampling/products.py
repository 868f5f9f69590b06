"""A weight matrix and how vectors are multiplied with it on the CPU: in float32 by NumPy, in int8 or int16 by torch.

int8 (Dettmers et al. 2022, section 2, whose scale of each row is the weights' here): every row of weights and every
input is rounded to 8 bits, the sums are whole numbers, which are exact in whatever order they are added up, and by
whomever. So a vector multiplied beside others gives the very bits that it gives alone, and many texts can be written in
one product. In float32 they cannot: a product of another shape adds up in another order, and one bit can become another
word later.

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
STEPS = np.float32(127)
"""A byte's numbers are within ± this."""
FEW_ROWS = 2
MOST_IN_FLOATS = 1 << 18
"""Of no more weights a product with few rows is quicker in float32 (512 x 128: 6 us instead of 26, all rounding
counted); larger ones take longer to read than in 8 bits."""
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
    """torch's product of whole numbers; needs `has_int8`. What is not bounded is brought into ±1 row by row."""

    most_rows = 256

    def __init__(self, weight: Floats, *, bounded: bool) -> None:
        self._bounded = bounded
        scales = _largest(weight) / STEPS
        self._product = _Whole(np.rint(weight / scales), self.most_rows)
        self._scales = scales[:, 0] / self._product.most

    def __call__(self, x: Floats) -> Floats:
        if self._bounded:
            return self._bounded_product(x)
        size = _largest(x)
        out = self._bounded_product(x / size)
        out *= size
        return out

    def _bounded_product(self, x: Floats) -> Floats:
        out = self._product(np.rint(x * self._product.most))
        out *= self._scales
        return out


class Int16(Int8):
    """The same with two bytes of each weight and input; needs `has_int16`.

    With w = w1 + w2 / 254 and x = x1 + x2 / 254, where w1 and x1 are rounded to whole numbers and w2 and x2 what that
    left, the product is the sum of four.
    """

    def __init__(self, weight: Floats, *, bounded: bool) -> None:
        self._bounded = bounded
        self._outputs = len(weight)
        scales = _largest(weight) / STEPS
        self._product = _Whole(_two_bytes(weight / scales), 2 * self.most_rows)
        self._scales = scales[:, 0] / STEPS

    def _bounded_product(self, x: Floats) -> Floats:
        out = self._product(_two_bytes(x * STEPS))
        rows, columns = len(x), self._outputs
        rest = out[rows:, columns:]
        rest *= np.float32(1 / 254)
        rest += out[rows:, :columns]
        rest += out[:rows, columns:]
        rest *= np.float32(1 / 254)
        rest += out[:rows, :columns]
        rest *= self._scales
        return rest


class _Whole:
    """Products of whole numbers, weights within ±127 and inputs within ±`most`, that are exact in any order.

    torch multiplies them in 8 bits; a row or two of few weights NumPy has done in float32 before torch has begun, and
    up to 2^24 float32 holds every whole number.
    """

    def __init__(self, weight: Floats, most_rows: int) -> None:
        self._seven_bits = not has_int16()
        self.most = np.float32(63) if self._seven_bits else STEPS
        with warnings.catch_warnings():
            # torch's, that quantized tensors will move to another package.
            warnings.simplefilter("ignore")
            rows = torch.quantize_per_channel(
                torch.from_numpy(np.ascontiguousarray(weight)),
                torch.ones(len(weight), dtype=torch.float64),
                torch.zeros(len(weight), dtype=torch.int64),
                0,
                torch.qint8,
            )
        self._packed: Any = torch.ops.quantized.linear_prepack(rows, None)
        small = weight.size <= MOST_IN_FLOATS and STEPS**2 * weight.shape[1] < 2**24
        self._floats = np.ascontiguousarray(weight.T) if small else None
        # torch rounds by the least and the greatest number among all rows. Two more rows see to it that these are
        # always the same, as far apart as there are steps; so a step is 1, and whole numbers are themselves.
        self._inputs = np.full((most_rows + 2, weight.shape[1]), self.most, np.float32)
        self._inputs[0] = -self.most - 1

    def __call__(self, x: Floats) -> Floats:
        if self._floats is not None and len(x) <= FEW_ROWS:
            few: Floats = x @ self._floats
            return few
        # The two rows come first, so that the others lie as they lay, whatever their number.
        inputs = self._inputs[: len(x) + 2]
        inputs[2:] = x
        out = torch.ops.quantized.linear_dynamic(
            torch.from_numpy(inputs), self._packed, self._seven_bits
        )
        return out.numpy()[2:]  # type: ignore[no-any-return]


def _two_bytes(numbers: Floats) -> Floats:
    """Numbers (N, I) within ±127 as whole ones, and below them (2 N, I) what that left, times 254."""
    high = np.rint(numbers)
    return np.concatenate([high, np.rint((numbers - high) * 254)])


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
