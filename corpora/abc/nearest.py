"""The tune among those learned from that is nearest to a new one: a copy is known for a copy, transposed or not.

Tunes are compared by their contour: the steps in letters from note to note, which no transposition changes. N-grams
find the likely ones; the edit distance between contours decides.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from corpora.abc.lexer import tokens

GRAM = 5
"""Steps in an n-gram."""
LONGEST = 400
"""Notes of a tune that are compared."""
MOST_TUNES = 20_000
CANDIDATES = 8

_TITLE = re.compile(r"^T:[ \t]*([^\n%]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest tune and how far it is: 0 the same contour, 1 nothing in common."""

    title: str
    distance: float


def contour(source: str) -> tuple[int, ...]:
    """The steps between a tune's notes in letters (a fifth up is 4), from its text; graces and header left out.

    Read from the tokens alone, which takes a tenth of what the whole reading takes.
    """
    positions: list[int] = []
    gracing = False
    for kind, text, _ in tokens(source):
        if kind == "grace":
            gracing = True
        elif kind in ("grace_end", "bar"):
            gracing = False
        elif kind == "note" and not gracing:
            name = text.strip("^_=")
            octave = name.islower() + name.count("'") - name.count(",")
            positions.append("CDEFGAB".index(name[0].upper()) + 7 * octave)
            if len(positions) > LONGEST:
                break
    return tuple(b - a for a, b in itertools.pairwise(positions))


class TuneIndex:
    """Contours of tunes, to be asked for the nearest."""

    def __init__(self, sources: Iterable[str]) -> None:
        """Index tunes by their ABC; at most MOST_TUNES, about 1 ms each. Of transposed copies the first one counts."""
        self.titles: list[str] = []
        self.contours: list[tuple[int, ...]] = []
        self._grams: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        known: set[tuple[int, ...]] = set()
        for source in sources:
            if len(self.titles) >= MOST_TUNES:
                break
            steps = contour(source)
            if len(steps) < GRAM or steps in known:
                continue
            known.add(steps)
            title = _TITLE.search(source)
            for gram in _grams(steps):
                self._grams[gram].append(len(self.titles))
            self.titles.append(title[1].strip() if title else "untitled")
            self.contours.append(steps)

    def nearest(self, source: str) -> Nearest | None:
        """The tune nearest to one given by its ABC; None where there is nothing to compare."""
        steps = contour(source)
        shared: Counter[int] = Counter()
        for gram in _grams(steps):
            # What half of all tunes have in common says nothing.
            known = self._grams.get(gram, [])
            if len(known) <= max(20, len(self.titles) // 4):
                shared.update(known)
        best: Nearest | None = None
        for index, _ in shared.most_common(CANDIDATES):
            other = self.contours[index]
            distance = edit_distance(steps, other) / max(len(steps), len(other))
            if best is None or distance < best.distance:
                best = Nearest(self.titles[index], distance)
        return best


def _grams(steps: tuple[int, ...]) -> set[tuple[int, ...]]:
    return {steps[i : i + GRAM] for i in range(len(steps) - GRAM + 1)}


def edit_distance(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Levenshtein's distance, by Myers' bit vectors (1999) on Python's long integers: one pass over `b`."""
    if not a:
        return len(b)
    full = (1 << len(a)) - 1
    top = 1 << (len(a) - 1)
    where: dict[int, int] = {}
    for i, value in enumerate(a):
        where[value] = where.get(value, 0) | 1 << i
    up, down, score = full, 0, len(a)
    for value in b:
        equal = where.get(value, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        plus = down | (full & ~(diagonal | up))
        minus = up & diagonal
        if plus & top:
            score += 1
        elif minus & top:
            score -= 1
        plus = (plus << 1 | 1) & full
        minus = (minus << 1) & full
        up = minus | (full & ~(diagonal | plus))
        down = plus & diagonal
    return score
