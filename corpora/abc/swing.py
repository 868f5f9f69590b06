"""Swing: pairs of eighths within a beat played long and short, as hornpipes and many reels are."""

from __future__ import annotations

from dataclasses import replace

from corpora.abc.tune import QUARTER, Meter
from corpora.abc.unfolding import Playing

_HALF = QUARTER // 2
_LONG = QUARTER * 2 // 3
"""Where the second eighth of a beat comes: two thirds into it (2 : 1)."""


def swung(playing: Playing) -> Playing:
    """The same notes with each beat's middle moved from a half to two thirds; metres in threes are left straight.

    Every moment is moved by the same rule, so notes that began together still do, and none overlap that did not.
    """
    meters = [(time, change) for time, change in playing.changes if isinstance(change, Meter)]

    def moved(time: int) -> int:
        since, meter = 0, Meter()
        for begins, change in meters:
            if begins > time:
                break
            since, meter = begins, change
        if meter.compound or meter.unit not in (2, 4):
            return time
        beat, within = divmod(time - since, QUARTER)
        # Piecewise linear: the first half is stretched, the second pressed together.
        late = within > _HALF
        pressed = _LONG + (within - _HALF) * (QUARTER - _LONG) // _HALF
        within = pressed if late else within * _LONG // _HALF
        return since + beat * QUARTER + within

    for part in playing.parts:
        for i, note in enumerate(part.notes):
            onset = moved(note.onset)
            length = moved(note.onset + note.duration) - onset
            part.notes[i] = replace(note, onset=onset, duration=max(1, length))
    return playing
