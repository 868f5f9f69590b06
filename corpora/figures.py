"""What the figures about written text are called and how they read: "words known 71 %, human 96 %"."""

from __future__ import annotations

from collections.abc import Mapping

from corpora.genres.base import Figure, Genre

GENERAL: Mapping[str, Figure] = {
    "words_known": Figure(
        "words known from the training text", better="human", once="its words are real"
    ),
    "words_invented": Figure("invented words in 1,000", unit="count", better="human"),
    "distinct_2": Figure("different pairs of words", better="human"),
    "distinct_3": Figure("different triples of words", better="human"),
    "looped": Figure("text inside loops", better="less"),
    "accepted": Figure("pieces that compile", once="TeX takes most of what it writes"),
    "copied": Figure("text inside copies of 20 characters or more", better="human"),
    "longest_copy": Figure(
        "characters in the longest copied passage", unit="count", better="human"
    ),
}
"""What is measured in every genre."""


def table(genre: Genre) -> dict[str, Figure]:
    """The genre's own figures, then the general ones, by the names that events carry."""
    return {**genre.figures, **GENERAL}


def value(figure: Figure, number: float) -> str:
    """A figure as a person reads it: 71 %, 45, 31.5."""
    if figure.unit == "share":
        return f"{100 * number:.0f} %"
    return f"{number:.0f}" if figure.unit == "count" else f"{number:.1f}"
