"""The body of a tune: notes, chords, rhythm and bar lines, token by token, into bars of events.

`BodyReader` holds a method for each kind of token; `Reader` (reader.py) gives it the tokens and reads the fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from corpora.abc.lexer import Token, tokens
from corpora.abc.tune import (
    WHOLE,
    Action,
    Bar,
    Event,
    Item,
    Key,
    Meter,
    Pitch,
    Tune,
    Tuplet,
    Voice,
)

MAX_LENGTH = 16 * WHOLE
"""The longest note or rest."""
MAX_OCTAVES = 4
"""Most octave marks that count on one note."""
MAX_RESTS = 128
"""Most bars that one `Z` rests."""
MAX_REST_BARS = 2_000
"""Bars of a voice beyond which `Z` counts as one bar."""

_ACCIDENTALS = {"": None, "^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_NOTE = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']*)")
_MARKS = {
    "segno": "segno", "S": "segno", "coda": "coda", "O": "coda", "fine": "fine",
    "dacapo": "dacapo", "d.c.": "dacapo", "d.c.alfine": "dacapo", "d.c.alcoda": "dacapo", "dacoda": "tocoda",
    "tocoda": "tocoda", "d.s.": "dalsegno", "d.s.alfine": "dalsegno", "d.s.alcoda": "dalsegno", "dalsegno": "dalsegno",
}  # fmt: skip


_PLUS = {"f", "ff", "fff", "p", "pp", "ppp", "mf", "mp"}


def mark_of(name: str) -> str | None:
    """What a decoration says about the order of play: segno, coda, tocoda, fine, dacapo, dalsegno; None for others."""
    return _MARKS.get(name if len(name) == 1 else re.sub(r"\s", "", name.lower()))


@dataclass(slots=True)
class State:
    """Where the reading of one voice stands."""

    voice: Voice
    unit: int
    key: Key
    meter: Meter
    bar: Bar
    layer: list[Item]
    bar_accidentals: dict[int, int] = field(default_factory=dict)
    """By letter (0 to 6): an accidental holds in all octaves to the bar's end (ABC 2.1, abc2midi; abcjs: in one)."""
    carried: dict[int, int] = field(default_factory=dict)
    """By position (octaves too): what a tie carries over the bar line, for the next event only."""
    last: Event | None = None
    tuplet: Tuplet | None = None
    tuplet_left: int = 0
    broken: int = 0
    """Signs of a broken rhythm that wait for their second note (`<` negative)."""
    graces: list[Pitch] = field(default_factory=list)
    symbol: str = ""
    annotations: list[str] = field(default_factory=list)
    decorations: list[str] = field(default_factory=list)
    slurs: int = 0
    beam: bool = False


