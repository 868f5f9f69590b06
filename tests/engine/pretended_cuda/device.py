"""A plugin of pytest's that gives a torch without CUDA the device of `device.cpp`, before torch itself is loaded.

What comes later torch does not hear of. `RNNSTUDIO_PRETENDED_CUDA` is the compiled library.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from pathlib import Path


def _load() -> ctypes.CDLL:
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    libraries = Path(str(spec.origin)).parent / "lib"
    for name in ("libc10.so", "libtorch_cpu.so"):
        ctypes.CDLL(str(libraries / name), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(os.environ["RNNSTUDIO_PRETENDED_CUDA"], mode=ctypes.RTLD_GLOBAL)


_library = _load()
_library.waits.restype = ctypes.c_long


def waits() -> int:
    """How often the host has waited for the device."""
    return int(_library.waits())
