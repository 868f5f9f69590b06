"""What every genre offers: how to find it, cut it, prime it, judge it and colour it.

A genre is one module of this package that ends in `GENRE = ...`; the module's name is the genre's. Nothing outside
`corpora/` asks which genre it has: whoever needs the difference between a tune and a play calls one of these methods.
Importing a genre costs nothing heavy; grammars, numpy and music21 are imported by the methods that need them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from checkpoints.errors import CorpusError

Style = Literal[
    "title", "name", "keyword", "number", "string", "comment", "markup", "note", "bar", "error"
]
"""The colours a genre knows; a theme gives each a look."""


class Span(NamedTuple):
    """A stretch of text, in characters, and how it is coloured."""

    start: int
    stop: int
    style: Style


class Problem(NamedTuple):
    """A fault in a text: where (character offset), and a sentence that says what is wrong."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number that a genre measures means, and how to show it."""

    label: str
    """A few words: "bars of the metre's length"."""

    unit: Literal["share", "count", "bits", "chars"] = "share"
    """A share is 0 to 1 and shown as a percentage; the others are shown as they are."""

    better: Literal["more", "less", "human"] = "more"
    """Whether more is better, less is, or what is nearest to the human text's figure."""

    once: str = ""
    """What one says when a model has come close to human text in it: "its brackets and quotes close"."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured in one text. Every genre gives the figure `valid`."""

    figures: dict[str, float]
    problems: tuple[Problem, ...] = ()


Validator = Callable[[str], Verdict]
"""Judges a text; any text: it never raises, and its time grows linearly with the text's length."""

Rewriter = Callable[[str, bool], Iterator[str]]
"""What a piece of a corpus is learned as, given whether it is held out: itself changed, or several copies of it."""

VALID = Figure("text without a fault", once="most of what it writes is well formed")


NOTHING = Verdict({"valid": 0.0}, (Problem(0, "nothing was written"),))


def share(hits: Iterable[bool]) -> float | None:
    """The share that is true; None of nothing."""
    found = list(hits)
    return sum(found) / len(found) if found else None


def judged(
    pieces: Iterable[tuple[int, int, list[Problem]]], figures: Mapping[str, float | None]
) -> Verdict:
    """The verdict on pieces (start, stop, problems): `valid` weighs each by its characters; None is left out.

    By characters, since broken text falls into many tiny pieces, a few of which are right by chance.
    """
    problems: list[Problem] = []
    total = valid = 0
    for start, stop, found in pieces:
        total += stop - start
        valid += 0 if found else stop - start
        problems += found
    if not total:
        return NOTHING
    kept = {name: value for name, value in figures.items() if value is not None}
    return Verdict({"valid": valid / total, **kept}, tuple(problems))


class Genre(ABC):
    """One kind of text."""

    name: ClassVar[str]
    """The module's name, and what `--genre` and the event log say."""

    title: ClassVar[str]
    """As a person calls it: "folk tunes in ABC"."""

    sign: ClassVar[str]
    """What `score` looks at, for the sentence that says why this genre was detected."""

    documents: ClassVar[bool] = False
    """Whether such a corpus is many short pieces, each read from a fresh state."""

    music: ClassVar[bool] = False
    """Whether its pieces are ABC tunes, which `corpora.abc` can play and export."""

    figures: ClassVar[dict[str, Figure]] = {"valid": VALID}
    """What the validator measures, by the names that it uses."""

    @abstractmethod
    def score(self, text: str) -> float:
        """How much a sample of a corpus (some 10 to 100 kB) looks like this genre: 0 not at all, 1 all of it."""

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        """The offsets in characters at which pieces of the genre begin, ascending, the first always 0.

        `pieces` is a corpus in order, cut anywhere; memory stays bounded whatever its lines' lengths are.
        A genre that is one long text names the places where a cut harms least (chapters, scenes, functions).
        """
        del pieces
        yield 0

    @abstractmethod
    def primes(self, text: str) -> list[str]:
        """Openings from which to let a model write, at most eight, taken from held-out text; never empty."""

    def header(self, fields: Mapping[str, str], *, titles: bool = True) -> str:
        """The opening of a piece that has what is asked for, of `meter`, `key` and `rhythm`: a prime.

        `titles` says whether the model learned pieces with titles.
        Raises CorpusError where such pieces have none of these, ConfigError for a value that means nothing.
        """
        del fields, titles
        raise CorpusError(
            f"only tunes have a metre, a key and a rhythm, and this run writes {self.title}",
            hint="use a run trained on tunes (abc-tunes has some), or open the text with --prime",
        )

    def rewriter(self, *, transpose: str, titles: bool, chords: bool) -> Rewriter:
        """How pieces are changed before they are learned; the settings are those of `engine.config.DataConfig`.

        Raises CorpusError where such pieces have no keys, titles or chord symbols, ConfigError for what is no key.
        """
        del transpose, titles, chords
        raise CorpusError(
            f"only tunes are transposed or lose their titles and chord symbols, and this text is {self.title}",
            hint="leave out --transpose, --no-titles and --no-chords, or say that it is tunes: --genre abc_tunes",
        )

    @abstractmethod
    def validator(self, training: Iterable[str]) -> Validator:
        """A judge of texts who has read the training text (its pieces in order), so that it knows what is known."""

    def accepted(self, texts: Sequence[str]) -> list[float | None] | None:
        """Of each text the share of its pieces that the genre's own tool, a compiler, takes; None where it has none or
        none is installed, and for a text without a whole piece.

        All texts are asked for at once, since the tool's start costs the most.
        """
        del texts
        return None

    @abstractmethod
    def colour(self, text: str) -> list[Span]:
        """Spans in order, without overlap, for a text that may be broken anywhere. Never raises."""


MAX_LINE = 1 << 20
"""Characters of one line held at once; a longer line is passed on in parts."""


def whole_lines(pieces: Iterable[str]) -> Iterator[tuple[int, bool, str]]:
    """Re-cuts a text at line ends: (offset, begins at a line's start, block), each block ending a line if it can."""
    offset, at_line_start, rest = 0, True, ""
    for piece in pieces:
        text = rest + piece
        cut = text.rfind("\n") + 1
        if not cut and len(text) >= MAX_LINE:
            cut = len(text)
        if cut:
            yield offset, at_line_start, text[:cut]
            at_line_start = text[cut - 1] == "\n"
            offset += cut
        rest = text[cut:]
    if rest:
        yield offset, at_line_start, rest


def starts_at_lines(pieces: Iterable[str], head: re.Pattern[str]) -> Iterator[int]:
    """0, then the offset of each line that `head` (compiled with MULTILINE, beginning with ^) matches."""
    yield 0
    for offset, at_line_start, block in whole_lines(pieces):
        for match in head.finditer(block):
            start = offset + match.start()
            if start and (match.start() or at_line_start):
                yield start


def openings(
    text: str, starts: Iterable[int], length: Callable[[str], int], fallback: str
) -> list[str]:
    """At most eight different openings spread over a text; `length` says how much of what follows a start to keep."""
    places = list(starts)
    step = max(1, len(places) // 8)
    found: dict[str, None] = {}
    for start in places[::step]:
        following = text[start : start + 2000]
        opening = following[: length(following)]
        if opening.strip():
            found.setdefault(opening)
        if len(found) == 8:
            break
    return list(found) or [fallback]
