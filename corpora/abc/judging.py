"""Judging a tune by what folk-rnn's papers ask of generated ones (Sturm et al. 2016; Sturm & Ben-Tal 2017).

Everything is measured on the tune as read: whether it had to be repaired, whether its bars fill the metre (pickups and
the halves of bars that repeats divide understood as ABC 2.1 has them), whether repeats and endings fit together, how
long its parts are and how they come back, where it ends, what it is made of, and who could play it.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from corpora.abc.tune import SEMITONES, Bar, Change, Key, Meter, Tune, Voice
from corpora.abc.unfolding import Note, Section, perform, sections

RANGES = {
    "fiddle": (55, 93),
    "whistle": (62, 86),
    "pipes": (67, 81),
    "uilleann pipes": (62, 86),
    "flute": (60, 96),
}
"""Lowest and highest MIDI pitch: fiddle in low positions, whistle and uilleann pipes in D, highland pipes."""

USUAL = (8, 16)
"""How many bars the parts of dance tunes have."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured in a tune."""

    notes: int
    """As played."""
    seconds: float
    whole: bool
    """Whether nothing had to be repaired or dropped."""
    bars_full: float
    """Share of bars with the metre's length; 1 in free metre."""
    odd_bars: tuple[int, ...]
    """The others: indices of the first voice's bars."""
    balanced: bool
    """Whether every repeat that opens closes, and endings are numbered 1, 2, ... within their repeat."""
    parts: tuple[int, ...]
    """Bars of each part, one time through."""
    usual_parts: float
    """Share of parts of 8 or 16 bars."""
    form: str
    """The order of parts as played, equal parts by one letter: AABB."""
    ends_on_tonic: bool
    in_key: float
    """Share of notes that the signature of the key they are written in has."""
    lowest: int
    highest: int
    playable: tuple[str, ...]
    """The instruments whose range holds it."""
    pitch_entropy: float
    """Bits, of the pitch classes counted from the tonic."""
    interval_entropy: float
    """Bits, of the steps from note to note in semitones."""


def judge(tune: Tune) -> Report:
    """Measure a tune; an empty one gives zeros."""
    playing = perform(tune)
    notes = sorted(
        (n for part in playing.parts[:1] for n in part.notes), key=lambda n: (n.onset, n.pitch)
    )
    pitches = [n.pitch for n in notes]
    voice = tune.voices[0] if tune.voices else Voice()
    asked = _lengths_asked(voice.bars, tune.meter)
    odd, full = bar_lengths(voice.bars, asked)
    found = sections(voice.bars, 0, len(voice.bars))
    parts = tuple(_bars_of(section, voice.bars, asked) for section in found)
    keys = _keys(notes, voice, tune.key)
    last = [n.pitch % 12 for n in notes if n.onset == notes[-1].onset]
    low, high = (min(pitches), max(pitches)) if pitches else (0, 0)
    return Report(
        notes=sum(len(part.notes) for part in playing.parts),
        seconds=playing.seconds,
        whole=all(f.action == "kept" for f in tune.findings) and not tune.empty,
        bars_full=full,
        odd_bars=odd,
        balanced=balanced(voice.bars),
        parts=parts,
        usual_parts=sum(p in USUAL for p in parts) / len(parts) if parts else 0.0,
        form=_form(found, voice.bars),
        ends_on_tonic=bool(keys) and keys[-1].tonic_pitch in last,
        in_key=sum(map(_has, keys, pitches)) / len(pitches) if pitches else 0.0,
        lowest=low,
        highest=high,
        playable=tuple(n for n, (a, b) in RANGES.items() if pitches and a <= low and high <= b),
        pitch_entropy=entropy(
            (p - (key.tonic_pitch or 0)) % 12 for key, p in zip(keys, pitches, strict=True)
        ),
        interval_entropy=entropy(b - a for a, b in itertools.pairwise(pitches)),
    )


def rank(tune: Tune) -> float:
    """How good a tune is as one number, for `--best-of`: larger is better, a tune without notes is last.

    Weights: bars of the right length count most, since one odd bar is heard; then a form that comes back, an end on the
    tonic, and a length of half a minute or more.
    """
    if tune.empty:
        return -1.0
    report = judge(tune)
    returns = len(report.form) > len(set(report.form)) > 1
    return (
        3 * report.bars_full
        + report.whole
        + report.balanced
        + report.usual_parts
        + returns
        + report.ends_on_tonic
        + report.in_key
        + min(1.0, report.seconds / 30)
    )


def entropy(values: Iterable[int]) -> float:
    """The entropy of a histogram in bits."""
    counts = Counter(values)
    total = sum(counts.values())
    return sum(n / total * math.log2(total / n) for n in counts.values()) if total else 0.0


def _lengths_asked(bars: Sequence[Bar], meter: Meter) -> list[int]:
    """For each bar the length of the metre that it ends in; 0 in free metre."""
    asked = []
    for bar in bars:
        for item in bar.items:
            if isinstance(item, Change) and isinstance(item.value, Meter):
                meter = item.value
        asked.append(meter.length)
    return asked


def _keys(notes: Sequence[Note], voice: Voice, key: Key) -> list[Key]:
    """For each note the key in which it is written, whichever was played before it."""
    changes = [
        (item.start, item.value)
        for bar in voice.bars
        for item in bar.items
        if isinstance(item, Change) and isinstance(item.value, Key)
    ]
    starts, keys = [start for start, _ in changes], [key, *(value for _, value in changes)]
    return [keys[bisect(starts, note.start)] for note in notes]


