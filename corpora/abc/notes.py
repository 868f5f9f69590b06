"""Notes and rests, and what makes them longer, shorter or held: lengths, broken rhythm, tuplets, ties."""

from __future__ import annotations

import re
from dataclasses import replace

from corpora.abc.bars import read_ending
from corpora.abc.lexer import NOTE, Token
from corpora.abc.signs import TUPLET_TIMES, fraction
from corpora.abc.state import MAX_LENGTH, Reading, VoiceState, scale
from corpora.abc.tune import WHOLE, Event, Pitch, Tuplet

MAX_OCTAVES = 4
"""Most octave marks that count on one note."""
MAX_RESTS = 128
"""Most bars that one `Z` rests."""
MAX_REST_BARS = 2_000
"""Bars of a voice beyond which `Z` counts as one bar."""

_ACCIDENTALS = {"": None, "^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}


def read_note(reading: Reading, token: Token) -> None:
    """A note of its own, or one more of the chord or grace that is open."""
    pitch = _pitch(reading, token)
    if reading.gracing:
        reading.graced.append((pitch, token.start))
    elif reading.chord is not None:
        reading.chord.append((pitch, token.start))
    else:
        reading.state.add_event((pitch,), token.start)


def _pitch(reading: Reading, token: Token) -> Pitch:
    """The pitch that a note's text means here; it leaves its accidental behind in the bar, a grace's does not."""
    match = NOTE.match(token.text)
    assert match is not None  # the lexer's pattern
    sign, letter, marks = match[1] or "", match[2], match[3]
    octaves = marks.count("'") - marks.count(",")
    if abs(octaves) > MAX_OCTAVES:
        reading.note_down(
            token.start, f"{abs(octaves)} octave marks; {MAX_OCTAVES} are read", "repaired"
        )
        octaves = MAX_OCTAVES if octaves > 0 else -MAX_OCTAVES
    position = 28 + "CDEFGAB".index(letter.upper()) + 7 * (octaves + letter.islower())
    state = reading.state
    alter = _ACCIDENTALS[sign]
    if alter is not None:
        if not reading.gracing:
            state.bar_accidentals[position % 7] = alter
        return Pitch(position, alter, True, duration=state.unit)
    alter = state.bar_accidentals.get(position % 7, state.carried.get(position))
    if alter is not None:
        return Pitch(position, alter, duration=state.unit)
    return Pitch(position, state.key.accidentals[position % 7], duration=state.unit)


def read_rest(reading: Reading, token: Token) -> None:
    """`z`, or `Z` for a whole bar; `x` and `X` are the same unseen."""
    if reading.gracing or reading.chord is not None:
        reading.note_down(token.start, "a rest inside a chord or a grace", "dropped")
        return
    state = reading.state
    if token.text in "ZX":
        bar = state.meter.length or WHOLE
        state.add_event((), token.start, duration=bar, visible=token.text == "Z")
    else:
        state.add_event((), token.start, visible=token.text == "z")


def read_length(reading: Reading, token: Token) -> None:
    """The length of the note, chord or rest before it; a number behind a bar line is an ending's."""
    state = reading.state
    if reading.before in ("note", "rest", "chord_end"):
        n, d = fraction(token.text)
        if not n:
            reading.note_down(
                token.start, f"the length {token.text[:20]!r} is nothing; 1 is read", "repaired"
            )
            return
        if n > 512 or d > 512:
            reading.note_down(
                token.start, f"the length {token.text[:20]!r} is out of bounds", "repaired"
            )
            n, d = min(n, 512), min(d, 512)
        if reading.gracing:
            return
        if reading.chord is not None:
            if reading.chord:
                pitch, start = reading.chord[-1]
                reading.chord[-1] = (
                    replace(pitch, duration=min(pitch.duration * n // d, MAX_LENGTH)),
                    start,
                )
            return
        if state.last is None:
            return
        if reading.before == "rest" and reading.text[state.last.start] in "ZX":
            _rest_bars(reading, state.last, n, token.start)
            return
        if state.last.duration * n > MAX_LENGTH * d:
            reading.note_down(
                token.start, "a note longer than 16 whole notes is cut to that", "repaired"
            )
        scale(state.last, n, d)
    elif reading.solid == "bar" and not state.bar.items and re.fullmatch("[1-9]", token.text):
        read_ending(reading, token)  # `| 1 ...`, perhaps on the next line
    else:
        reading.note_down(
            token.start, f"the number {token.text[:20]!r} belongs to nothing", "dropped"
        )


def _rest_bars(reading: Reading, rest: Event, n: int, start: int) -> None:
    """`Z4` is four bars: the first stands already."""
    if n > MAX_RESTS:
        reading.note_down(start, f"{n} bars of rest; {MAX_RESTS} are kept", "repaired")
    state = reading.state
    room = max(0, MAX_REST_BARS - len(state.voice.bars))
    for _ in range(min(n, MAX_RESTS, room) - 1):
        state.next_bar(start)
        state.add_event((), rest.start, duration=rest.duration, visible=rest.visible)


def read_broken(reading: Reading, token: Token) -> None:
    """`>`, `<`: the note before it is made longer or shorter, and the next one will be the opposite."""
    state = reading.state
    if reading.gracing or reading.chord is not None:
        return
    if state.last is None or state.broken:
        reading.note_down(token.start, f"{token.text[:8]!r} stands between no two notes", "dropped")
        return
    n = min(len(token.text), 6)
    if n < len(token.text):
        reading.note_down(
            token.start, f"{len(token.text)} signs of broken rhythm; 6 are read", "repaired"
        )
    longer = token.text[0] == ">"
    scale(state.last, 2 ** (n + 1) - 1 if longer else 1, 2**n)
    state.last.broken = n if longer else -n
    state.broken = n if longer else -n


def read_tie(reading: Reading, token: Token) -> None:
    """`-`: the note or chord before it is held; of an open chord, its last note."""
    state = reading.state
    if reading.gracing:
        return
    if reading.chord is not None:
        if reading.chord:
            pitch, start = reading.chord[-1]
            reading.chord[-1] = (replace(pitch, tied=True), start)
        return
    if state.last is None or not state.last.pitches:
        reading.note_down(token.start, "a tie after no note", "dropped")
        return
    state.last.pitches = tuple(replace(p, tied=True) for p in state.last.pitches)
    fresh = not any(isinstance(item, Event) for item in state.layer)
    if fresh:  # `A|-A`: the bar line has come between
        state.carry_ties()


def read_tuplet(reading: Reading, token: Token) -> None:
    """`(p:q:r`: the next r notes go p in the time of q."""
    if reading.gracing or reading.chord is not None:
        return
    state = reading.state
    end_tuplet(reading, state, token.start)
    numbers = [int(n) if n else 0 for n in token.text[1:].split(":")]
    p = numbers[0]
    if not 2 <= p <= 99:
        reading.note_down(token.start, f"the tuplet {token.text!r} means nothing", "dropped")
        return
    q = numbers[1] if len(numbers) > 1 else 0
    q = q or TUPLET_TIMES.get(p, 3 if state.meter.compound else 2)
    r = (numbers[2] if len(numbers) > 2 else 0) or p
    state.tuplet, state.tuplet_left = Tuplet(p, min(q, 99), min(r, 99)), min(r, 99)


def end_tuplet(reading: Reading, state: VoiceState, start: int) -> None:
    """A tuplet that still lacks notes of this voice ends here, and that is said."""
    if state.tuplet is not None:
        reading.note_down(
            start,
            f"a tuplet of {state.tuplet.notes} lacks {state.tuplet_left} of its notes",
            "kept",
        )
        state.tuplet = None
