"""A weight matrix and how vectors are multiplied with it on the CPU: in float32 by NumPy, or in int8 by torch.

int8 (Dettmers et al. 2022, section 2, whose scale of each row is the weights' here): every row of weights and every
input is rounded to 8 bits, the sums are whole numbers, which are exact in whatever order they are added up. So a vector
multiplied beside others gives the very bits that it gives alone, and many texts can be written in one product. In
float32 they cannot: a product of another shape adds up in another order, and one bit can become another word later.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float32]
Arithmetic = Literal["float32", "int8"]


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

    torch rounds by the least and the greatest number among all rows. Two more rows, of 1 and of -1, see to it that
    these are always the same; what is not bounded is brought into ±1 row by row.
    """

    most_rows = 256

    def __init__(self, weight: Floats, *, bounded: bool) -> None:
        scales = np.maximum(np.abs(weight).max(axis=1), 1e-9).astype(np.float64) / 127
        with warnings.catch_warnings():
            # torch's, that quantized tensors will move to another package.
            warnings.simplefilter("ignore")
            rows = torch.quantize_per_channel(
                torch.from_numpy(np.ascontiguousarray(weight)),
                torch.from_numpy(scales),
                torch.zeros(len(weight), dtype=torch.int64),
                0,
                torch.qint8,
            )
        self._packed: Any = torch.ops.quantized.linear_prepack(rows, None)
        self._bounded = bounded
        self._inputs = np.ones((self.most_rows + 2, weight.shape[1]), np.float32)
        self._inputs[0] = -1
        # Without VNNI two products of 8 bits are added in 16, which could overflow: 7 bits of the inputs then.
        self._seven_bits = not torch.cpu._is_vnni_supported()

    def __call__(self, x: Floats) -> Floats:
        size: Floats | None = None
        if not self._bounded:
            size = np.maximum(np.abs(x).max(axis=1, keepdims=True), np.float32(1e-9))
            x = x / size
        # The rows of 1 and -1 come first, so that the others lie as they lay, whatever their number.
        inputs = self._inputs[: len(x) + 2]
        inputs[2:] = x
        out: Floats = torch.ops.quantized.linear_dynamic(
            torch.from_numpy(inputs), self._packed, self._seven_bits
        ).numpy()[2:]
        return out if size is None else out * size


def has_int8() -> bool:
    """Whether this torch has int8 products for this machine."""
    return "x86" in torch.backends.quantized.supported_engines
