"""A tune as ABC again: repaired and tidy, and when it is read again it has the same notes.

X, T, M, L, Q and K stand in the header, lengths count the unit note, an accidental stands where it is needed or was
written, four bars go on a line, and every tune ends in a bar line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from corpora.abc.signs import mark_of
from corpora.abc.tune import (
    LETTERS,
    QUARTER,
    WHOLE,
    Bar,
    Change,
    Event,
    Item,
    Key,
    Meter,
    Pitch,
    Tempo,
    Tune,
    Tuplet,
    Voice,
)

BARS_A_LINE = 4
SIGNS = {2: "^^", 1: "^", 0: "=", -1: "_", -2: "__"}
_SHORT = set(".~HLMOPSTuv")
_MARKS = {"dacapo": "!D.C.!", "dalsegno": "!D.S.!", "fine": "!fine!", "tocoda": "!dacoda!"}
_OPENING = {"segno": "!segno!", "coda": "!coda!"}
_MODES = {"major": "", "minor": "m", "mixolydian": "mix", "none": "none"}


def write_abc(
    tune: Tune, *, number: int | None = None, titles: bool = True, notes: bool = True
) -> str:
    """The tune's ABC, ending in a line end. `number` replaces its X:.

    Without `titles` there is no T:, without `notes` nothing of where the tune comes from (A, B, D, N, O, S, Z ...).
    """
    unit = max(tune.unit, WHOLE // 32)
    kept = [(a, v) for a, v in tune.fields if a in "ABDFGHNOSZ" and v] if notes else []
    lines = [
        f"X:{number if number is not None else tune.number or 1}",
        *(f"T:{_line(title)}" for title in (tune.titles or ["Untitled"] if titles else [])),
        *([f"C:{_line(tune.composer)}"] if tune.composer else []),
        *([f"R:{_line(tune.rhythm)}"] if tune.rhythm else []),
        *(f"{letter}:{_line(value)}" for letter, value in kept),
        f"M:{tune.meter}",
        f"L:{Fraction(unit, WHOLE)}" + ("/1" if unit == WHOLE else ""),
        *([f"Q:{tempo_text(tune.tempo)}"] if tune.tempo else []),
        *([f"P:{tune.order}"] if tune.order else []),
    ]
    several = len(tune.voices) > 1
    clef = "" if several or not tune.voices else _clef(tune.voices[0])
    for voice in tune.voices if several else []:
        name = f' name="{_line(voice.title).replace(chr(34), "")}"' if voice.title else ""
        lines.append(f"V:{voice.name}{name}{_clef(voice)}")
    lines.append(f"K:{key_text(tune.key)}{clef}")
    for voice in tune.voices:
        if several:
            lines.append(f"V:{voice.name}")
        lines += _Voice(voice, tune, unit).lines()
    return "\n".join(lines) + "\n"


def key_text(key: Key) -> str:
    """A key as K: has it: `Ador`, `F#m`, `D exp ^g`."""
    mode = _MODES.get(key.mode, key.mode[:3])
    if not key.explicit:
        return f"{key.tonic}{mode}" if key.tonic else "none"
    signs = [
        SIGNS[a] + letter.lower() for a, letter in zip(key.accidentals, LETTERS, strict=True) if a
    ]
    tonic = f"{key.tonic}{mode} exp " if key.tonic else ""
    return tonic + " ".join(signs) or "none"


def tempo_text(tempo: Tempo) -> str:
    """A tempo as Q: has it: `1/4=120`, with its words."""
    count = tempo.quarters * QUARTER / tempo.beat
    words = f'"{_line(tempo.text).replace(chr(34), "")}" ' if tempo.text else ""
    return f"{words}{Fraction(tempo.beat, WHOLE).limit_denominator(999)}={count:.6g}"


def length_text(length: int, unit: int) -> str:
    """A length as it stands after a note: nothing, `2`, `/`, `3/2`."""
    # Neither number may pass the reader's bound: a length a rounding short of 512 units is 512, not 262143/512.
    share = Fraction(length, unit).limit_denominator(max(1, min(512, 512 * unit // max(1, length))))
    n, d = share.numerator, share.denominator
    if d == 1:
        return "" if n == 1 else str(n)
    return ("" if n == 1 else str(n)) + ("/" if d == 2 else f"/{d}")


def _clef(voice: Voice) -> str:
    clef = re.sub(r"[+-]?8.*", "", voice.clef)
    shift = f" transpose={voice.transpose}" if voice.transpose else ""
    return (f" clef={clef}" if clef else "") + shift


def _line(text: str) -> str:
    """Text on one line, without a comment's sign."""
    return " ".join(text.replace("%", "").split())


