"""Paths as people type them: asked about without an error, whatever was typed and whoever may read it.

`Path.expanduser` raises for `~nobody`; `Path.exists`, `is_dir` and `is_file` raise in Python 3.11 for a folder that
one may not look into and a name that is too long.
"""

# ruff: noqa: PTH110, PTH111, PTH112, PTH113 - os.path's functions do not raise

from __future__ import annotations

import os
from pathlib import Path


def expanded(text: str) -> Path:
    """The path that is meant, a home folder's `~` spelled out; one of nobody's stays as it is."""
    return Path(os.path.expanduser(text))


def exists(path: str | Path) -> bool:
    """Whether there is such a file, pipe or folder, as far as one may know."""
    return os.path.exists(path)


def is_file(path: str | Path) -> bool:
    """Whether there is such a file, as far as one may know."""
    return os.path.isfile(path)


def is_folder(path: str | Path) -> bool:
    """Whether there is such a folder, as far as one may know."""
    return os.path.isdir(path)


def within(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, leads into the folder, or is it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def user_cache() -> Path:
    """Where this system keeps what programs can make again. Raises RuntimeError where there is no home.

    A checkout on a machine that nothing can be installed on has no platformdirs; such machines are Linux's.
    """
    try:
        import platformdirs
    except ModuleNotFoundError:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "rnnstudio")
    return Path(platformdirs.user_cache_dir("rnnstudio"))
