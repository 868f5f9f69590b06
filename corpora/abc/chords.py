"""An accompaniment from a tune's chord symbols: a bass note and the chord above it, struck anew in each bar."""

from __future__ import annotations

import itertools
import re

from corpora.abc.signs import is_chord
from corpora.abc.tune import LETTERS, SEMITONES
from corpora.abc.unfolding import Note, Playing

_SYMBOL = re.compile(r"[\s(\[]*([A-G])([#b♯♭]?)([^/()]*)(?:/([A-Ga-g])([#b♯♭+]?))?")
_QUALITIES = (
    ("maj7", (0, 4, 7, 11)), ("m7b5", (0, 3, 6, 10)), ("dim7", (0, 3, 6, 9)), ("dim", (0, 3, 6)),
    ("aug", (0, 4, 8)), ("+", (0, 4, 8)), ("sus4", (0, 5, 7)), ("sus2", (0, 2, 7)), ("sus", (0, 5, 7)),
    ("m6", (0, 3, 7, 9)), ("min7", (0, 3, 7, 10)), ("m7", (0, 3, 7, 10)), ("maj", (0, 4, 7)), ("min", (0, 3, 7)),
    ("m", (0, 3, 7)), ("add", (0, 4, 7)), ("a", (0, 4, 8)), ("d", (0, 3, 6)),
    ("6", (0, 4, 7, 9)), ("7", (0, 4, 7, 10)), ("9", (0, 4, 7, 10)), ("", (0, 4, 7)),
)  # fmt: skip


def chord_of(symbol: str) -> tuple[int, ...] | None:
    """The MIDI pitches of a chord symbol, its bass (36 to 47) first; None if it names no chord."""
    match = _SYMBOL.match(symbol)
    if not match or not is_chord(symbol):
        return None
    root = _pitch_class(match[1], match[2])
    quality = next(steps for name, steps in _QUALITIES if match[3].strip().startswith(name))
    bass = _pitch_class(match[4].upper(), match[5]) if match[4] else root
    return (36 + bass, *(48 + (root + step) % 12 for step in quality))


def accompaniment(playing: Playing) -> list[Note]:
    """The notes of the chords that stand above the first voice that has any."""
    part = next((p for p in playing.parts if p.symbols), None)
    if part is None:
        return []
    bounds = sorted(
        {*(time for time, _ in part.bars), *(time for time, _ in part.symbols), part.end}
    )
    symbols = {time: symbol for time, symbol in part.symbols if chord_of(symbol)}
    notes: list[Note] = []
    chord: tuple[int, ...] | None = None
    for begin, end in itertools.pairwise(bounds):
        if begin in symbols:
            chord = chord_of(symbols[begin])
        for pitch in dict.fromkeys(chord or ()):
            notes.append(Note(begin, end - begin, pitch, 0))
    return notes


def _pitch_class(letter: str, sign: str) -> int:
    shift = {"#": 1, "♯": 1, "+": 1, "b": -1, "♭": -1}.get(sign, 0)
    return (SEMITONES[LETTERS.index(letter)] + shift) % 12
