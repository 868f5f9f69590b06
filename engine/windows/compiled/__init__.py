"""Windows in C++, compiled once where they run: on CPUs with units for bf16, where there is a compiler.

A step's product has few rows, and the functions of its gates are many and small: called one by one they cost more than
the product. Here lanes go through a whole window in one call, with the gates sixteen at a time and the products by
tiles (AMX) or dot products of bf16 (AVX-512). Where there is no compiler, or `RNNSTUDIO_COMPILE=0` says so, the windows
are those of torch and of the modules above; the numbers differ in their last bits.

The library is kept in the user's cache folder, under a name made from its sources and how it was compiled.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor

from checkpoints.errors import UserError
from checkpoints.files import write_atomic

FOLDER = Path(__file__).parent
MAIN = "windows.cpp"
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-pthread", "-w")
DOTS = tuple(f"-mavx512{name}" for name in ("f", "bw", "vl", "dq", "bf16"))
TILES = ("-mamx-tile", "-mamx-bf16")
USUAL = (["c++"], ["g++"], ["clang++"])
LONGEST_S = 120.0
MULTIPLE = 32
"""Of units: what a tile holds of a row."""
OFF = "RNNSTUDIO_COMPILE"
COMPILED = "compiled for this CPU"


class Library:
    """The functions of `windows.cpp`, for layers of float32 weights whose products are in bf16."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file is no library for this machine."""
        self._functions = ctypes.CDLL(str(path))
        try:
            self._tiles = bool(self._functions.has_tiles())
        except AttributeError as error:
            raise OSError(f"{path} has no windows") from error

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
    return None if _off() else _found()[0]


def serves(units: int) -> Library | None:
    """The library, if it can compute layers of so many units."""
    return library() if units % MULTIPLE == 0 else None


def why(units: int = MULTIPLE) -> str:
    """Whose kernels compute layers of so many units: these, or torch's and what stands in the way."""
    if units % MULTIPLE:
        return f"by torch: own ones have a multiple of {MULTIPLE} units"
    return f"by torch: {OFF}=0" if _off() else _found()[1]


def _off() -> bool:
    return os.environ.get(OFF) == "0"


@cache
def _found() -> tuple[Library | None, str]:
    capable: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if not capable.get("avx512_bf16"):
        return None, "by torch: this CPU has no units for bf16"
    if platform.system() != "Linux":
        return None, "by torch: own ones are compiled on Linux only"
    if not hasattr(ctypes.CDLL(None), "GOMP_parallel"):
        return None, "by torch: its threads are not OpenMP's"
    compiler = _compiler()
    if not compiler:
        return None, "by torch: with a C++ compiler (g++ or clang++) they would be faster"
    flags = [*FLAGS, *DOTS]
    try:
        if capable.get("amx_bf16"):
            with suppress(subprocess.SubprocessError):  # compilers of 2020 know no tiles
                return _kept([*compiler, *flags, *TILES]), COMPILED
        return _kept([*compiler, *flags]), COMPILED
    except subprocess.SubprocessError:
        return None, f"by torch: {compiler[0]} could not compile own ones"
    except (OSError, RuntimeError, UserError) as error:  # RuntimeError: there is no home
        return None, f"by torch: own ones could not be kept: {error}"


def _compiler() -> list[str]:
    """The command, as `CXX` has it or by its usual names; nothing if there is none."""
    for name, *options in filter(None, [shlex.split(os.environ.get("CXX", "")), *USUAL]):
        if path := shutil.which(name):
            return [str(Path(path).absolute()), *options]
    return []


def _kept(command: list[str]) -> Library:
    """The library that this command makes, made now or before. Raises what `_compile` raises."""
    digest = hashlib.sha256(repr(command).encode())
    for source in sorted([*FOLDER.glob("*.h"), *FOLDER.glob("*.cpp")]):
        digest.update(source.read_bytes())
    folder = Path(platformdirs.user_cache_dir("rnnstudio")) / "compiled"
    path = folder / f"windows-{digest.hexdigest()[:16]}.so"
    with suppress(OSError):  # not there, or damaged
        return Library(path)
    _compile(command, path)
    return Library(path)


def _compile(command: list[str], path: Path) -> None:
    """Whole or not at all, as half a library ends the process that loads it.

    Raises OSError, UserError or SubprocessError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / path.name
        subprocess.run(
            [*command, MAIN, "-o", str(made)],
            cwd=FOLDER,
            check=True,
            capture_output=True,
            timeout=LONGEST_S,
        )
        write_atomic(path, made.read_bytes())