class BodyReader:
    """Reads what stands between the fields; `state` is the voice that is being read."""

    def __init__(self, text: str, *, line: int) -> None:
        self.tune = Tune(source=text, line=line)
        self.text = text
        self.found: list[tuple[int, str, Action]] = []
        self.states: dict[str, State] = {}
        self.chord: list[tuple[Pitch, int]] | None = (
            None  # an open chord's notes, each with its place
        )
        self.chord_start = 0
        self.gracing = False
        self.grace_start = 0
        self.graced: list[tuple[Pitch, int]] = []
        self.before = ""  # the kind of the token before
        self.solid = ""  # the same, spaces and line ends left out
        self.state = self.new_state("1")
        self.handlers = {
            "bar": self._bar,
            "note": self._note,
            "rest": self._rest,
            "length": self._length,
            "tuplet": self._tuplet,
            "broken": self._broken,
            "tie": self._tie,
            "symbol": self._symbol,
            "decoration": self._decoration,
            "grace": self._grace,
            "grace_end": self._grace_end,
            "slur": self._slur,
            "slur_end": self._slur_end,
            "chord": self._chord,
            "chord_end": self._chord_end,
            "ending": self._ending,
            "overlay": self._overlay,
            "other": self._other,
        }

    def note_down(self, start: int, what: str, action: Action) -> None:
        self.found.append((start, what, action))

    def new_state(self, name: str) -> State:
        voice, bar = Voice(name), Bar(0)
        state = State(voice, self.tune.unit, self.tune.key, self.tune.meter, bar, bar.items)
        self.states[name] = state
        return state

    # -- bars ---------------------------------------------------------------------------------------------------------

    def next_bar(self, start: int) -> None:
        state = self.state
        state.voice.bars.append(state.bar)
        state.bar = Bar(start)
        state.layer = state.bar.items

    def _bar(self, token: Token) -> None:
        self.close_open()
        state, text = self.state, token.text
        last = state.last
        state.carried = {p.position: p.alter for p in last.pitches if p.tied} if last else {}
        state.bar_accidentals.clear()
        self._place_marks()
        core = text.strip(":")
        before = len(text) - len(text.lstrip(":"))
        after = len(text) - len(text.rstrip(":"))
        if not core:  # `::` and longer
            before = after = len(text) // 2
        elif ":" in core:  # `|::|` is `::`; `|:|` is `|:` (abc2midi and abcjs read it so)
            before, after = max(before, core.count(":") // 2), 1
        bar = state.bar
        line = "|"
        if "[|]" in text:
            line = "[|]"
        elif "]" in core:
            line = "|]"
        elif "[" in core or "||" in core:
            line = "||"
        elif text == ".|":
            line = ".|"
        if any(isinstance(item, Event) for item in bar.items) or bar.overlays:
            bar.line, bar.repeat_end = line, min(before, 8)
            self.next_bar(token.start)
        elif state.voice.bars:
            # Two bar lines with nothing between are one: `|` at a line's end and `|:` at the next one's beginning.
            ended = state.voice.bars[-1]
            ended.repeat_end = max(ended.repeat_end, min(before, 8))
            ended.closed = True
            if line in ("||", "|]") or not ended.line:
                ended.line = line
            state.layer = bar.items
        elif before:
            self.note_down(token.start, "a repeat ends before any note", "dropped")
        if after:
            state.bar.repeat_start = True

    def _ending(self, token: Token) -> None:
        numbers = _ending_numbers(token.text)
        state = self.state
        if not numbers:
            self.note_down(token.start, f"the ending {token.text!r} has no number", "dropped")
            return
        if any(isinstance(item, Event) for item in state.bar.items):
            state.bar.closed = False
            state.bar.line = ""
            self.next_bar(token.start)
        state.bar.ending = numbers

    def _overlay(self, token: Token) -> None:
        self.close_open()
        state = self.state
        if len(state.bar.overlays) >= 8:
            self.note_down(token.start, "more than 8 overlays in a bar", "dropped")
            return
        state.bar.overlays.append([])
        state.layer = state.bar.overlays[-1]

    # -- notes --------------------------------------------------------------------------------------------------------

    def _pitch(self, text: str, start: int, *, grace: bool = False) -> Pitch:
        """The pitch that a note's text means here; it leaves its accidental behind in the bar."""
        match = _NOTE.match(text)
        assert match is not None  # the lexer's pattern
        sign, letter, marks = match[1] or "", match[2], match[3]
        octaves = marks.count("'") - marks.count(",")
        if abs(octaves) > MAX_OCTAVES:
            self.note_down(
                start, f"{abs(octaves)} octave marks; {MAX_OCTAVES} are read", "repaired"
            )
            octaves = MAX_OCTAVES if octaves > 0 else -MAX_OCTAVES
        position = 28 + "CDEFGAB".index(letter.upper()) + 7 * (octaves + letter.islower())
        state = self.state
        alter = _ACCIDENTALS[sign]
        if alter is not None:
            if not grace:
                state.bar_accidentals[position % 7] = alter
            return Pitch(position, alter, True, duration=state.unit)
        alter = state.bar_accidentals.get(position % 7, state.carried.get(position))
        if alter is not None:
            return Pitch(position, alter, duration=state.unit)
        return Pitch(position, state.key.accidentals[position % 7], duration=state.unit)

    def _note(self, token: Token) -> None:
        pitch = self._pitch(token.text, token.start, grace=self.gracing)
        if self.gracing:
            self.graced.append((pitch, token.start))
        elif self.chord is not None:
            self.chord.append((pitch, token.start))
        else:
            self._event((pitch,), token.start)

    def _event(
        self, pitches: tuple[Pitch, ...], start: int, *, duration: int = 0, visible: bool = True
    ) -> Event:
        """Append a note, chord or rest, with all that was waiting for it."""
        state = self.state
        event = Event(pitches, duration or state.unit, start, visible)
        event.symbol, state.symbol = state.symbol, ""
        if state.graces:
            event.graces, state.graces = tuple(state.graces), []
        if state.annotations:
            event.annotations, state.annotations = tuple(state.annotations), []
        if state.decorations:
            event.decorations, state.decorations = tuple(state.decorations), []
        event.slurs, state.slurs = state.slurs, 0
        event.beam, state.beam = state.beam, True
        if state.broken:
            n = abs(state.broken)
            # The second note of A>B is shortened to 1/2^n, that of A<B lengthened to 2 - 1/2^n.
            self._scale(event, 1 if state.broken > 0 else 2 ** (n + 1) - 1, 2**n)
            state.broken = 0
        if state.tuplet is not None:
            event.tuplet = state.tuplet
            self._scale(event, state.tuplet.time, state.tuplet.notes)
            state.tuplet_left -= 1
            if not state.tuplet_left:
                state.tuplet = None
        state.carried = {}
        state.last = event
        state.layer.append(event)
        return event

    def _scale(self, event: Event, n: int, d: int) -> None:
        """Multiply an event's length, and its notes', by n / d."""
        event.duration = min(event.duration * n // d, MAX_LENGTH)
        event.pitches = tuple(
            replace(p, duration=min(p.duration * n // d, MAX_LENGTH)) for p in event.pitches
        )

    def _rest(self, token: Token) -> None:
        if self.gracing or self.chord is not None:
            self.note_down(token.start, "a rest inside a chord or a grace", "dropped")
            return
        if token.text in "ZX":
            bar = self.state.meter.length or WHOLE
            self._event((), token.start, duration=bar, visible=token.text == "Z")
        else:
            self._event((), token.start, visible=token.text == "z")

    def _length(self, token: Token) -> None:
        state = self.state
        if self.before in ("note", "rest", "chord_end"):
            n, d = fraction(token.text)
            if not n:
                self.note_down(
                    token.start, f"the length {token.text[:20]!r} is nothing; 1 is read", "repaired"
                )
                return
            if n > 512 or d > 512:
                self.note_down(
                    token.start, f"the length {token.text[:20]!r} is out of bounds", "repaired"
                )
                n, d = min(n, 512), min(d, 512)
            if self.gracing:
                return
            if self.chord is not None:
                if self.chord:
                    pitch, start = self.chord[-1]
                    self.chord[-1] = (
                        replace(pitch, duration=min(pitch.duration * n // d, MAX_LENGTH)),
                        start,
                    )
                return
            if state.last is None:
                return
            if self.before == "rest" and self.text[state.last.start] in "ZX":
                self._bars_of_rest(n, token.start)
                return
            if state.last.duration * n > MAX_LENGTH * d:
                self.note_down(
                    token.start, "a note longer than 16 whole notes is cut to that", "repaired"
                )
            self._scale(state.last, n, d)
        elif self.solid == "bar" and not state.bar.items and re.fullmatch("[1-9]", token.text):
            self._ending(token)  # `| 1 ...`, perhaps on the next line
        else:
            self.note_down(
                token.start, f"the number {token.text[:20]!r} belongs to nothing", "dropped"
            )

    def _bars_of_rest(self, n: int, start: int) -> None:
        """`Z4` is four bars: the first stands already."""
        state = self.state
        if n > MAX_RESTS:
            self.note_down(start, f"{n} bars of rest; {MAX_RESTS} are kept", "repaired")
        last = state.last
        assert last is not None
        room = max(0, MAX_REST_BARS - len(state.voice.bars))
        for _ in range(min(n, MAX_RESTS, room) - 1):
            self.next_bar(start)
            self._event((), last.start, duration=last.duration, visible=last.visible)

    def _broken(self, token: Token) -> None:
        state = self.state
        if self.gracing or self.chord is not None:
            return
        if state.last is None or state.broken:
            self.note_down(
                token.start, f"{token.text[:8]!r} stands between no two notes", "dropped"
            )
            return
        n = min(len(token.text), 6)
        if n < len(token.text):
            self.note_down(
                token.start, f"{len(token.text)} signs of broken rhythm; 6 are read", "repaired"
            )
        longer = token.text[0] == ">"
        self._scale(state.last, 2 ** (n + 1) - 1 if longer else 1, 2**n)
        state.last.broken = n if longer else -n
        state.broken = n if longer else -n

    def _tie(self, token: Token) -> None:
        state = self.state
        if self.gracing:
            return
        if self.chord is not None:
            if self.chord:
                pitch, start = self.chord[-1]
                self.chord[-1] = (replace(pitch, tied=True), start)
            return
        if state.last is None or not state.last.pitches:
            self.note_down(token.start, "a tie after no note", "dropped")
            return
        state.last.pitches = tuple(replace(p, tied=True) for p in state.last.pitches)
        fresh = not any(isinstance(item, Event) for item in state.layer)
        if fresh:  # `A|-A`: the bar line has come between
            state.carried = {p.position: p.alter for p in state.last.pitches}

    def _tuplet(self, token: Token) -> None:
        if self.gracing or self.chord is not None:
            return
        state = self.state
        if state.tuplet is not None:
            self.close_tuplet(state, token.start)
        numbers = [int(n) if n else 0 for n in token.text[1:].split(":")]
        p = numbers[0]
        if not 2 <= p <= 99:
            self.note_down(token.start, f"the tuplet {token.text!r} means nothing", "dropped")
            return
        three = 3 if state.meter.compound else 2
        q = (numbers[1] if len(numbers) > 1 else 0) or {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, three)
        r = (numbers[2] if len(numbers) > 2 else 0) or p
        state.tuplet, state.tuplet_left = Tuplet(p, min(q, 99), min(r, 99)), min(r, 99)

    def close_tuplet(self, state: State, start: int) -> None:
        if state.tuplet is not None:
            self.note_down(
                start,
                f"a tuplet of {state.tuplet.notes} lacks {state.tuplet_left} of its notes",
                "kept",
            )
            state.tuplet = None

    # -- chords and graces --------------------------------------------------------------------------------------------

    def _chord(self, token: Token) -> None:
        if self.gracing:
            return
        if self.chord is not None:
            self.note_down(token.start, "a chord inside a chord", "dropped")
            return
        self.chord, self.chord_start = [], token.start

    def _chord_end(self, token: Token) -> None:
        if self.gracing:
            return
        if self.chord is None:
            self.note_down(token.start, "a ] that closes nothing", "dropped")
            return
        notes, self.chord = self.chord, None
        if not notes:
            self.note_down(self.chord_start, "a chord without notes", "dropped")
            return
        # The chord is as long as its first note, and (as abc2midi and abcjs have it) so are the others.
        duration = notes[0][0].duration
        pitches = tuple(replace(p, duration=duration) for p, _ in notes)
        self._event(pitches, self.chord_start, duration=duration)

    def _grace(self, token: Token) -> None:
        if self.gracing:
            self.note_down(token.start, "a grace inside a grace", "dropped")
            return
        self.gracing, self.grace_start = True, token.start
        self.graced = []

    def _grace_end(self, token: Token) -> None:
        if not self.gracing:
            self.note_down(token.start, "a } that closes nothing", "dropped")
            return
        self.gracing = False
        self.state.graces.extend(p for p, _ in self.graced)

    def close_open(self) -> None:
        """A chord or grace that is still open where a bar or a line ends: its notes are read one after the other."""
        for what, notes in (
            ("chord", self.chord),
            ("grace", self.graced if self.gracing else None),
        ):
            if notes is not None:
                place = self.chord_start if what == "chord" else self.grace_start
                self.note_down(
                    place,
                    f"a {what} that is never closed; its notes are read one by one",
                    "repaired",
                )
                self.chord, self.gracing = None, False
                for pitch, where in notes:
                    self._event((pitch,), where, duration=pitch.duration)

    # -- what stands beside the notes ---------------------------------------------------------------------------------

    def _symbol(self, token: Token) -> None:
        text = token.text[1:-1].strip()
        if text[:1] and text[0] in "^_<>@":
            self.state.annotations.append(text)
        elif text:
            if self.state.symbol:
                self.state.annotations.append("^" + text)
            else:
                self.state.symbol = text

    def _decoration(self, token: Token) -> None:
        text = token.text
        name = text.strip("!+") if len(text) > 2 else text
        if (
            text[0] == "+"
            and name.lower() not in _PLUS
            and re.fullmatch(r"(?:[\^_=]*[A-Ga-g][,']*[0-9/]*)+", name)
        ):
            # ABC 1.6 wrote chords as +CEG+.
            if self.chord is None and not self.gracing:
                self._old_chord(name, token)
            return
        self.state.decorations.append(name[:40])
        mark = mark_of(name)
        if mark in ("segno", "coda") and not any(
            isinstance(i, Event) for i in self.state.bar.items
        ):
            self.state.bar.marks += (mark,)

    def _old_chord(self, notes: str, token: Token) -> None:
        self._chord(token)
        for inner in tokens(notes):
            if inner.kind in ("note", "length"):
                self.handlers[inner.kind](Token(inner.kind, inner.text, token.start))
                self.before = inner.kind
        self._chord_end(token)

    def _place_marks(self) -> None:
        """Marks that wait at a bar's end (`!D.C.!|`) belong to that bar, or, after its line, to the one before."""
        state = self.state
        waiting = [*state.decorations, *(d for e in state.bar.events() for d in e.decorations)]
        if not waiting:
            return
        has_events = any(isinstance(item, Event) for item in state.bar.items)
        bar = state.bar if has_events or not state.voice.bars else state.voice.bars[-1]
        for name in waiting:
            mark = mark_of(name)
            if mark == "coda" and has_events and "coda" not in state.bar.marks:
                mark = "tocoda"
            if mark in ("fine", "dacapo", "dalsegno", "tocoda") and mark not in bar.marks:
                bar.marks += (mark,)
        state.decorations.clear()

    def _slur(self, _token: Token) -> None:
        self.state.slurs += 1

    def _slur_end(self, _token: Token) -> None:
        if self.state.last is not None:
            self.state.last.slur_ends += 1

    def _other(self, token: Token) -> None:
        if token.text.strip("*$;?@#!") or len(token.text) > 4:
            self.note_down(token.start, f"{token.text[:20]!r} means nothing here", "dropped")


def fraction(text: str) -> tuple[int, int]:
    """A length's numerator and denominator: `3/2`, `/` (1/2), `//` (1/4), `/4`, `2`; of long numbers four digits."""
    head, slash, tail = text.partition("/")
    n = int(head[:4]) if head else 1
    if not slash:
        return n, 1
    digits = re.findall(r"[0-9]+", tail)
    if not digits:
        return n, 2 ** min(len(text) - len(head), 10)
    d = 1
    for part in digits[:4]:
        d *= int(part[:4])
    return n, max(d, 1)


def _ending_numbers(text: str) -> tuple[int, ...]:
    """The passes that `[1`, `|1,3`, `[1-3` or `["1."` names, each 1 to 32."""
    numbers: set[int] = set()
    for first, last in re.findall(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", text):
        numbers.update(range(int(first), min(int(last or first), 32) + 1))
    return tuple(sorted(n for n in numbers if 1 <= n <= 32))