@lru_cache(maxsize=1024)
def _has(key: Key, pitch: int) -> bool:
    """Whether a pitch is one of the key's signature."""
    return pitch % 12 in {(SEMITONES[i] + a) % 12 for i, a in enumerate(key.accidentals)}


def bar_lengths(bars: Sequence[Bar], asked: Sequence[int]) -> tuple[tuple[int, ...], float]:
    """The bars that do not have the metre's length, and the share of those that do; free metre (0) asks for none.

    A tune may begin with a pickup. Where a repeat, an ending or a double bar divides a bar, its two pieces count as
    one: what ends must fill up with what can follow it (the next bar, or where the repeat goes back to).
    """
    bounds: list[tuple[int, int, int]] = []  # first index, length, the metre's length
    open_bar = False
    for i, bar in enumerate(bars):
        if open_bar and bounds and not bar.ending:
            bounds[-1] = (bounds[-1][0], bounds[-1][1] + bar.duration, asked[i])
        else:
            bounds.append((i, bar.duration, asked[i]))
        open_bar = not bar.closed
    length = {i: (n, m) for i, n, m in bounds}
    partners = _partners(bars, list(length))
    odd = []
    for place, (i, n, m) in enumerate(bounds):
        if not m or n == m or (place == 0 and n < m):
            continue
        if not any(n + length[j][0] == m for j in partners.get(i, ()) if j in length):
            odd.append(i)
    return tuple(odd), 1 - len(odd) / len(bounds) if bounds else 0.0


def _partners(bars: Sequence[Bar], heads: Sequence[int]) -> dict[int, set[int]]:
    """For each bar at a division: the bars with which it may make one bar."""
    partners: dict[int, set[int]] = {}

    def join(a: int, b: int) -> None:
        partners.setdefault(a, set()).add(b)
        partners.setdefault(b, set()).add(a)

    known = set(heads)
    head_of: list[int] = []  # for each bar, the one that its piece begins with
    for i in range(len(bars)):
        head_of.append(i if i in known or not head_of else head_of[-1])
    for section in sections(bars, 0, len(bars)):
        first = head_of[section.start]
        endings = [e for e in section.endings if e >= 0]
        exits = [section.end - 1, *(e - 1 for e in endings[1:])]
        for leaving in exits:
            join(head_of[leaving], first)
            join(head_of[leaving], 0)  # what the tune began with, though it came before the repeat
            if leaving + 1 < len(bars):
                join(head_of[leaving], head_of[leaving + 1])
        for ending in endings:
            if ending > section.start:
                join(head_of[endings[0] - 1], head_of[ending])
    for i, bar in enumerate(bars[:-1]):
        if bar.double or bar.repeat_end or bars[i + 1].repeat_start or bars[i + 1].part:
            join(head_of[i], head_of[i + 1])
    return partners


def balanced(bars: Sequence[Bar]) -> bool:
    """Whether every `|:` is closed before the next opens, and each repeat's endings are 1, 2, ... without a gap."""
    opened = False
    for bar in bars:
        if bar.repeat_start and opened:
            return False
        opened = (opened or bar.repeat_start) and not bar.repeat_end
    if opened:
        return False
    for section in sections(bars, 0, len(bars)):
        if any(e < 0 for e in section.endings):
            return False
        numbers = [n for e in section.endings for n in bars[e].ending]
        if sorted(numbers) != list(range(1, len(numbers) + 1)) or len(section.endings) == 1:
            return False
    return True


def _bars_of(section: Section, bars: Sequence[Bar], asked: Sequence[int]) -> int:
    """Bars of a part one time through: by its length where there is a metre, so that pickups do not count."""
    heads = [e for e in section.endings if e >= 0]
    once = range(section.start, heads[1] if len(heads) > 1 else section.end)
    return round(sum(bars[i].duration / asked[i] if asked[i] else 1 for i in once))


def _form(found: Sequence[Section], bars: Sequence[Bar]) -> str:
    """Parts as letters, in the order in which they are played; parts of 16 bars that say one thing twice are two."""
    letters: list[tuple[list[tuple[int, ...]], str]] = []
    form = ""
    for section in found[:26]:
        heads = [e for e in section.endings if e >= 0]
        stop = heads[0] if heads else section.end
        content = [_content(bar) for bar in bars[section.start : stop]]
        content = [c for c in content if len(c) > 2]
        halves = [content]
        if section.plays == 1 and len(content) >= 16 and len(content) % 16 < 2:
            halves = [content[i : i + 8] for i in range(0, len(content) - 7, 8)]
        for half in halves:
            letter = next((name for other, name in letters if _alike(half, other)), "")
            if not letter:
                letter = chr(ord("A") + len(letters)) if len(letters) < 26 else "Z"
                letters.append((half, letter))
            form += letter * min(section.plays, 4)
    return form[:64]


def _content(bar: Bar) -> tuple[int, ...]:
    """A bar's pitches and lengths in one row."""
    return tuple(
        x for e in bar.events() for x in (e.pitches[0].midi if e.pitches else 0, e.duration)
    )


def _alike(a: Sequence[tuple[int, ...]], b: Sequence[tuple[int, ...]]) -> bool:
    """Whether two parts are the same but for their ends: two thirds of their bars are equal."""
    same = sum(x == y for x, y in zip(a, b, strict=False))
    return bool(a) and bool(b) and same * 3 >= 2 * max(len(a), len(b))
