"""Recurrent cells, one module each, found by its name: to add a cell, add one file.

A cell's module holds one subclass of `engine.cells.base.Cell` whose `name` is the module's. Importing this package
loads no torch; `find` does.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import TYPE_CHECKING

from checkpoints.errors import ConfigError

if TYPE_CHECKING:
    from engine.cells.base import Cell

_NOT_CELLS = {"base"}


def names() -> tuple[str, ...]:
    """The cells that there are, in alphabetical order."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if name not in _NOT_CELLS))


def check(name: str) -> str:
    """The name itself, if there is such a cell; otherwise ConfigError with the nearest one."""
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"there is no cell named {name!r}", hint=f"{meant}the cells are {', '.join(known)}"
        )
    return name


def find(name: str) -> type[Cell]:
    """The cell's class. Raises ConfigError, with the nearest name, where there is none."""
    from engine.cells.base import Cell

    module = importlib.import_module(f"{__name__}.{check(name)}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Cell) and vars(value).get("name") == name:
            return value
    raise LookupError(f"{module.__name__} holds no Cell named {name!r}")
