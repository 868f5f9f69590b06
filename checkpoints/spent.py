"""What a run's time went into, as its log tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from checkpoints.events import CheckpointWritten, Ended, Event, Figures, Started, Validation


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of a run, its pauses left out: all of them, and those in which it did not learn."""

    all: float
    held_out: float
    samples: float
    checkpoints: float

    @property
    def learning(self) -> float:
        return max(0.0, self.all - self.held_out - self.samples - self.checkpoints)


def spent(events: Iterable[Event]) -> Spent | None:
    """From a run's log; None where it has no end yet, which alone says how long it was.

    On a GPU samples take no time, as they are written while the run learns.
    """
    everything = held_out = samples = checkpoints = 0.0
    waits = True
    for event in events:
        match event:
            case Started():
                waits = event.device == "cpu"
            case Validation():
                held_out += event.seconds
            case Figures():
                samples += event.seconds * waits
            case CheckpointWritten():
                checkpoints += event.seconds
            case Ended():
                everything = event.seconds
    return Spent(everything, held_out, samples, checkpoints) if everything else None
