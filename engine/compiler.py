"""The user's C++ compiler: libraries for this very CPU, made once where they run.

A library is kept in the user's cache folder, under a name made from its sources, how it was compiled and what came of
it. Where there is no compiler, or `RNNSTUDIO_COMPILE=0` says so, there is none, and who asked does without.
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
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from checkpoints.errors import UserError
from checkpoints.files import write_atomic
from checkpoints.paths import user_cache

SIMD = Path(__file__).parent / "simd"
"""Headers that all libraries share."""
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread", "-w")
AVX2 = ("-mavx2", "-mfma")
AVX512 = tuple(f"-mavx512{name}" for name in ("f", "bw", "vl", "dq"))
USUAL = (["c++"], ["g++"], ["clang++"])
LONGEST_S = 120.0
OFF = "RNNSTUDIO_COMPILE"
COMPILED = "compiled for this CPU"

# On Windows GCC lays vectors on the stack where its instructions do not find them (its bug 54412).
SYSTEMS = {"Linux": "Linux", "Darwin": "macOS"}

Library = TypeVar("Library")


def off() -> bool:
    """Whether the user wants nothing compiled."""
    return os.environ.get(OFF) == "0"


def command() -> list[str]:
    """The compiler, as `CXX` has it or by its usual names; nothing if there is none."""
    if platform.system() == "Darwin" and not _has_tools():
        return []
    own: list[str] = []
    with suppress(ValueError):  # a quote without its end
        own = shlex.split(os.environ.get("CXX", ""))
    for name, *options in filter(None, [own, *USUAL]):
        if path := shutil.which(name):
            return [str(Path(path).absolute()), *options]
    return []


def library(
    main: Path, flags: Iterable[Sequence[str]], load: Callable[[ctypes.CDLL], Library]
) -> tuple[Library | None, str]:
    """What `load` makes of the library of a source, compiled if it is not there yet (2 to 3 s); or None and why.

    `flags` are tried in turn, as an old compiler does not know every unit of this CPU. `load` raises AttributeError
    where a function is missing.
    """
    if platform.system() not in SYSTEMS:
        return None, f"own ones are compiled on {' and '.join(SYSTEMS.values())} only"
    compiler = command()
    if not compiler:
        return None, "with a C++ compiler (g++ or clang++) they would be faster"
    try:
        for more in flags:
            with suppress(subprocess.SubprocessError):
                return _kept([*compiler, *FLAGS, *more], main, load), COMPILED
    except AttributeError as error:
        return None, f"the library in the cache is another one: {error}"
    except (OSError, RuntimeError, UserError) as error:  # RuntimeError: there is no home
        return None, f"own ones could not be kept or loaded: {error}"
    return None, f"{compiler[0]} could not compile own ones"


def _has_tools() -> bool:
    """Whether a Mac has a compiler behind /usr/bin/c++, which otherwise opens a window that asks to install one."""
    with suppress(OSError, subprocess.SubprocessError):
        asked = subprocess.run(
            ["xcode-select", "-p"], capture_output=True, timeout=LONGEST_S, check=False
        )
        return asked.returncode == 0
    return False


def _kept(how: list[str], main: Path, load: Callable[[ctypes.CDLL], Library]) -> Library:
    """The library that this command makes, made now or before. Raises what `_compile` raises."""
    # A home may be shared by machines of several kinds and systems of several ages.
    place = platform.machine(), platform.libc_ver()
    headers = [*main.parent.glob("*.h"), *SIMD.glob("*.h")]
    sources = [path.read_bytes() for path in sorted([*headers, main])]
    folder = user_cache() / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{main.stem}-{_digest(repr((place, how)).encode(), *sources)}"
    kept = filter(_is_whole, sorted(folder.glob(f"{name}-*.so")))
    return load(ctypes.CDLL(str(next(kept, None) or _compile(how, main, folder, name))))


def _is_whole(path: Path) -> bool:
    """Whether the file is the one that its name tells of: half a library ends the process that loads it."""
    with suppress(OSError):
        return path.stem.endswith(f"-{_digest(path.read_bytes())}")
    return False


def _compile(how: list[str], main: Path, folder: Path, name: str) -> Path:
    """Where the library is, whole, with what its bytes come to at the end of its name.

    Raises OSError, UserError or SubprocessError.
    """
    tempfile.TemporaryFile(dir=folder).close()  # where nothing can be kept, nothing need be made
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            # The output without a path, which a Mac would write into it.
            [*how, "-I", str(SIMD), str(main.absolute()), "-o", name],
            cwd=scratch,
            check=True,
            capture_output=True,
            timeout=LONGEST_S,
        )
        data = (Path(scratch) / name).read_bytes()
        path = folder / f"{name}-{_digest(data)}.so"
        write_atomic(path, data)
    return path


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]