class _Voice:
    """Writes one voice; it keeps the accidentals of the bar just as the reader does."""

    def __init__(self, voice: Voice, tune: Tune, unit: int) -> None:
        self.voice = voice
        self.unit = unit
        self.key = tune.key
        self.bar_accidentals: dict[int, int] = {}
        self.carried: dict[int, int] = {}
        self.last: Event | None = None
        self.counts: dict[int, int] = {}  # events of each tuplet, by identity

    def lines(self) -> list[str]:
        lines: list[str] = []
        row = ""
        bars = self.voice.bars
        for i, bar in enumerate(bars):
            if bar.part:
                if row:
                    lines.append(row.rstrip())
                lines.append(f"P:{_line(bar.part)}")
                row = ""
            row += self._bar(bar, last=i + 1 == len(bars))
            if (i + 1) % BARS_A_LINE == 0 or len(row) > 200:
                lines.append(row.rstrip())
                row = ""
        if row.strip():
            lines.append(row.rstrip())
        return lines

    def _bar(self, bar: Bar, *, last: bool) -> str:
        text = ""
        if bar.repeat_start:
            text += "|: "
        if bar.ending:
            text += "[" + ",".join(map(str, bar.ending)) + " "
        text += "".join(_OPENING[mark] for mark in bar.marks if mark in _OPENING)
        layers = [self._layer(layer) for layer in [bar.items, *bar.overlays]]
        text += " & ".join(layers)
        text += "".join(_MARKS[mark] for mark in bar.marks if mark in _MARKS)
        if bar.closed or last:
            line = bar.line or "|]"
            if bar.repeat_end:
                line = ":" * bar.repeat_end + (
                    "|" if line == "|" else "|]" if line == "|]" else "||"
                )
            text += f" {line} "
            held = self.last
            self.carried = {p.position: p.alter for p in held.pitches if p.tied} if held else {}
            self.bar_accidentals.clear()
        else:
            text += " "
        return text

    def _layer(self, items: Sequence[Item]) -> str:
        text = ""
        opened: Tuplet | None = None
        pending: Event | None = None  # the first note of a broken rhythm
        joined = False
        for i, item in enumerate(items):
            if isinstance(item, Change):
                text += self._change(item.value)
                continue
            following = items[i + 1] if i + 1 < len(items) else None
            if text and not (item.beam and joined):
                text += " "
            joined = True
            if item.tuplet is not None and item.tuplet is not opened:
                count = self._run(items[i:], item.tuplet)
                text += f"({item.tuplet.notes}:{item.tuplet.time}:{count}"
            opened = item.tuplet
            broken = _breaks(item, following)
            text += self._event(item, first=broken, second=pending)
            if broken and isinstance(following, Event):
                text += (">" if item.broken > 0 else "<") * abs(item.broken)
            pending = item if broken else None
        return text

    @staticmethod
    def _run(items: Sequence[Item], tuplet: Tuplet) -> int:
        """How many events from here on belong to the tuplet without a break."""
        count = 0
        for item in items:
            if isinstance(item, Event):
                if item.tuplet is not tuplet:
                    break
                count += 1
        return count

    def _change(self, value: Key | Meter | Tempo) -> str:
        if isinstance(value, Key):
            self.key = value
            self.bar_accidentals.clear()
            return f"[K:{key_text(value)}]"
        return f"[M:{value}]" if isinstance(value, Meter) else f"[Q:{tempo_text(value)}]"

    def _event(self, event: Event, *, first: bool, second: Event | None) -> str:
        text = "".join(f'"{s}"' for s in (event.symbol, *event.annotations) if s)
        for name in dict.fromkeys(event.decorations):
            if name in _SHORT and name not in "SO":
                text += name
            elif re.fullmatch(r"[A-Za-z0-9.()<>+^/]{2,40}", name) and mark_of(name) is None:
                text += f"!{name}!"
        if event.graces:
            text += "{" + "".join(self._pitch(p, keep=False) for p in event.graces) + "}"
        text += "(" * min(event.slurs, 4)
        length = length_text(self._written(event, first=first, second=second), self.unit)
        if not event.pitches:
            text += ("z" if event.visible else "x") + length
        else:
            notes = [self._pitch(p) for p in event.pitches]
            tied = [p.tied for p in event.pitches]
            if len(notes) == 1:
                text += notes[0] + length + "-" * tied[0]
            elif all(tied):
                text += "[" + "".join(notes) + "]" + length + "-"
            else:
                text += "[" + "".join(n + "-" * t for n, t in zip(notes, tied, strict=True)) + "]"
                text += length
        self.carried = {}
        self.last = event
        # The reader closes a slur after the event; a broken rhythm's sign comes behind it.
        return text + ")" * min(event.slur_ends, 4)

    @staticmethod
    def _written(event: Event, *, first: bool, second: Event | None) -> int:
        """The length without what tuplet and broken rhythm do to it."""
        length = event.duration
        for partner, opens in ((event if first else None, True), (second, False)):
            if partner is not None:
                length = _unbroken(length, partner.broken, first=opens)
        if event.tuplet is not None:
            length = -(-length * event.tuplet.notes // event.tuplet.time)
        return length

    def _pitch(self, pitch: Pitch, *, keep: bool = True) -> str:
        """A note's text, with an accidental where reading would otherwise give another pitch."""
        letter = pitch.position % 7
        known = self.bar_accidentals.get(letter, self.carried.get(pitch.position))
        expected = self.key.accidentals[letter] if known is None else known
        sign = ""
        if pitch.written or expected != pitch.alter:
            sign = SIGNS.get(pitch.alter, "")
            if keep:
                self.bar_accidentals[letter] = pitch.alter
        name = LETTERS[letter]
        octave = pitch.position // 7
        if octave >= 5:
            return sign + name.lower() + "'" * (octave - 5)
        return sign + name + "," * (4 - octave)


def _unbroken(length: int, broken: int, *, first: bool) -> int:
    halved = 1 << abs(broken)
    longer = (broken > 0) == first
    return length * halved // (2 * halved - 1) if longer else length * halved


def _breaks(event: Event, following: Item | None) -> bool:
    """Whether a broken rhythm can be written as one: its second note follows, and the lengths come out even."""
    if not event.broken or not isinstance(following, Event):
        return False
    long = event if event.broken > 0 else following
    return long.duration % (2 * (1 << abs(event.broken)) - 1) == 0
