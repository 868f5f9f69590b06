"""Verse: short lines that end where the poet ended them, in stanzas."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from statistics import median

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
    share,
)
from corpora.genres.prose import GENRE as PROSE
from corpora.genres.prose import language_problems, pair_problems

_CODE = re.compile(r"[{}<>\\=|#@\d]|;$|:$")
_LINE_END = re.compile(r"[,.;:!?…。，！？、]$")
_LAST_WORD = re.compile(r"([^\W\d_]+)[^\w\n]*$", re.MULTILINE)
_RHYME = re.compile(r"[aeiouyäöüáéíóúàèìòùâêîôû]+[^aeiouyäöüáéíóúàèìòùâêîôû]*e?$")

LONGEST_LINE = 60
LEAST_ALIKE = 0.3
"""Share of lines about as long as their stanza's usual one; lines broken at random have a fifth."""

RHYME_WITHIN = 4
"""Lines among which a rhyme is looked for: abab, aabb and abba are all within three."""


class Verse(Genre):
    name = "verse"
    title = "verse"
    sign = "short lines of about one length"
    figures = {  # noqa: RUF012
        "valid": VALID,
        "lines_alike": Figure(
            "lines about as long as their stanza's", better="human", once="its lines have a measure"
        ),
        "rhymed": Figure("lines that rhyme with one near them", better="human", once="it rhymes"),
        "line_chars": Figure("characters a line", unit="chars", better="human"),
        "stanza_lines": Figure("lines a stanza", unit="chars", better="human"),
    }

    def score(self, text: str) -> float:
        """At most 0.7: plays, tunes and recipes have short lines too, and are known by more."""
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if len(lines) < 8 or sum(map(len, lines)) > 50 * len(lines):
            return 0.0
        if sum(bool(_CODE.search(line)) for line in lines) > 0.05 * len(lines):
            return 0.0
        short = sum(5 <= len(line) <= LONGEST_LINE for line in lines) / len(lines)
        # Wrapped prose ends a line wherever it is full; verse at a sign, or with room for the next word.
        signed = sum(bool(_LINE_END.search(line)) for line in lines) / len(lines)
        widest = sorted(map(len, lines))[int(0.95 * (len(lines) - 1))]
        roomy = sum(
            len(line) + 1 + len(below.split(" ", 1)[0]) <= widest
            for line, below in itertools.pairwise(lines)
        ) / len(lines)
        return (
            min(0.7, short * min(1.0, 1.5 * max(signed, roomy)))
            if max(signed, roomy) > 0.4
            else 0.0
        )

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return PROSE.document_starts(pieces)

    def primes(self, text: str) -> list[str]:
        starts = [at for at, block in words.paragraphs(text) if "\n" in block]
        return openings(text, starts, lambda following: following.find("\n") + 1, "The ")

    def validator(self, training: Iterable[str]) -> Validator:
        known = words.vocabulary(training)

        def judge(text: str) -> Verdict:
            stanzas = list(words.paragraphs(text))
            pieces = []
            alike: list[bool] = []
            rhymed: list[bool] = []
            lengths: list[int] = []
            for i, (start, stanza) in enumerate(stanzas):
                following = stanzas[i + 1][1] if i + 1 < len(stanzas) else None
                found = [Problem(start + at, what) for at, what in pair_problems(stanza, following)]
                found += language_problems(start, stanza, known)
                lines = stanza.split("\n")
                # The last line of all may have been cut off.
                whole = lines if following is not None or text.endswith("\n") else lines[:-1]
                if whole:
                    usual = median(map(len, whole))
                    measured = [abs(len(line) - usual) <= 0.25 * usual for line in whole]
                    alike += measured
                    rhymed += list(_rhymes(whole))
                    lengths += map(len, whole)
                if any(len(line) > 2 * LONGEST_LINE for line in lines):
                    found.append(Problem(start, "a line far too long for verse"))
                pieces.append((start, start + len(stanza), found))
            if len(alike) >= 8 and sum(alike) < LEAST_ALIKE * len(alike):
                for start, _, found in pieces:
                    found.append(Problem(start, "its lines have no measure"))
            lines_in_all = sum(stanza.count("\n") + 1 for _, stanza in stanzas)
            return judged(
                pieces,
                {
                    "lines_alike": share(alike),
                    "rhymed": share(rhymed),
                    "line_chars": sum(lengths) / len(lengths) if lengths else None,
                    "stanza_lines": lines_in_all / max(1, len(stanzas)),
                },
            )

        return judge

    def colour(self, text: str) -> list[Span]:
        return [Span(m.start(1), m.end(1), "name") for m in _LAST_WORD.finditer(text)]


def rhyme(line: str) -> tuple[str, str] | None:
    """(last word, its sound from the last vowel on, by its letters); None where the line ends without a word."""
    last = _LAST_WORD.search(line)
    if last is None:
        return None
    word = last[1].lower()
    sound = _RHYME.search(word)
    return (word, sound.group()) if sound and len(sound.group()) > 1 else None


def _rhymes(lines: list[str]) -> Iterator[bool]:
    """Of each line that could, whether it rhymes with another word's line at most `RHYME_WITHIN` lines away."""
    ends = [rhyme(line) for line in lines]
    for i, end in enumerate(ends):
        if end is None:
            continue
        near = ends[max(0, i - RHYME_WITHIN + 1) : i] + ends[i + 1 : i + RHYME_WITHIN]
        yield any(other and other[1] == end[1] and other[0] != end[0] for other in near)


GENRE = Verse()
