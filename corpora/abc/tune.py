"""What a tune is: voices of bars of events, with what was found wrong on the way.

Time is counted in whole numbers, `WHOLE` to a whole note. The number is divisible by every length that music uses
(powers of two down to 1/4096, tuplets of 3, 5, 6, 7, 9, 10, 11, 13 and triplets within triplets), so sums are exact,
and no text can make a fraction whose terms grow without bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

WHOLE = 2**12 * 3**2 * 5 * 7 * 11 * 13
"""Units of time in a whole note (184,504,320)."""

QUARTER = WHOLE // 4

Action = Literal["kept", "repaired", "dropped"]
LETTERS = "CDEFGAB"
SEMITONES = (0, 2, 4, 5, 7, 9, 11)
"""Semitones above C of the letters C D E F G A B."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the standard has it: where (line and column from 1), what, and what was done."""

    line: int
    column: int
    text: str
    action: Action

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.text} ({self.action})"


@dataclass(frozen=True, slots=True)
class Key:
    """A key: the tonic, the mode, and which letters it sharpens or flattens.

    `accidentals[i]` is the alteration (-2 to 2) of letter i of C D E F G A B.
    """

    tonic: str = "C"
    mode: str = "major"
    accidentals: tuple[int, ...] = (0,) * 7
    fifths: int = 0
    explicit: bool = False
    """Whether accidentals were given beside the mode, or instead of one."""

    @property
    def tonic_pitch(self) -> int | None:
        """The tonic's pitch class, 0 to 11; None where there is none."""
        if not self.tonic:
            return None
        shift = self.tonic.count("#") - self.tonic.count("b")
        return (SEMITONES[LETTERS.index(self.tonic[0])] + shift) % 12


@dataclass(frozen=True, slots=True)
class Meter:
    """A metre: `beats` over `unit`; both 0 for free metre. `symbol` is C or C| where it was written so."""

    beats: int = 4
    unit: int = 4
    symbol: str = ""
    groups: tuple[int, ...] = ()
    """The summands of a metre such as 2+3/8."""

    @property
    def length(self) -> int:
        """A bar's length in units of time; 0 in free metre."""
        return self.beats * WHOLE // self.unit if self.unit else 0

    @property
    def compound(self) -> bool:
        """Whether beats come in threes (6/8, 9/8, 12/8), which lengthens the tuplets of 5, 7 and 9."""
        return self.unit >= 4 and self.beats in (6, 9, 12, 15)

    def __str__(self) -> str:
        if self.symbol:
            return self.symbol
        beats = "+".join(map(str, self.groups)) if self.groups else str(self.beats)
        return f"{beats}/{self.unit}" if self.unit else "none"


@dataclass(frozen=True, slots=True)
class Tempo:
    """Quarters a minute, and the words beside them."""

    quarters: float
    text: str = ""
    beat: int = QUARTER
    """The note that `Q:` counts, in units of time."""


@dataclass(frozen=True, slots=True)
class Pitch:
    """A written note: `position` counts letters from C of octave 0 (middle C: 28), `alter` semitones as it sounds."""

    position: int
    alter: int = 0
    written: bool = False
    """Whether the accidental stands in the text."""
    tied: bool = False
    """Whether it is held into the next event."""
    duration: int = 0
    """Units of time; in a chord, notes may differ."""

    @property
    def letter(self) -> str:
        return LETTERS[self.position % 7]

    @property
    def octave(self) -> int:
        """The octave as scientific pitch has it: middle C begins 4."""
        return self.position // 7

    @property
    def midi(self) -> int:
        """The MIDI note number, without the voice's transposition."""
        return 12 * (self.position // 7 + 1) + SEMITONES[self.position % 7] + self.alter


@dataclass(frozen=True, slots=True)
class Tuplet:
    """`notes` in the time of `time`, over the next `count` notes. Each occurrence is its own object."""

    notes: int
    time: int
    count: int


@dataclass(slots=True)
class Event:
    """A note, a chord or (without pitches) a rest."""

    pitches: tuple[Pitch, ...]
    duration: int
    start: int
    """Where it stands in the text (characters)."""
    visible: bool = True
    graces: tuple[Pitch, ...] = ()
    symbol: str = ""
    """The chord symbol above it."""
    annotations: tuple[str, ...] = ()
    decorations: tuple[str, ...] = ()
    tuplet: Tuplet | None = None
    broken: int = 0
    """`>` signs after it (`<` count as negative)."""
    slurs: int = 0
    """Slurs that begin here."""
    slur_ends: int = 0
    beam: bool = False
    """Whether it is written against the event before it, without a space."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field inside the tune that takes effect where it stands."""

    value: Key | Meter | Tempo
    start: int = 0


Item = Event | Change


@dataclass(slots=True)
class Bar:
    """What stands between two bar lines."""

    start: int
    items: list[Item] = field(default_factory=list)
    overlays: list[list[Item]] = field(default_factory=list)
    """Further layers that sound at the same time (`&`)."""
    repeat_start: bool = False
    repeat_end: int = 0
    """How often to go back: 1 for `:|`, 2 for `::|`."""
    ending: tuple[int, ...] = ()
    """The passes on which the ending that begins here is played."""
    line: str = "|"
    """The bar line at its end: `|`, `||`, `|]`, `[|`, `.|` or nothing."""
    part: str = ""
    """The part that begins here (`P:`)."""
    marks: tuple[str, ...] = ()
    """Of segno, coda, fine, dacapo, dalsegno."""
    closed: bool = True
    """Whether a bar line ends it."""

    @property
    def double(self) -> bool:
        """Whether a line that ends a section stands at its end."""
        return self.line in ("||", "|]", "[|")

    def events(self) -> Iterator[Event]:
        """The notes, chords and rests of its first layer."""
        return (item for item in self.items if isinstance(item, Event))

    @property
    def duration(self) -> int:
        """The first layer's length in units of time."""
        return sum(event.duration for event in self.events())


@dataclass(slots=True)
class Voice:
    """One part of a tune: its bars and by how many semitones it sounds above what is written."""

    name: str = "1"
    bars: list[Bar] = field(default_factory=list)
    transpose: int = 0
    title: str = ""
    clef: str = ""


@dataclass(slots=True)
class Tune:
    """One tune: its header, its voices, and what was found wrong with it."""

    source: str = ""
    """The text that it was read from."""
    line: int = 1
    """Its first line in the file, from 1."""
    number: int | None = None
    titles: list[str] = field(default_factory=list)
    composer: str = ""
    rhythm: str = ""
    key: Key = field(default_factory=Key)
    meter: Meter = field(default_factory=lambda: Meter(0, 0))
    unit: int = WHOLE // 8
    """The unit note length (L:) at the tune's beginning, in units of time."""
    tempo: Tempo | None = None
    order: str = ""
    """The order of its parts (P:), expanded to one letter a part; empty: as they stand."""
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Every field of the header, as written: letter and value."""
    voices: list[Voice] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    findings_left_out: int = 0

    @property
    def title(self) -> str:
        return self.titles[0] if self.titles else ""

    @property
    def empty(self) -> bool:
        """Whether there is no note in it."""
        return not any(
            event.pitches for voice in self.voices for bar in voice.bars for event in bar.events()
        )
