"""A file of tunes, cut into tunes: at each `X:`, or where a header begins after an empty line.

Text between tunes is passed over. Nothing here or below raises on any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.abc.lexer import FIELD
from corpora.abc.reader import Reader, looks_like_music
from corpora.abc.tune import Tune

_NUMBER = re.compile(r"[ \t]{0,8}X:")
_HEADER = re.compile(FIELD)
_OPENS = re.compile(r"[ \t]{0,8}(?:[TMLRKQOSNZ]:|C:(?![ \t]{0,4}[|:]))")
_DEFAULT = re.compile(r"[MLQRU]:")


def read_book(text: str) -> Iterator[Tune]:
    """The tunes of a text, in order, as they are reached.

    Fields before the first tune (M, L, Q, R, U) hold for every tune that does not say otherwise.
    A piece without music (prose, a title alone) is no tune and is left out.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")
    defaults: list[str] = []
    for line, piece, numbered in _pieces(text):
        if not numbered and not _has_music(piece):
            if _HEADER.match(piece):
                defaults = [row for row in piece.split("\n") if _DEFAULT.match(row)]
            continue
        tune = Reader(piece, line=line, defaults=defaults).read()
        if tune.titles or tune.number is not None or not tune.empty:
            yield tune


def read_tune(text: str) -> Tune:
    """The first tune of a text; an empty one if it holds none."""
    return next(read_book(text), Tune(source=text))


def _pieces(text: str) -> Iterator[tuple[int, str, bool]]:
    """(first line, text, whether it begins with X:) of what may be a tune each."""
    rows = text.split("\n")
    begin, numbered, body, blank = 0, False, False, True
    for i, row in enumerate(rows):
        opens = bool(_NUMBER.match(row))
        if opens or (blank and body and _OPENS.match(row)):
            if i > begin:
                yield begin + 1, "\n".join(rows[begin:i]), numbered
            begin, numbered, body = i, opens, False
        if row.strip():
            body = (
                body
                or not (_HEADER.match(row) or row.startswith("%"))
                or row.lstrip().startswith("K:")
            )
            blank = False
        else:
            blank = True
    yield begin + 1, "\n".join(rows[begin:]), numbered


def _has_music(piece: str) -> bool:
    """Whether some line is music: it has notes and bar lines, or follows a key."""
    keyed = False
    for row in piece.split("\n"):
        if row.startswith("K:"):
            keyed = True
        elif not row or row.startswith("%") or _HEADER.match(row):
            continue
        elif looks_like_music(row) and (keyed or "|" in row):
            return True
    return keyed
