"""The body of a tune, token by token: which function reads each kind of token that stands between the fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from corpora.abc import bars, brackets, markings, notes
from corpora.abc.lexer import Token
from corpora.abc.state import Reading


def _other(reading: Reading, token: Token) -> None:
    if token.text.strip("*$;?@#!") or len(token.text) > 4:
        reading.note_down(token.start, f"{token.text[:20]!r} means nothing here", "dropped")


HANDLERS: Mapping[str, Callable[[Reading, Token], None]] = {
    "bar": bars.read_bar_line,
    "ending": bars.read_ending,
    "overlay": bars.read_overlay,
    "note": notes.read_note,
    "rest": notes.read_rest,
    "length": notes.read_length,
    "tuplet": notes.read_tuplet,
    "broken": notes.read_broken,
    "tie": notes.read_tie,
    "chord": brackets.open_chord,
    "chord_end": brackets.close_chord,
    "grace": brackets.open_grace,
    "grace_end": brackets.close_grace,
    "symbol": markings.read_symbol,
    "decoration": markings.read_decoration,
    "slur": markings.open_slur,
    "slur_end": markings.close_slur,
    "other": _other,
}
"""By the kind of token (lexer.py). Fields, also those inside a line, are the reader's (reader.py)."""
