"""What is held out: where, in characters, the text for training, validation and test begins and ends."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from corpora.snapshot import Corpus
from engine.config import DataConfig

# How far from its exact place a cut is moved for the sake of a line's end.
LINE_REACH = 1 << 16


Starts = Callable[[Iterable[str]], Iterator[int]]
"""Where documents start, in characters, ascending: `Genre.document_starts`."""


@dataclass(frozen=True, slots=True)
class Split:
    """Training is [0, valid), validation [valid, test), test [test, end), in characters; each may be empty."""

    valid: int
    test: int
    end: int

    @property
    def parts(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        return (0, self.valid), (self.valid, self.test), (self.test, self.end)


def document_starts(corpus: Corpus, starts: Starts | None) -> Iterator[int]:
    """Where documents start: 0, each file, and what the genre says; ascending, each once."""
    genre: Iterator[int] = iter(())
    if starts is not None and not corpus.binary:
        genre = starts(corpus.pieces())
    files = (source.start_char for source in corpus.sources)
    last = -1
    for start in heapq.merge((0,), files, genre):
        if last < start < corpus.chars:
            last = start
            yield start


def split(corpus: Corpus, config: DataConfig, starts: Iterable[int]) -> Split:
    """Where to cut, given where documents start (ascending; read once, and to its end).

    `tail` cuts near the asked share: at a document's start if one lies within a third of what is held out, else at a
    line's start, else anywhere. `nanogpt` trains on exactly the first int(0.9 n) characters, as nanoGPT's prepare.py
    does, and has no test.
    """
    end = corpus.chars
    if config.split == "nanogpt":
        for _ in starts:
            pass
        return Split(int(end * 0.9), end, end)
    test_chars = round(end * config.test_fraction)
    valid_chars = round(end * config.valid_fraction)
    wanted = (end - test_chars - valid_chars, end - test_chars)
    # Neither part may move its cut so far that the other is left with nothing.
    reach = (valid_chars // 3, min(valid_chars or test_chars, test_chars) // 3)
    nearest = _nearest(starts, wanted)
    valid, test = (
        _place(corpus, *cut) if cut[0] < end else end
        for cut in zip(wanted, reach, nearest, strict=True)
    )
    if not valid_chars:
        valid = test
    return Split(min(valid, test), test, end)


def _place(corpus: Corpus, wanted: int, reach: int, document: int | None) -> int:
    if document and abs(document - wanted) <= reach:
        return document
    reach = min(reach, LINE_REACH)
    around = corpus.text(wanted - reach, wanted + reach)
    begin = max(0, wanted - reach)
    if corpus.binary or not around:
        return wanted
    middle = wanted - begin
    before, after = around.rfind("\n", 0, middle) + 1, around.find("\n", middle) + 1
    lines = [begin + at for at in (before, after) if at]
    return min(lines, key=lambda at: abs(at - wanted), default=wanted)


def _nearest(starts: Iterable[int], wanted: Sequence[int]) -> list[int | None]:
    """The start nearest to each wanted place."""
    found: list[int | None] = [None] * len(wanted)
    for start in starts:
        for i, place in enumerate(wanted):
            best = found[i]
            if best is None or abs(start - place) < abs(best - place):
                found[i] = start
    return found
