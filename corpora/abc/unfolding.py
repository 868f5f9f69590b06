"""A tune as it is played: repeats, endings, parts and da capo unfolded into notes with onsets.

A repeat without a beginning goes back to the tune's beginning the first time (as abc2midi and abcjs do), later to the
last repeat's end or double bar (ABC 2.1, 4.8). Nothing that is unfolded grows beyond `MAX_BARS` bars and `MAX_SECONDS`.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from corpora.abc import fields
from corpora.abc.tune import QUARTER, Bar, Event, Finding, Key, Meter, Tempo, Tune, Voice

MAX_BARS = 5_000
"""Bars that one voice plays; an evening's longest dance has a few hundred."""
MAX_SECONDS = 900.0
"""A tune is cut after 15 minutes at its own tempo."""

Repeats = Literal["written", "once"]


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it sounds: onset and duration in units of time (WHOLE to a whole note), MIDI pitch."""

    onset: int
    duration: int
    pitch: int
    start: int
    """Where it stands in the text."""


@dataclass(slots=True)
class Part:
    """What one voice plays."""

    name: str
    notes: list[Note] = field(default_factory=list)
    symbols: list[tuple[int, str]] = field(default_factory=list)
    """Chord symbols and when they begin."""
    bars: list[tuple[int, int]] = field(default_factory=list)
    """(onset, index among the voice's bars) of each bar as it is played."""
    end: int = 0


@dataclass(slots=True)
class Playing:
    """A tune unfolded."""

    tune: Tune
    parts: list[Part] = field(default_factory=list)
    changes: list[tuple[int, Key | Meter | Tempo]] = field(default_factory=list)
    """Keys, metres and tempi, each with when it begins; the first three stand at 0."""
    cut: bool = False
    """Whether it was cut for its length."""

    @property
    def end(self) -> int:
        """When the last note or rest ends."""
        return max((part.end for part in self.parts), default=0)

    @property
    def seconds(self) -> float:
        """How long it lasts at its own tempo."""
        return Clock(self.changes).seconds(self.end)


class Clock:
    """Turns units of time into seconds by a playing's tempi."""

    def __init__(self, changes: Iterable[tuple[int, Key | Meter | Tempo]]) -> None:
        self._since, self._seconds, self._pace = [0], [0.0], [60 / 120 / QUARTER]
        for time, change in changes:
            if isinstance(change, Tempo):
                self._seconds.append(self.seconds(time))
                self._since.append(time)
                self._pace.append(60 / change.quarters / QUARTER)

    def seconds(self, time: int) -> float:
        """The moment `time` in seconds."""
        i = bisect(self._since, time) - 1
        return self._seconds[i] + (time - self._since[i]) * self._pace[i]


def perform(
    tune: Tune, *, repeats: Repeats = "written", graces: bool = False, swing: bool = False
) -> Playing:
    """The tune's notes as written: straight rhythm, graces and ornaments silent unless `swing` or `graces` asks.

    `repeats="once"` plays each bar once (of endings the last). Ties are joined; a tie whose next event lacks the note
    ends with the note that carries it. That a tune was cut for its length is added to its findings.
    """
    playing = Playing(tune)
    tempo = tune.tempo or fields.default_tempo(tune.rhythm, tune.meter)
    playing.changes = [(0, tempo), (0, tune.meter), (0, tune.key)]
    # The cap in units of time, at the tune's first tempo.
    limit = int(MAX_SECONDS * tempo.quarters / 60) * QUARTER
    for voice in tune.voices:
        part = _play(
            voice,
            tune,
            playing,
            limit,
            once=repeats == "once",
            graces=graces,
            first=not playing.parts,
        )
        playing.parts.append(part)
    playing.changes.sort(key=lambda change: change[0])
    if playing.seconds > MAX_SECONDS:
        _cut(playing)
    cut = Finding(tune.line, 1, "longer than 15 minutes; the rest is not played", "dropped")
    if playing.cut and cut not in tune.findings:  # it may be played often
        tune.findings.append(cut)
    if swing:
        from corpora.abc.swing import swung

        playing = swung(playing)
    return playing


def bar_order(voice: Voice, tune: Tune, *, once: bool = False) -> list[int]:
    """The indices of a voice's bars in the order in which they are played; at most MAX_BARS."""
    bars = voice.bars
    named = {bar.part: i for i, bar in reversed(list(enumerate(bars))) if bar.part}
    if tune.order and not once and any(letter in named for letter in tune.order):
        heads = sorted(named.values())
        order = _unfold(bars, 0, heads[0], once=once) if heads[0] else []
        spans = {
            letter: _unfold(
                bars, i, next((h for h in _part_heads(bars) if h > i), len(bars)), once=once
            )
            for letter, i in named.items()
        }
        for letter in tune.order:
            order += spans.get(letter, [])
            if len(order) > MAX_BARS:
                break
        return order[:MAX_BARS]
    order = _unfold(bars, 0, len(bars), once=once)
    return order if once else _jumps(bars, order)[:MAX_BARS]


def _part_heads(bars: Sequence[Bar]) -> list[int]:
    return [i for i, bar in enumerate(bars) if bar.part]


@dataclass(slots=True)
class Section:
    """Bars [start, end) between which repeats go; the endings by their first bars."""

    start: int
    end: int
    endings: list[int]
    plays: int = 1


def sections(bars: Sequence[Bar], first: int, last: int) -> list[Section]:
    """Bars [first, last) cut at repeats, and at double bars once a repeat has ended (or after an ending)."""
    found: list[Section] = []
    start, endings, opened, repeated = first, [], False, False  # type: int, list[int], bool, bool

    def close(end: int, plays: int = 1) -> None:
        nonlocal start, endings, opened
        numbers = [n for e in endings if e >= 0 for n in bars[e].ending]
        if end > start:
            found.append(Section(start, end, endings, max(plays, *numbers, 1)))
        start, endings, opened = end, [], False

    for i in range(first, last):
        bar = bars[i]
        following = bars[i + 1] if i + 1 < last else None
        if bar.repeat_start:
            if i > start:
                close(i)
            opened = True
        if bar.ending:
            if (
                endings
                and 1 in bar.ending
                and 1 in bars[endings[-1]].ending
                and i > endings[-1] + 1
            ):
                close(i)
            else:
                endings.append(i)
        goes_on = following is not None and bool(following.ending) and not following.repeat_start
        if bar.repeat_end:
            repeated = True
            if endings:
                if not goes_on or 1 in following.ending:  # type: ignore[union-attr]
                    # A lone first ending is left out the second time; after the last, the repeat is spent.
                    close(i + 1, 2)
            elif not goes_on:
                close(i + 1, 1 + bar.repeat_end)
            else:
                endings.append(-i - 1)  # `:|2` without a first ending: see _unfold
        elif bar.double and endings and not goes_on:
            close(i + 1, 2 if endings[0] < 0 else 1)
        elif bar.double and repeated and not opened and not goes_on:
            close(i + 1)
    if start < last:
        close(last)
    return found


def repeat_signs(bars: Sequence[Bar]) -> tuple[set[int], dict[int, int]]:
    """Where repeats begin and end (how often to go back), by bar, with the signs that reading took for granted.

    Programs differ in where an unopened repeat goes back to, and in endings without `:|`; with all signs they agree.
    """
    starts = {i for i, bar in enumerate(bars) if bar.repeat_start}
    ends = {i: bar.repeat_end for i, bar in enumerate(bars) if bar.repeat_end}
    for section in sections(bars, 0, len(bars)):
        if section.plays < 2:
            starts.discard(section.start)
            continue
        starts.add(section.start)
        heads = [e for e in section.endings if e >= 0]
        for head in heads[1:]:
            ends.setdefault(head - 1, 1)
        if len(heads) > 1 and 1 not in bars[heads[-1]].ending:
            ends.pop(section.end - 1, None)  # after the last ending the repeat is spent
    return starts, ends


def _unfold(bars: Sequence[Bar], first: int, last: int, *, once: bool) -> list[int]:
    order: list[int] = []
    for section in sections(bars, first, last):
        heads = [e for e in section.endings if e >= 0]
        if not heads:
            for _ in range(1 if once else section.plays):
                order.extend(range(section.start, section.end))
        else:
            if section.endings[0] < 0:
                # The bars up to the repeat's end are played whole, then again up to and with what follows it.
                order.extend(range(section.start, heads[0]))
            tails = {
                e: (heads[k + 1] if k + 1 < len(heads) else section.end)
                for k, e in enumerate(heads)
            }
            passes = range(1, section.plays + 1)
            if section.endings[0] < 0:
                passes = range(2, section.plays + 1)
            for n in passes if not once else [section.plays]:
                order.extend(range(section.start, heads[0]))
                for e in heads:
                    if n in bars[e].ending:
                        order.extend(range(e, tails[e]))
                        break
        if len(order) > MAX_BARS:
            break
    return order[:MAX_BARS]


def _jumps(bars: Sequence[Bar], order: list[int]) -> list[int]:
    """Da capo and dal segno, taken once where the bar that bears them is played for the last time."""
    jump = next((i for i, bar in enumerate(bars) if {"dacapo", "dalsegno"} & set(bar.marks)), None)
    if jump is None or jump not in order:
        return order
    at = len(order) - 1 - order[::-1].index(jump)
    target = 0
    if "dalsegno" in bars[jump].marks:
        target = next((i for i, bar in enumerate(bars) if "segno" in bar.marks), 0)
    # The second time repeats are left out: each bar once, of endings the last.
    again = [i for i in _unfold(bars, 0, len(bars), once=True) if i >= target]
    fine = next((k for k, i in enumerate(again) if "fine" in bars[i].marks), None)
    if fine is not None:
        return order[: at + 1] + again[: fine + 1]
    leave = next((k for k, i in enumerate(again) if "tocoda" in bars[i].marks), None)
    codas = [i for i, bar in enumerate(bars) if "coda" in bar.marks]
    if leave is not None and codas:
        return order[: at + 1] + again[: leave + 1] + [i for i in again if i >= codas[-1]]
    upto = next((k for k, i in enumerate(again) if i == jump), len(again) - 1)
    return order[: at + 1] + again[: upto + 1] + order[at + 1 :]


def _play(
    voice: Voice, tune: Tune, playing: Playing, limit: int, *, once: bool, graces: bool, first: bool
) -> Part:
    part = Part(voice.title or voice.name)
    time = 0
    held: list[
        dict[int, int]
    ] = []  # for each layer: by pitch, the index of the note that a tie holds
    for index in bar_order(voice, tune, once=once):
        bar = voice.bars[index]
        part.bars.append((time, index))
        longest, holding = 0, []
        for number, layer in enumerate([bar.items, *bar.overlays]):
            now, holds = time, held[number] if number < len(held) else {}
            for item in layer:
                if isinstance(item, Event):
                    holds = _sound(item, now, part, holds, voice.transpose, graces=graces)
                    now += item.duration
                elif first and number == 0:
                    playing.changes.append((now, item.value))
            holding.append(holds)
            longest = max(longest, now - time)
        held = holding
        time += longest
        if time > limit:
            playing.cut = True
            break
    part.end = time
    return part


def _sound(
    event: Event, now: int, part: Part, held: dict[int, int], transpose: int, *, graces: bool
) -> dict[int, int]:
    """Append an event's notes; give what it holds by ties."""
    if event.symbol:
        part.symbols.append((now, event.symbol))
    onset = now
    if graces and event.graces and event.pitches:
        onset = _grace_notes(event, now, part, transpose)
    holding: dict[int, int] = {}
    for pitch in event.pitches:
        midi = min(127, max(0, pitch.midi + transpose))
        index = held.get(midi)
        if index is not None:
            before = part.notes[index]
            part.notes[index] = Note(
                before.onset,
                max(before.duration, now + pitch.duration - before.onset),
                midi,
                before.start,
            )
        else:
            index = len(part.notes)
            part.notes.append(Note(onset, max(1, now + pitch.duration - onset), midi, event.start))
        if pitch.tied:
            holding[midi] = index
    return holding


def _grace_notes(event: Event, now: int, part: Part, transpose: int) -> int:
    """Grace notes take their time from the note: a 32nd each, together at most half of it."""
    count = len(event.graces)
    each = min(QUARTER // 8, event.duration // 2 // count)
    if each < QUARTER // 64:
        return now
    for i, pitch in enumerate(event.graces):
        midi = min(127, max(0, pitch.midi + transpose))
        part.notes.append(Note(now + i * each, each, midi, event.start))
    return now + count * each


def _cut(playing: Playing) -> None:
    """Leave out what begins after MAX_SECONDS (tempo changes can make a tune longer than its first tempo says)."""
    playing.cut = True
    clock = Clock(playing.changes)
    low, high = 0, playing.end
    while low < high:
        middle = (low + high + 1) // 2
        if clock.seconds(middle) <= MAX_SECONDS:
            low = middle
        else:
            high = middle - 1
    for part in playing.parts:
        part.notes = [
            replace(n, duration=min(n.duration, low - n.onset)) for n in part.notes if n.onset < low
        ]
        part.symbols = [s for s in part.symbols if s[0] < low]
        part.bars = [b for b in part.bars if b[0] < low]
        part.end = min(part.end, low)
    playing.changes = [c for c in playing.changes if c[0] < low or c[0] == 0]
