"""Swing: pairs of eighths within a beat played long and short, as hornpipes and many reels are."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from corpora.abc.tune import QUARTER, Meter
from corpora.abc.unfolding import Part, Playing

_HALF = QUARTER // 2
_LONG = QUARTER * 2 // 3
"""Where the second eighth of a beat comes: two thirds into it (2 : 1)."""


def swung(playing: Playing) -> Playing:
    """The same notes with each beat's middle moved from a half to two thirds.

    Quarters are swung, also those of 3/4; metres whose beats come in threes (6/8, 9/8, 12/8) and free ones are left
    straight. Beats are counted from the first voice's bar lines, in a pickup back from its end. Every moment is moved
    by the same rule, so notes that began together still do, and none overlap that did not.
    """
    meters = [(time, change) for time, change in playing.changes if isinstance(change, Meter)]
    first = playing.parts[0] if playing.parts else Part("")
    starts = [onset for onset, _ in first.bars]
    ends = [*starts[1:], first.end]

    def moved(time: int) -> int:
        meter = meters[bisect_right(meters, time, key=lambda change: change[0]) - 1][1]
        bar = bisect_right(starts, time) - 1
        if meter.compound or meter.unit not in (2, 4) or time >= first.end:
            return time
        length = ends[bar] - starts[bar]
        # A later one is told from the rest of a divided bar by its length: it is the lesser piece.
        pickup = length < meter.length // (1 if first.bars[bar][1] == 0 else 2)
        since = ends[bar] if pickup else starts[bar]
        beat, within = divmod(time - since, QUARTER)
        # Piecewise linear: the first half is stretched, the second pressed together.
        late = within > _HALF
        pressed = _LONG + (within - _HALF) * (QUARTER - _LONG) // _HALF
        within = pressed if late else within * _LONG // _HALF
        return min(
            ends[bar], since + beat * QUARTER + within
        )  # a beat may be cut off by the bar line

    for part in playing.parts:
        for i, note in enumerate(part.notes):
            onset = moved(note.onset)
            length = moved(note.onset + note.duration) - onset
            part.notes[i] = replace(note, onset=onset, duration=max(1, length))
    return playing
