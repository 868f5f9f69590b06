"""Paths as people type them: asked about without an error, whatever was typed and whoever may read it.

`Path.expanduser` raises for `~nobody`, and Python 3.11's `Path.exists` for a folder that one may not look into.
"""

from __future__ import annotations

import os
from pathlib import Path


def expanded(text: str) -> Path:
    """The path that is meant, a home folder's `~` spelled out; one of nobody's stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - see above, as below


def exists(path: Path) -> bool:
    """Whether there is such a file or folder, as far as one may know."""
    return os.path.exists(path)  # noqa: PTH110


def within(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, leads into the folder, or is it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def is_folder(path: Path) -> bool:
    """Whether there is such a folder, as far as one may know."""
    return os.path.isdir(path)  # noqa: PTH112
