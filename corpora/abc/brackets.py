"""Chords and graces: notes in brackets, from the one that opens to the one that closes, or to where it is missing."""

from __future__ import annotations

from dataclasses import replace

from corpora.abc.lexer import Token
from corpora.abc.state import Reading


def open_chord(reading: Reading, token: Token) -> None:
    """`[`: the notes that follow sound together."""
    if reading.gracing:
        return
    if reading.chord is not None:
        reading.note_down(token.start, "a chord inside a chord", "dropped")
        return
    reading.chord, reading.chord_start = [], token.start


def close_chord(reading: Reading, token: Token) -> None:
    """`]`: the chord stands where its bracket opened."""
    if reading.gracing:
        return
    if reading.chord is None:
        reading.note_down(token.start, "a ] that closes nothing", "dropped")
        return
    notes, reading.chord = reading.chord, None
    if not notes:
        reading.note_down(reading.chord_start, "a chord without notes", "dropped")
        return
    # The chord is as long as its first note, and (as abc2midi and abcjs have it) so are the others.
    duration = notes[0][0].duration
    pitches = tuple(replace(p, duration=duration) for p, _ in notes)
    reading.state.add_event(pitches, reading.chord_start, duration=duration)


def open_grace(reading: Reading, token: Token) -> None:
    """`{`: the notes that follow grace the one behind them."""
    if reading.gracing:
        reading.note_down(token.start, "a grace inside a grace", "dropped")
        return
    reading.gracing, reading.grace_start = True, token.start
    reading.graced = []


def close_grace(reading: Reading, token: Token) -> None:
    """`}`: its notes wait for the one that they grace."""
    if not reading.gracing:
        reading.note_down(token.start, "a } that closes nothing", "dropped")
        return
    reading.gracing = False
    reading.state.graces.extend(p for p, _ in reading.graced)


def close_open(reading: Reading) -> None:
    """A chord or grace that is still open where a bar or a line ends: its notes are read one after the other."""
    for what, notes in (
        ("chord", reading.chord),
        ("grace", reading.graced if reading.gracing else None),
    ):
        if notes is not None:
            place = reading.chord_start if what == "chord" else reading.grace_start
            reading.note_down(
                place,
                f"a {what} that is never closed; its notes are read one by one",
                "repaired",
            )
            reading.chord, reading.gracing = None, False
            for pitch, where in notes:
                reading.state.add_event((pitch,), where, duration=pitch.duration)
