"""How options are read: what an `argparse` type may be, each with an error that becomes a sentence."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable


def whole(text: str) -> int:
    """A number of at least 1. Raises ValueError."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def numbers(text: str) -> list[int]:
    """`16,64` as numbers of at least 1. Raises ValueError."""
    return [whole(part) for part in text.split(",")]


def shapes(text: str) -> list[tuple[int, int]]:
    """`2x128,3x512` as layers and units. Raises ValueError."""
    pairs = [[whole(side) for side in part.split("x")] for part in text.split(",")]
    return [(layers, hidden) for layers, hidden in pairs]


def minutes(text: str) -> list[float]:
    """`1,3,10` as ascending numbers above 0. Raises ValueError."""
    found = sorted(float(part) for part in text.split(","))
    if not all(0 < number < math.inf for number in found):
        raise ValueError
    return found


def budget(text: str) -> float:
    """A number of minutes above 0. Raises ValueError."""
    (found,) = minutes(text)
    return found


def some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """What reads `a,b`, which raises ArgumentTypeError for what is not known."""

    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(
                f"there is no {', '.join(unknown)}: use some of {','.join(known)}"
            )
        return chosen

    return names
