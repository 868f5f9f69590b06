"""Keys that a person gave in the settings: which of them the studio can use, and what is wrong with the others."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys, key_to_character

from tui import screens

MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
_NAMES = {key.value for key in Keys}


def usable(keys: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The keys by binding id that can be used, and by the id of each other what is wrong with it."""
    for module in pkgutil.iter_modules(screens.__path__, f"{screens.__name__}."):
        import_module(module.name)  # for their bindings; 0.2 s, spent only where somebody gave keys
    known = set(_ids(DOMNode))
    good, wrong = {}, {}
    for name, given in keys.items():
        strange = [key for key in given.split(",") if not _is_key(key.strip())]
        if name not in known:
            wrong[name] = f"nothing is called {name}"
        elif strange:
            wrong[name] = f"no key is called {strange[0].strip() or 'nothing'}"
        else:
            good[name] = given
    return good, wrong


def _ids(node: type[DOMNode]) -> Iterator[str]:
    """The ids of all bindings of a class and those below it."""
    for binding in node.__dict__.get("BINDINGS", ()):
        if isinstance(binding, Binding) and binding.id:
            yield binding.id
    for below in node.__subclasses__():
        yield from _ids(below)


def _is_key(key: str) -> bool:
    if len(key) == 1 or key in _NAMES:
        return True
    *modifiers, name = key.split("+")
    return set(modifiers) <= MODIFIERS and (name in _NAMES or key_to_character(name) is not None)
