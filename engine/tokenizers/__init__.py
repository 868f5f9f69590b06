"""Tokenizers: text to token ids and back, losslessly. One module each, found by its name.

Adding one is adding a file here that defines a `Tokenizer` with that `name`. Modules that begin with an underscore are
what several of them share. Nothing is imported before it is asked for: sentencepiece only by `bpe` and `unigram`.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from checkpoints.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from engine.tokenizers.base import Tokenizer


@cache
def names() -> tuple[str, ...]:
    """What `--tokenizer` takes."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if name != "base" and not name.startswith("_")))


def find(name: str) -> type[Tokenizer]:
    """The tokenizer of that name. Raises ConfigError, saying which name may have been meant."""
    if name not in names():
        near = difflib.get_close_matches(name.lower(), names(), n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"there is no tokenizer {name!r}", hint=f"{meant}use one of {', '.join(names())}"
        )
    module = import_module(f"{__name__}.{name}")
    for value in vars(module).values():
        if isinstance(value, type) and value.__dict__.get("name") == name:
            return value
    raise AssertionError(f"{module.__name__} defines no tokenizer named {name!r}")


def load(files: Mapping[str, bytes]) -> Tokenizer:
    """The tokenizer that a checkpoint's files describe.

    Raises CheckpointError where they are damaged, too large, or name a tokenizer that this version does not have.
    """
    from engine.tokenizers.base import read_description

    name = read_description(files)["name"]
    if name not in names():
        raise CheckpointError(
            f"tokenizer.json names the tokenizer {name[:40]!r}, which this version does not have",
            hint=f"this version has {', '.join(names())}; a newer rnnstudio may open it",
        )
    return find(name).from_files(files)
