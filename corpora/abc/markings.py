"""What stands above and around the notes: chord symbols, annotations, decorations, slurs. It waits for its note."""

from __future__ import annotations

import re

from corpora.abc.brackets import close_chord, open_chord
from corpora.abc.lexer import Token, tokens
from corpora.abc.notes import read_length, read_note
from corpora.abc.signs import is_chord, mark_of
from corpora.abc.state import Reading

_PLUS = {"f", "ff", "fff", "p", "pp", "ppp", "mf", "mp"}
"""How loud: `+f+` is no chord of one note."""


def read_symbol(reading: Reading, token: Token) -> None:
    """What is in quotes: a chord symbol, or words for the reader of the score."""
    state, text = reading.state, token.text[1:-1].strip()
    if text[:1] and text[0] in "^_<>@":
        state.annotations.append(text)
    elif text and (state.symbol or not is_chord(text)):
        state.annotations.append("^" + text)
    else:
        state.symbol = state.symbol or text


def read_decoration(reading: Reading, token: Token) -> None:
    """`!trill!`, `+trill+`, `T`; `+CEG+` is a chord."""
    text = token.text
    name = text.strip("!+") if len(text) > 2 else text
    if (
        text[0] == "+"
        and name.lower() not in _PLUS
        and re.fullmatch(r"(?:[\^_=]*[A-Ga-g][,']*[0-9/]*)+", name)
    ):
        # ABC 1.6 wrote chords as +CEG+.
        if reading.chord is None and not reading.gracing:
            _old_chord(reading, name, token)
        return
    state = reading.state
    state.decorations.append(name[:40])
    mark = mark_of(name)
    if mark in ("segno", "coda") and not state.bar_begun:
        state.bar.marks += (mark,)


def _old_chord(reading: Reading, notes: str, token: Token) -> None:
    open_chord(reading, token)
    for inner in tokens(notes):
        if inner.kind in ("note", "length"):
            read = read_note if inner.kind == "note" else read_length
            read(reading, Token(inner.kind, inner.text, token.start))
            reading.before = inner.kind
    close_chord(reading, token)


def open_slur(reading: Reading, _token: Token) -> None:
    """`(`: a slur begins with the next note."""
    reading.state.slurs += 1


def close_slur(reading: Reading, _token: Token) -> None:
    """`)`: it ends with the note before."""
    if reading.state.last is not None:
        reading.state.last.slur_ends += 1
