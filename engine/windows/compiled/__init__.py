"""Windows in C++, compiled once where they run: on CPUs with units for bf16, where there is a compiler.

A step's product has few rows, and the functions of its gates are many and small: called one by one they cost more than
the product. Here lanes go through a whole window in one call, with the gates sixteen at a time and the products by
tiles (AMX) or dot products of bf16 (AVX-512). Where there is no compiler the windows are those of torch and of the
modules above; the numbers differ in their last bits.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import compiler

MAIN = Path(__file__).parent / "windows.cpp"
DOTS = tuple(f"-mavx512{name}" for name in ("f", "bw", "vl", "dq", "bf16"))
TILES = ("-mamx-tile", "-mamx-bf16")
MULTIPLE = 32
"""Of units: what a tile holds of a row."""
LEAST: Mapping[str, int] = {"gru": 32, "lstm": 192, "rnn": 32}
"""Units from which a layer that is no multiple is faster so than by torch, with silent ones for those that are missing.

torch's time over ours, 16 lanes of 64, with tiles: lstm 0.93 at 100, 1.2 at 200, 1.9 at 500; gru 2 at 40, 2.8 at 200,
2.1 at 500; rnn 1.2, 1.8, 1.8."""


class Library:
    """The functions of `windows.cpp`, for layers of float32 weights whose products are in bf16."""

    def __init__(self, functions: ctypes.CDLL) -> None:
        """Raises AttributeError where it is another library."""
        self._functions = functions
        self._tiles = bool(functions.has_tiles())
        self.digest = Path(functions._name).stem.rpartition("-")[2]
        """Of its bytes: no other library has it."""

    def call(self, name: str, shape: tuple[int, int, int], *arrays: Tensor) -> None:
        """The function `name` for (T, B, H) on dense CPU tensors, by as many threads as torch has.

        Raises MemoryError.
        """
        assert all(array.is_contiguous() for array in arrays)
        pointers = [ctypes.c_void_p(array.data_ptr()) for array in arrays]
        tiles = ctypes.c_bool(self._tiles)
        if getattr(self._functions, name)(*shape, torch.get_num_threads(), tiles, *pointers):
            raise MemoryError(f"not enough memory for {name}")


def library() -> Library | None:
    """The library, compiled if it is not there yet (two seconds); or None where it cannot be had."""
    return None if compiler.off() else _found()[0]


def serves(cell: str, units: int) -> Library | None:
    """The library, if layers of so many units are computed by it."""
    return library() if _suits(cell, units) else None


def missing(cell: str, units: int) -> int:
    """How many units such a layer lacks to a multiple that the library computes; 0 where torch computes it."""
    return -units % MULTIPLE if serves(cell, units) else 0


def why(cell: str = "gru", units: int = MULTIPLE) -> str:
    """Whose kernels compute layers of so many units: these, or torch's and what stands in the way."""
    if not _suits(cell, units):
        return f"by torch: below {LEAST[cell]} units own ones want a multiple of {MULTIPLE}"
    if compiler.off():
        return f"by torch: {compiler.OFF}=0"
    found, reason = _found()
    return reason if found else f"by torch: {reason}"


def _suits(cell: str, units: int) -> bool:
    return units % MULTIPLE == 0 or units >= LEAST[cell]


@cache
def _found() -> tuple[Library | None, str]:
    capable: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if not capable.get("avx512_bf16"):
        return None, "this CPU has no units for bf16"
    if platform.system() != "Linux":
        return None, "own ones are compiled on Linux only"
    if not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
        return None, "its threads are not OpenMP's"
    tiles = [(*DOTS, *TILES)] if capable.get("amx_bf16") else []
    return compiler.library(MAIN, [*tiles, DOTS], Library)  # compilers of 2020 know no tiles
