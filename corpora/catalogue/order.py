"""The order of a corpus that is put together from many texts."""

from __future__ import annotations

import random
from collections.abc import Sequence

from corpora.check import pieces_of
from corpora.duplicates import doubles
from corpora.genres.base import Genre


def mixed(texts: Sequence[str], genre: Genre) -> list[str]:
    """The texts in a seeded order, those that share a piece, exactly or nearly, together.

    What is held out is the corpus's end: likenesses spread over the whole of it would be a leak (18 % of the LaTeX's
    held-out text was in its training text too, and 11 % of the headers').
    """
    pieces: list[str] = []
    owner: list[int] = []
    for i, text in enumerate(texts):
        starts = pieces_of(genre, text)
        pieces += [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
        owner += [i] * len(starts)
    first = list(range(len(texts)))

    def of(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for double in doubles(pieces):
        one, other = of(owner[double.index]), of(owner[double.of])
        first[max(one, other)] = min(one, other)
    together: dict[int, list[str]] = {}
    for i, text in enumerate(texts):
        together.setdefault(of(i), []).append(text)
    groups = list(together.values())
    random.Random(0).shuffle(groups)
    return [text for group in groups for text in group]
