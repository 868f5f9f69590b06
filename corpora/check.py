"""The corpus check: what a person should know about a text before a network learns it, and what can be done about it.

report = check(corpus, notes=...)       a Report: genre, encoding, size and advice, findings
corpora.fixes.write(corpus, report.genre, ["html", "doubles"], target)    a new file; never the user's own
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from corpora import genres, ngram, words
from corpora.duplicates import Double, doubles
from corpora.genres.base import Genre
from corpora.snapshot import Corpus

Level = Literal["note", "warning", "problem"]

SMALL_CHARS = 100_000
TINY_CHARS = 10_000

COMPARED_CHARS = 20_000_000
"""Characters of a corpus that are read for the check; of a longer one the first half of them and the last."""

HELD_OUT = 0.1
"""Share of a corpus, its end, that a run keeps for validation and test unless it is told otherwise."""

LONG_LINE = 20_000

SENTENCE_END = re.compile(r"(?<=[.!?…]) +(?=[\"“'(]?[A-ZÀ-Þ])")
"""The space between two sentences."""

_TAG = re.compile(
    r"</?(?:a|b|i|u|p|br|div|span|td|tr|th|table|font|h[1-6]|ul|ol|li|img|html|head|body|script|style|em|strong|pre)"
    r"(?:\s[^<>\n]{0,300})?/?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)
_GUTENBERG = re.compile(r"\*\*\* ?(?:START|END) OF (?:THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)
_LICENCE = re.compile(
    r"permission is hereby granted|redistribution and use in source|licensed under the|general public license"
    r"|all rights reserved|without warranties or conditions",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing, and the fix for it, if there is one."""

    name: str
    level: Level
    text: str
    fix: str = ""
    """The name of the fix in corpora.fixes."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the check found."""

    genre: str
    why: str
    chars: int
    size_bytes: int
    alphabet: int
    """Different characters."""

    documents: int
    encodings: tuple[str, ...]
    longest_line: int
    leaked: float
    """Share of the held-out text that stands in the training text too, or nearly."""

    advice: str
    findings: tuple[Finding, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is read of a corpus for the check: all of it, or its first half and its last."""

    text: str
    last: int = 0
    """Where the last half begins in `text`; 0 where nothing was left out."""
    lines_left_out: int = 0

    def line(self, at: int) -> int:
        """The line of the corpus, from 1, in which a place of `text` is."""
        before = self.text.count("\n", 0, at) + 1
        return before + (self.lines_left_out if at >= self.last else 0)


def check(corpus: Corpus, *, genre: str = "", notes: Sequence[str] = ()) -> Report:
    """Looks at a whole corpus (5 MB in some 5 s). `notes` is what `read_corpus` said while it read."""
    looked = _looked_at(corpus)
    text = looked.text
    if genre:
        known, why = genres.find(genre), "as you said"
    else:
        known, why = genres.detect(text)
    heldout = max(len(text) - round(HELD_OUT * corpus.chars), looked.last)
    starts = sorted({*pieces_of(known, text), looked.last})
    pieces = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    twice = doubles(pieces)
    leaks, leaked = _leaks(starts, pieces, twice, heldout)
    longest = max(map(len, text.split("\n")), default=0)
    findings = [
        *_of_reading(notes),
        *_of_size(corpus.chars),
        *_of_characters(corpus),
        *_of_markup(looked, known),
        *_of_doubles(starts, pieces, twice, looked),
        *_of_leaks(leaks, leaked, starts, pieces, heldout),
        *_of_lines(longest),
    ]
    return Report(
        genre=known.name,
        why=why,
        chars=corpus.chars,
        size_bytes=corpus.size_bytes,
        alphabet=len(corpus.counts),
        documents=len(starts) if known.documents else len(corpus.sources),
        encodings=tuple(dict.fromkeys(source.encoding for source in corpus.sources)),
        longest_line=longest,
        leaked=leaked,
        advice=advice(corpus.chars, len(corpus.counts)),
        findings=tuple(findings),
    )


def advice(chars: int, alphabet: int) -> str:
    """Which model and tokenizer suit a corpus of this size."""
    if chars < TINY_CHARS:
        return "far too small to learn a language from; it will be learnt by heart. Find 100 kB or more"
    if chars < SMALL_CHARS:
        size = "--layers 1 --hidden 128 --dropout 0.3: anything larger learns it by heart"
    elif chars < 1_000_000:
        size = "--layers 2 --hidden 192 --dropout 0.2"
    elif chars < 10_000_000:
        size = "--layers 2 --hidden 256 to 512; dropout only if the validation loss rises"
    else:
        size = "--layers 3 --hidden 512 and more, no dropout"
    if alphabet > 500:
        size += f"; with {alphabet:,} different characters, --tokenizer bpe or unigram"
    return size


def pieces_of(genre: Genre, text: str) -> list[int]:
    """Where the pieces begin in which duplicates are looked for: the genre's documents, else its paragraphs; in a text
    that is one line, its sentences.
    """
    starts = list(genre.document_starts([text]))
    if len(starts) > 1 or not text:
        return starts
    starts = [0, *(at for at, _ in words.paragraphs(text) if at)]
    if len(starts) > 1 or "\n" in text.strip():
        return starts
    return [0, *(match.end() for match in SENTENCE_END.finditer(text))]


def is_markup(text: str) -> bool:
    """Whether a text is HTML, or full of what is left of it: a tag or an entity in every 500 characters."""
    return len(_TAG.findall(text)) + len(_ENTITY.findall(text)) > max(5, len(text) / 500)


def without_markup(text: str) -> str:
    """The text without tags, its entities turned into characters."""
    return html.unescape(_TAG.sub("", text))


def without_controls(text: str) -> str:
    """The text without characters that no reader sees."""
    return _CONTROL.sub("", text)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _looked_at(corpus: Corpus) -> _Looked:
    if corpus.chars <= COMPARED_CHARS:
        return _Looked(corpus.text(0, corpus.chars))
    half = COMPARED_CHARS // 2
    first = corpus.text(0, half) + "\n"  # so that no line is half of one and half of another
    text = first + corpus.text(corpus.chars - half, corpus.chars)
    return _Looked(text, len(first), corpus.counts.get("\n", 0) - text.count("\n"))


def _of_reading(notes: Iterable[str]) -> Iterable[Finding]:
    for note in notes:
        mended = note.startswith("line ends:") or ": read as " in note
        yield Finding("reading", "note", note, "utf8" if mended else "")


def _of_size(chars: int) -> Iterable[Finding]:
    if chars < TINY_CHARS:
        yield Finding("size", "problem", f"{chars:,} characters are far too few to learn from")
    elif chars < SMALL_CHARS:
        yield Finding(
            "size",
            "warning",
            f"{chars:,} characters are few: below 100,000 a network learns by heart",
        )


def _of_characters(corpus: Corpus) -> Iterable[Finding]:
    once = [char for char, n in corpus.counts.items() if n == 1]
    if once:
        shown = " ".join(repr(c) for c in sorted(once)[:12])
        yield Finding(
            "once",
            "note",
            f"{len(once):,} of {len(corpus.counts):,} different characters occur once: {shown}"
            + (" ..." if len(once) > 12 else ""),
            "once",
        )
    hidden = sum(n for char, n in corpus.counts.items() if _CONTROL.match(char))
    if hidden:
        yield Finding(
            "controls",
            "warning",
            f"{hidden:,} control or zero-width characters, which nobody sees and the network learns",
            "controls",
        )


def _of_markup(looked: _Looked, genre: Genre) -> Iterable[Finding]:
    text = looked.text
    if is_markup(text):
        n = len(_TAG.findall(text))
        yield Finding("html", "problem", f"it is HTML or was: {n:,} tags", "html")
    if found := _GUTENBERG.search(text):
        yield Finding(
            "boilerplate",
            "warning",
            f"Project Gutenberg's licence stands in it (line {looked.line(found.start()):,}) and would be learnt too",
            "boilerplate",
        )
    licences = len(_LICENCE.findall(text))
    if licences >= 3 and genre.name != "prose":
        share = licences * 1000 / max(1, len(text))
        yield Finding(
            "licences",
            "warning",
            f"{licences:,} licence texts"
            + (f" (about {share:.0%} of it)" if share > 0.02 else "")
            + ": the network will recite them",
            "licences",
        )


def _of_doubles(
    starts: Sequence[int], pieces: Sequence[str], twice: Sequence[Double], looked: _Looked
) -> Iterable[Finding]:
    if not twice:
        return
    exact = sum(double.alike == 1.0 for double in twice)
    share = sum(len(pieces[double.index]) for double in twice) / len(looked.text)
    first = twice[0]
    lines = [looked.line(starts[i]) for i in (first.index, first.of)]
    stand = "stands" if exact == 1 else "stand"
    yield Finding(
        "doubles",
        "warning" if share > 0.02 else "note",
        f"{_count(exact, 'piece')} {stand} in it twice and {len(twice) - exact:,} nearly so ({share:.1%} of it), "
        f"the first in line {lines[0]:,} like line {lines[1]:,}",
        "doubles",
    )


def _leaks(
    starts: Sequence[int], pieces: Sequence[str], twice: Sequence[Double], cut: int
) -> tuple[list[Double], float]:
    """The held-out pieces that are like one of the training text's, and their share of what is held out."""
    leaks = [d for d in twice if starts[d.index] >= cut > starts[d.of]]
    held = sum(len(piece) for start, piece in zip(starts, pieces, strict=True) if start >= cut)
    return leaks, sum(len(pieces[d.index]) for d in leaks) / held if held else 0.0


def _of_leaks(
    leaks: Sequence[Double],
    leaked: float,
    starts: Sequence[int],
    pieces: Sequence[str],
    cut: int,
) -> Iterable[Finding]:
    """A leak, and what it does to the loss: an n-gram model's on the held-out text, and that of one which never read
    the pieces' originals.
    """
    if not leaks:
        return
    originals = {double.of for double in leaks}
    train = [i for i, start in enumerate(starts) if start < cut]
    heldout = "".join(piece for start, piece in zip(starts, pieces, strict=True) if start >= cut)
    seen = ngram.nats_per_char("".join(pieces[i] for i in train), heldout)
    unseen = ngram.nats_per_char("".join(pieces[i] for i in train if i not in originals), heldout)
    yield Finding(
        "leak",
        "problem" if leaked > 0.05 else "warning",
        f"{len(leaks):,} of the held-out text's pieces ({leaked:.1%} of it) are in the training text too, or nearly: "
        f"the validation loss will flatter (a {ngram.ORDER + 1}-gram model's is {seen:.3f} nats a character "
        f"with them in the training text and {unseen:.3f} without: {max(0.0, 1 - seen / unseen):.1%} too good)",
        "doubles",
    )


def _of_lines(longest: int) -> Iterable[Finding]:
    if longest > LONG_LINE:
        yield Finding(
            "long-line",
            "warning",
            f"its longest line has {longest:,} characters: the network never learns where a line ends",
            "long-lines",
        )
