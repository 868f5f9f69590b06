"""Folk tunes in ABC notation: header fields from X: to K:, then the tune's bars."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

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
    starts_at_lines,
)
from corpora.genres.prose import without_overlap

HEAD = re.compile(r"^X: ?\d*[^\n]*$", re.MULTILINE)
FIELD = re.compile(r"^([A-Za-z+]):([^\n]*)$", re.MULTILINE)
_COMMENT = re.compile(r"%[^\n]*")
_CHORD = re.compile(r"\"[^\"\n]*\"|![^!\n]{1,20}!|\[[A-Za-z]:[^\]\n]{0,100}\]")
_BAR = re.compile(r"[:\[\]]{0,3}\|[|:\]]{0,4}(?:\[?\d)?|::")
_LENGTH = re.compile(r"(?<=[A-Ga-gzx,'\]])\d*/*\d+|(?<=[A-Ga-gzx,'\]])/+|\(\d(?::\d*){0,2}")
_NOTE = re.compile(r"(?:[_^]{1,2}|=)?[A-Ga-gzxZ][,']*")


class AbcTunes(Genre):
    name = "abc_tunes"
    title = "folk tunes in ABC"
    sign = "header fields from X: to K:"
    documents = True
    figures = {  # noqa: RUF012
        "valid": VALID,
        "headers_whole": Figure(
            "tunes with a number, a title and a key", once="its tunes have whole headers"
        ),
        "repeats_balanced": Figure("tunes whose repeats open and close by turns"),
    }

    def score(self, text: str) -> float:
        letters = [m[0] for m in FIELD.findall(text)]
        tunes = max(letters.count("X"), letters.count("K"))
        whole = min(letters.count("X"), letters.count("K"))
        # A tune has some 150 to 1,500 characters; one tune quoted in a long text makes no tune book.
        return whole / tunes if whole and len(text) < 5000 * whole else 0.0

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, HEAD)

    def primes(self, text: str) -> list[str]:
        starts = [m.start() for m in HEAD.finditer(text)]
        return openings(text, starts, _to_title, "X:1\nT:")

    def validator(self, training: Iterable[str]) -> Validator:
        del training

        def judge(text: str) -> Verdict:
            pieces = []
            whole: list[bool] = []
            balanced: list[bool] = []
            heads = [m.start() for m in HEAD.finditer(text)]
            bounds = [*([] if heads and heads[0] == 0 else [0]), *heads, len(text)]
            for start, stop in itertools.pairwise(bounds):
                tune = text[start:stop]
                if not tune.strip():
                    continue
                header = list(_header_problems(tune, unfinished=stop == len(text)))
                body = list(_body_problems(tune))
                whole.append(not header)
                balanced.append(not body)
                pieces.append(
                    (start, stop, [Problem(start + at, what) for at, what in header + body])
                )
            return judged(
                pieces, {"headers_whole": share(whole), "repeats_balanced": share(balanced)}
            )

        return judge

    def colour(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), "comment") for m in _COMMENT.finditer(text)]
        for field in FIELD.finditer(text):
            spans.append(Span(field.start(), field.start(2), "keyword"))
            spans.append(
                Span(field.start(2), field.end(), "title" if field[1] == "T" else "string")
            )
        spans += [Span(m.start(), m.end(), "name") for m in _CHORD.finditer(text)]
        spans += [Span(m.start(), m.end(), "bar") for m in _BAR.finditer(text)]
        spans += [Span(m.start(), m.end(), "number") for m in _LENGTH.finditer(text)]
        spans += [Span(m.start(), m.end(), "note") for m in _NOTE.finditer(text)]
        return without_overlap(spans)


def _to_title(following: str) -> int:
    """The number line and "T:", so that the model names its tune."""
    match = re.match(r"X:[^\n]*\n(?:T: ?)?", following)
    return match.end() if match else 0


def _header_problems(tune: str, *, unfinished: bool) -> Iterator[tuple[int, str]]:
    if not HEAD.match(tune):
        yield 0, "no number (X:) at its head"
    letters = [match[1] for match in FIELD.finditer(tune)]
    if unfinished and "K" not in letters and "|" not in tune:
        return
    for letter, what in (("T", "title"), ("K", "key")):
        if letter not in letters:
            yield 0, f"no {what} ({letter}:)"


def _body_problems(tune: str) -> Iterator[tuple[int, str]]:
    """A repeat that opens while one is open. The first may lack its sign, and the last may be cut off."""
    key = re.search(r"^K:[^\n]*\n", tune, re.MULTILINE)
    if key is None:
        return
    is_open = False
    for match in re.finditer(r"\|:|:\||::", tune[key.end() :]):
        if match.group() == "|:" and is_open:
            yield key.end() + match.start(), "a repeat opens inside another"
        is_open = match.group() != ":|"


GENRE = AbcTunes()
