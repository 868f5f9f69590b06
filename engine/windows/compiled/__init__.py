"""Windows in C++, compiled once where they run.

A step's product has few rows, and the functions of its gates are many and small: called one by one they cost more than
the product. Here lanes go through a whole window in one call, with the gates a register at a time (eight or sixteen
floats) and the products by tiles (AMX) or dot products of bf16 (AVX-512), or in float32. Where there is no compiler the
windows are those of torch and of the modules above; the numbers differ in their last bits.
"""

from __future__ import annotations

import ctypes
import math
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from engine import compiler
from engine.compiler import AVX2, AVX512
from engine.devices import cpu_has

MAIN = Path(__file__).parent / "windows.cpp"
DOTS = (*AVX512, "-mavx512bf16", "-DHALVED")
TILES = (*DOTS, "-mamx-tile", "-mamx-bf16")
UNITS: Mapping[torch.dtype, Mapping[str, tuple[str, ...]]] = {
    torch.bfloat16: {"amx_bf16": TILES, "avx512_bf16": DOTS},
    torch.float32: {"avx512_dq": AVX512, "avx2+fma3": AVX2},
}
"""How products of a kind are compiled for a CPU that has these units and what they bring, the fastest first."""
LACKS: Mapping[torch.dtype, str] = {
    torch.bfloat16: "this CPU has no units for bf16",
    torch.float32: "this CPU has no AVX2",
}
MULTIPLE = 32
"""Of units: what a tile holds of a row."""
BLOCK = 16
"""Lanes that go through a window together: rows of a tile."""
LEAST: Mapping[torch.dtype, Mapping[str, float]] = {
    torch.bfloat16: {"gru": MULTIPLE, "lstm": 192, "rnn": MULTIPLE},
    torch.float32: {"gru": MULTIPLE, "lstm": math.inf, "rnn": MULTIPLE},
}
"""Units from which a layer of no multiple, with silent ones for the missing, is faster so than by torch.

torch's time over ours, 16 lanes of 64. bf16 with tiles: lstm 0.93 at 100, 1.2 at 200, 1.9 at 500; gru 2 at 40, 2.8 at
200, 2.1 at 500; rnn 1.2, 1.8, 1.8. float32, by sixteen floats (AVX-512) and by eight (AVX2): lstm 0.97 and 0.99 at 128,
1.05 and 1.06 at 256, 1.10 and 1.00 at 512, 0.88 at 300; gru 3.3 and 2.5 at 40, 1.6 and 1.3 at 200, 1.7 and 1.4 at 512;
rnn 2.5 and 2.1, 1.3 and 1.2, 1.6 and 1.4. Where tokens are looked up, an lstm in float32 1.3 at 64 to 320."""


class Library:
    """The functions of `windows.cpp`, for layers of float32 weights and products of one kind."""

    def __init__(self, functions: ctypes.CDLL) -> None:
        """Raises AttributeError where it is another library."""
        self._functions = functions
        self._tiles = bool(functions.has_tiles())
        self.digest = Path(functions._name).stem.rpartition("-")[2]
        """Of its bytes: no other library has it."""

    def call(self, name: str, sizes: tuple[int, ...], *arrays: Tensor | None) -> None:
        """The function `name` for such sizes on dense CPU tensors, by as many threads as torch has.

        Raises MemoryError.
        """
        assert all(array is None or array.is_contiguous() for array in arrays)
        pointers = [
            ctypes.c_void_p(None if array is None else array.data_ptr()) for array in arrays
        ]
        tiles = ctypes.c_bool(self._tiles)
        if getattr(self._functions, name)(*sizes, torch.get_num_threads(), tiles, *pointers):
            raise MemoryError(f"not enough memory for {name}")


def library(products: torch.dtype) -> Library | None:
    """The library for products in bf16 or float32, compiled if it is not there yet (two seconds); None without one."""
    return None if compiler.off() or products not in UNITS else _found(products)[0]


def serves(cell: str, units: int, products: torch.dtype) -> Library | None:
    """The library, if layers of so many units are computed by it."""
    return library(products) if _suits(cell, units, products) else None


def missing(cell: str, units: int, products: torch.dtype) -> int:
    """How many units such a layer lacks to a multiple that the library computes; 0 where torch computes it."""
    return -units % MULTIPLE if serves(cell, units, products) else 0


def why(cell: str, units: int, products: torch.dtype) -> str:
    """Whose kernels compute layers of so many units: these, or torch's and what stands in the way."""
    if not _suits(cell, units, products):
        least = LEAST[products][cell]
        if least <= MULTIPLE:
            return f"by torch: own ones want {least} units at least"
        return f"by torch: own ones want a multiple of {MULTIPLE} units" + (
            f", or {least} at least" if math.isfinite(least) else ""
        )
    if compiler.off():
        return f"by torch: {compiler.OFF}=0"
    found, reason = _found(products)
    return reason if found else f"by torch: {reason}"


def _suits(cell: str, units: int, products: torch.dtype) -> bool:
    least = LEAST.get(products, {}).get(cell)
    return least is not None and (units % MULTIPLE == 0 or units >= least)


@cache
def _found(products: torch.dtype) -> tuple[Library | None, str]:
    flags = [flags for units, flags in UNITS[products].items() if cpu_has(units)]
    if not flags:
        return None, LACKS[products]
    if platform.system() != "Linux":
        return None, "own ones are compiled on Linux only"
    if not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
        return None, "its threads are not OpenMP's"
    return compiler.library(MAIN, flags, Library)  # compilers of 2020 know no tiles
