"""How long a run goes on: steps, passes over the text, minutes; whichever is reached first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.config import TrainConfig

# So long without computing the machine slept, or the process was stopped (Ctrl-Z): that is no time of training.
SUSPENDED_S = 60.0
IDLE = 0.02
"""Share of a time below which a process computed nothing in it."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend. 0 stands for no limit."""

    steps: int
    epochs: float
    seconds: float
    tokens_per_epoch: int

    @classmethod
    def of(cls, config: TrainConfig, tokens_per_epoch: int) -> Budget:
        return cls(
            steps=config.steps,
            epochs=config.epochs,
            seconds=config.minutes * 60,
            tokens_per_epoch=max(tokens_per_epoch, 1),
        )

    def progress(self, *, step: int, tokens: int, seconds: float) -> float:
        """The share of the budget that is spent, 0 to 1: that of the limit which is nearest to being reached."""
        shares = [0.0]
        if self.steps:
            shares.append(step / self.steps)
        if self.epochs:
            shares.append(tokens / (self.epochs * self.tokens_per_epoch))
        if self.seconds:
            shares.append(seconds / self.seconds)
        return min(1.0, max(shares))

    def eta_s(self, *, progress: float, seconds: float, recent_rate: float) -> float | None:
        """Seconds to go. `recent_rate` is progress per second lately; None while nothing can be said.

        A budget of minutes ends when its minutes do, however fast the machine.
        """
        if self.seconds and progress <= seconds / self.seconds + 1e-9:
            return max(0.0, self.seconds - seconds)
        return (1 - progress) / recent_rate if recent_rate > 0 else None


class Stopwatch:
    """Seconds of training, pauses and suspensions left out; goes on from where a resumed run stood.

    `computed` gives the seconds that the process has had a CPU.
    """

    def __init__(
        self, seconds: float = 0.0, *, computed: Callable[[], float] = time.process_time
    ) -> None:
        self.seconds = seconds
        self._last: float | None = None
        self._computed = computed
        self._busy = computed()

    def tick(self, now: float) -> float:
        """Count the time since the last tick (`now` from a monotonic clock) and return all seconds so far."""
        busy = self._computed()
        if self._last is not None:
            passed = now - self._last
            suspended = passed >= SUSPENDED_S and busy - self._busy < IDLE * passed
            if passed >= 0 and not suspended:
                self.seconds += passed
        self._last, self._busy = now, busy
        return self.seconds

    def pause(self) -> None:
        """Leave out the time until the next tick."""
        self._last = None


class Speedometer:
    """How fast a run is lately: tokens and budget per second over the last RECENT marks."""

    RECENT = 50

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int, float]] = deque(maxlen=self.RECENT)

    def mark(self, now: float, *, tokens: int, progress: float) -> tuple[float, float]:
        """Note where the run stands at `now` (monotonic); gives tokens and progress per second, 0 at the first mark."""
        self._marks.append((now, tokens, progress))
        then, tokens_then, progress_then = self._marks[0]
        passed = now - then
        if passed <= 0:
            return 0.0, 0.0
        # A step that was taken before a pause may be told after it: no run goes backwards.
        return max(0, tokens - tokens_then) / passed, max(0.0, progress - progress_then) / passed

    def restart(self) -> None:
        """Forget: the run was paused, or went back."""
        self._marks.clear()
