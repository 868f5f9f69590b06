"""Prose: any text that is no other genre; what can be said of every text written by people."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from corpora import words
from corpora.genres.base import (
    VALID,
    Figure,
    Genre,
    Problem,
    Span,
    Validator,
    Verdict,
    judged,
    openings,
    whole_lines,
)

# What people put between the pieces of a collection: a line of five signs, or GPT-2's mark.
SEPARATOR = re.compile(r"^(?:([@=*#~_+-])\1{4,}|<\|endoftext\|>)[ \t]*$", re.MULTILINE)
SEPARATED_WITHIN = 1 << 20
"""Characters at the beginning in which a separator must stand if the text has them."""

_CHAPTER = re.compile(r"^(?:CHAPTER|Chapter|BOOK|PART)\b[^\n]{0,60}$", re.MULTILINE)
_QUOTED = re.compile(r"[\"“][^\"“”\n]*[\"”]")

_ENDS = (".", "!", "?", "…", ":", '"', "”", "»", "'", "’")

LEAST_LETTERS = 16
"""A block with fewer is too short to tell: a name, a heading."""

LEAST_KNOWN = 0.5
"""The share of letters in known words below which a paragraph is no language; held-out prose has 0.9 and more."""


class Prose(Genre):
    name = "prose"
    title = "prose"
    sign = "the general case"
    figures = {  # noqa: RUF012 - a constant table, as in every genre
        "valid": VALID,
        "pairs_closed": Figure(
            "paragraphs with brackets and quotes closed", once="its brackets and quotes close"
        ),
        "sentences_ended": Figure(
            "paragraphs that end a sentence",
            better="human",
            once="its paragraphs end with a sentence",
        ),
    }

    def score(self, text: str) -> float:
        return 0.25 if text.strip() else 0.0

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        """After each separator line where the first part of the text has such lines; at each paragraph elsewhere."""
        stream = iter(pieces)
        first: list[str] = []
        size = 0
        for piece in stream:
            first.append(piece)
            size += len(piece)
            if size >= SEPARATED_WITHIN:
                break
        whole = itertools.chain(first, stream)
        if SEPARATOR.search("".join(first)[:SEPARATED_WITHIN]):
            return _after_separators(whole)
        return _paragraph_starts(whole)

    def primes(self, text: str) -> list[str]:
        starts = [at for at, block in words.paragraphs(text) if len(block) > 60]
        return openings(text, starts, _first_words, "The ")

    def validator(self, training: Iterable[str]) -> Validator:
        known = words.vocabulary(training)

        def judge(text: str) -> Verdict:
            blocks = list(words.paragraphs(text))
            pieces = []
            closed = ended = 0
            for i, (start, block) in enumerate(blocks):
                following = blocks[i + 1][1] if i + 1 < len(blocks) else None
                found = [Problem(start + at, what) for at, what in pair_problems(block, following)]
                closed += not found
                ended += block.rstrip().endswith(_ENDS)
                found += language_problems(start, block, known)
                pieces.append((start, start + len(block), found))
            n = max(1, len(blocks))
            return judged(pieces, {"pairs_closed": closed / n, "sentences_ended": ended / n})

        return judge

    def colour(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), "title") for m in _CHAPTER.finditer(text)]
        spans += [Span(m.start(), m.end(), "string") for m in _QUOTED.finditer(text)]
        return without_overlap(spans)


def language_problems(start: int, block: str, known: frozenset[str]) -> list[Problem]:
    """A problem where hardly a word of the block is known."""
    share = words.known_share(block, known, least=LEAST_LETTERS)
    if share >= LEAST_KNOWN:
        return []
    return [Problem(start, f"only {share:.0%} of its letters are in known words")]


def pair_problems(block: str, following: str | None) -> Iterator[tuple[int, str]]:
    """Brackets and curly quotes that do not match, and an odd number of straight ones.

    `following` is the next block; the last one may have been cut off. A quote may stay open where the next paragraph
    begins with one, as speech over paragraphs is written; German quotes („ “) turn the meaning round and pass.
    """
    unfinished = following is None
    goes_on = following is None or following.lstrip().startswith(('"', "“"))
    yield from words.unpaired(block, unfinished=unfinished)
    if "„" not in block:
        yield from words.unpaired(block, words.QUOTES, unfinished=goes_on)
    if not goes_on and block.count('"') % 2:
        yield block.rindex('"'), "a quote is opened or closed alone"


def without_overlap(spans: Iterable[Span]) -> list[Span]:
    """The spans in order; of two that overlap the earlier is kept, of two that begin together the first given."""
    kept: list[Span] = []
    end = 0
    for span in sorted(spans, key=lambda span: span.start):
        if span.start >= end and span.stop > span.start:
            kept.append(span)
            end = span.stop
    return kept


def _after_separators(pieces: Iterable[str]) -> Iterator[int]:
    yield 0
    for offset, at_line_start, block in whole_lines(pieces):
        for match in SEPARATOR.finditer(block):
            # The last line of a block ends with the text, not with a line end: nothing begins after it.
            if (match.start() or at_line_start) and match.end() < len(block):
                yield offset + match.end() + 1


def _paragraph_starts(pieces: Iterable[str]) -> Iterator[int]:
    yield 0
    after_blank = False
    for offset, at_line_start, block in whole_lines(pieces):
        start = offset
        for line in block.split("\n"):
            blank = not line or line.isspace()
            if after_blank and not blank and start and (start > offset or at_line_start):
                yield start
            # What follows the last line end is the next block's beginning, not an empty line.
            if start + len(line) < offset + len(block):
                after_blank = blank
            start += len(line) + 1


def _first_words(following: str) -> int:
    """The first four words of a paragraph, with the space behind them."""
    match = re.match(r"\s*(?:\S+[ ]){1,4}", following)
    return match.end() if match else min(len(following), 12)


GENRE = Prose()
