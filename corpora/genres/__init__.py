"""The genres that rnnstudio knows, one module each. To add one, add a module that ends in `GENRE = ...`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from checkpoints.errors import CorpusError
from corpora.genres.base import Figure, Genre, Problem, Rewriter, Span, Validator, Verdict

__all__ = [
    "Figure",
    "Genre",
    "Problem",
    "Rewriter",
    "Span",
    "Validator",
    "Verdict",
    "detect",
    "figure_label",
    "find",
    "names",
]

GENERAL = "prose"
"""The genre of a text that no other recognises."""

ENOUGH = 0.5
"""The score from which a genre is recognised."""

SAMPLE_CHARS = 100_000
"""How much of a text `detect` looks at."""


@cache
def names() -> tuple[str, ...]:
    """The genres' names, in alphabetical order."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "base"))


@cache
def find(name: str) -> Genre:
    """The genre of that name. Raises CorpusError where there is none."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise CorpusError(
            f"there is no genre called {name!r}", hint=f"{meant}use one of {', '.join(names())}"
        )
    genre = importlib.import_module(f"{__name__}.{name}").GENRE
    assert isinstance(genre, Genre)
    return genre


def figure_label(genre: str, name: str) -> str:
    """What a genre's figure is called by people."""
    try:
        figure = find(genre).figures.get(name)
    except CorpusError:
        figure = None
    return figure.label if figure else name.replace("_", " ")


def detect(sample: str) -> tuple[Genre, str]:
    """The genre that a sample of a corpus looks most like, and why in a few words."""
    sample = sample[:SAMPLE_CHARS]
    scores = {name: find(name).score(sample) for name in names()}
    best = max(scores, key=lambda name: (scores[name], name == GENERAL))
    if best == GENERAL or scores[best] < ENOUGH:
        return find(GENERAL), "no sign of a more particular kind of text"
    genre = find(best)
    return genre, f"{scores[best]:.0%} of it looks like {genre.title}: {genre.sign}"
