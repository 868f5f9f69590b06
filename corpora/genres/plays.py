"""Plays: speeches as `NAME:` with the spoken lines below, a blank line between two."""

from __future__ import annotations

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
    starts_at_lines,
)
from corpora.genres.prose import language_problems, pair_problems, without_overlap

# "First Citizen:", "KING HENRY V:", "Servant, within:"; up to six words that begin with a capital or are of, the, ...
SPEAKER = re.compile(
    r"^(?:[A-Z][\w.'’-]*|\d+)(?:,? (?:[A-Z][\w.'’-]*|\d+|of|the|to|and|in|a|within|with|de|le)){0,5}:$",
    re.MULTILINE,
)
_BEGINNING = re.compile(r"(?:\d|[A-Z])[\w ,.'’-]{0,40}:?")
_SCENE = re.compile(r"^(?:ACT|SCENE|Act|Scene|PROLOGUE|EPILOGUE|INDUCTION)\b[^\n]*$", re.MULTILINE)
_DIRECTION = re.compile(r"\[[^\]\[\n]{0,300}\]|^(?:Enter|Exit|Exeunt)\b[^\n]*$", re.MULTILINE)

LONGEST_LINE = 120
"""Characters; a line of verse has about 45, one of prose in these editions at most 75."""


class Plays(Genre):
    name = "plays"
    title = "plays"
    sign = "speeches under a speaker's name"
    figures = {  # noqa: RUF012
        "valid": VALID,
        "speaker_lines": Figure(
            "speeches under a well-formed speaker line",
            once="its speeches stand under a speaker's name",
        ),
        "known_speakers": Figure(
            "speakers known from the training text", better="human", once="it knows its speakers"
        ),
        "line_chars": Figure("characters a line", unit="chars", better="human"),
        "pairs_closed": Figure(
            "speeches with brackets and quotes closed", once="its brackets and quotes close"
        ),
    }

    def score(self, text: str) -> float:
        blocks = [block for _, block in words.paragraphs(text)]
        return sum(bool(SPEAKER.match(block)) for block in blocks) / max(len(blocks), 4)

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, SPEAKER)

    def primes(self, text: str) -> list[str]:
        starts = (m.start() for m in SPEAKER.finditer(text))
        return openings(text, starts, lambda following: following.find("\n") + 1, "ALL:\n")

    def validator(self, training: Iterable[str]) -> Validator:
        known_speakers: set[str] = set()

        def noting(pieces: Iterable[str]) -> Iterator[str]:
            for piece in pieces:
                known_speakers.update(SPEAKER.findall(piece))
                yield piece

        known = words.vocabulary(noting(training))

        def judge(text: str) -> Verdict:
            blocks = list(words.paragraphs(text))
            pieces = []
            headed = closed = familiar = 0
            for i, (start, block) in enumerate(blocks):
                following = blocks[i + 1][1] if i + 1 < len(blocks) else None
                head, _, speech = block.partition("\n")
                headed += bool(SPEAKER.match(head))
                familiar += head in known_speakers
                pairs = [Problem(start + at, what) for at, what in pair_problems(block, following)]
                closed += not pairs
                found = [
                    *_form_problems(start, block, known_speakers, unfinished=following is None),
                    *pairs,
                    *language_problems(start, speech, known),
                ]
                pieces.append((start, start + len(block), found))
            n = max(1, len(blocks))
            lines = [line for line in text.split("\n") if line.strip()]
            return judged(
                pieces,
                {
                    "speaker_lines": headed / n,
                    "known_speakers": familiar / headed if headed else None,
                    "line_chars": sum(map(len, lines)) / max(1, len(lines)),
                    "pairs_closed": closed / n,
                },
            )

        return judge

    def colour(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), "title") for m in _SCENE.finditer(text)]
        spans += [Span(m.start(), m.end(), "name") for m in SPEAKER.finditer(text)]
        spans += [Span(m.start(), m.end(), "comment") for m in _DIRECTION.finditer(text)]
        return without_overlap(spans)


def _form_problems(
    start: int, block: str, known_speakers: set[str], *, unfinished: bool
) -> Iterator[Problem]:
    """What is wrong with one block's form; headings and stage directions on their own are as good as a speech."""
    lines = block.split("\n")
    if _SCENE.match(block) or _DIRECTION.match(block):
        return
    if not SPEAKER.match(lines[0]):
        # The last block of a sample may have been cut inside its speaker line.
        if not (unfinished and _BEGINNING.fullmatch(block)):
            yield Problem(start, f"no speaker's name over {lines[0][:40]!r}")
    elif len(lines) == 1 and not unfinished:
        yield Problem(start, f"{lines[0][:40]} says nothing")
    at = start
    for i, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            yield Problem(at, f"a line of {len(line)} characters")
        if i and line in known_speakers:
            yield Problem(at, f"no blank line before {line[:40]}")
        at += len(line) + 1


GENRE = Plays()
