"""Where the reading of a tune stands: what is made of it so far, and what is open or waits for its note.

Those who read the body's tokens (bars.py, notes.py, brackets.py, markings.py) share a `Reading`; `VoiceState` is what
each voice has of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from corpora.abc.tune import WHOLE, Action, Bar, Event, Item, Key, Meter, Pitch, Tune, Tuplet, Voice

MAX_LENGTH = 16 * WHOLE
"""The longest note or rest."""


def scale(event: Event, n: int, d: int) -> None:
    """Multiply an event's length, and its notes', by n / d."""
    event.duration = min(event.duration * n // d, MAX_LENGTH)
    event.pitches = tuple(
        replace(p, duration=min(p.duration * n // d, MAX_LENGTH)) for p in event.pitches
    )


@dataclass(slots=True)
class VoiceState:
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

    @property
    def bar_begun(self) -> bool:
        """Whether a note, chord or rest stands in the bar's first layer."""
        return any(isinstance(item, Event) for item in self.bar.items)

    def next_bar(self, start: int) -> None:
        """Keep the bar, and begin another at this place of the text."""
        self.voice.bars.append(self.bar)
        self.bar = Bar(start)
        self.layer = self.bar.items

    def break_bar(self, start: int) -> None:
        """Begin another bar where none is ended: one that has begun is kept without a line."""
        if self.bar_begun:
            self.bar.closed = False
            self.bar.line = ""
            self.next_bar(start)

    def carry_ties(self) -> None:
        """What the last event's ties carry over a bar line."""
        last = self.last
        self.carried = {p.position: p.alter for p in last.pitches if p.tied} if last else {}

    def add_event(
        self, pitches: tuple[Pitch, ...], start: int, *, duration: int = 0, visible: bool = True
    ) -> None:
        """Append a note, chord or rest, with all that was waiting for it; without `duration` it lasts a unit."""
        event = Event(pitches, duration or self.unit, start, visible)
        event.symbol, self.symbol = self.symbol, ""
        if self.graces:
            event.graces, self.graces = tuple(self.graces), []
        if self.annotations:
            event.annotations, self.annotations = tuple(self.annotations), []
        if self.decorations:
            event.decorations, self.decorations = tuple(self.decorations), []
        event.slurs, self.slurs = self.slurs, 0
        event.beam, self.beam = self.beam, True
        if self.broken:
            n = abs(self.broken)
            # The second note of A>B is shortened to 1/2^n, that of A<B lengthened to 2 - 1/2^n.
            scale(event, 1 if self.broken > 0 else 2 ** (n + 1) - 1, 2**n)
            self.broken = 0
        if self.tuplet is not None:
            event.tuplet = self.tuplet
            scale(event, self.tuplet.time, self.tuplet.notes)
            self.tuplet_left -= 1
            if not self.tuplet_left:
                self.tuplet = None
        self.carried = {}
        self.last = event
        self.layer.append(event)


class Reading:
    """One tune's reading; `state` is that of the voice that is being read."""

    def __init__(self, text: str, *, line: int) -> None:
        self.tune = Tune(source=text, line=line)
        self.text = text
        self.found: list[tuple[int, str, Action]] = []
        self.states: dict[str, VoiceState] = {}
        self.chord: list[tuple[Pitch, int]] | None = None
        """An open chord's notes, each with its place."""
        self.chord_start = 0
        self.gracing = False
        self.grace_start = 0
        self.graced: list[tuple[Pitch, int]] = []
        self.before = ""  # the kind of the token before
        self.solid = ""  # the same, spaces and line ends left out
        self.state = self.new_state("1")

    def note_down(self, start: int, what: str, action: Action) -> None:
        """Keep a finding: where in the text, what is wrong, and what was done about it."""
        self.found.append((start, what, action))

    def new_state(self, name: str) -> VoiceState:
        """The state of a voice that begins here."""
        voice, bar = Voice(name), Bar(0)
        state = VoiceState(voice, self.tune.unit, self.tune.key, self.tune.meter, bar, bar.items)
        self.states[name] = state
        return state
