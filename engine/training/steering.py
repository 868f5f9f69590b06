"""What to do before the next step: the budget, the requests of people who watch, and the system's signals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from checkpoints.control import ControlReader, Request
from checkpoints.events import ControlApplied, Event
from engine.optimizers import warn_if_odd
from engine.training.budget import Budget, Stopwatch
from engine.training.signals import Interrupts
from engine.training.state import TrainerState

POLL_S = 0.2
# The first safety checkpoint comes early: whoever stops after half a minute loses nothing (nanoGPT#60).
FIRST_CHECKPOINT_S = 20.0

STOPS = ("", "done", "stopped", "interrupted", "early-stopping")


@dataclass(frozen=True, slots=True)
class Orders:
    """One decision, as plain numbers so that process 0 can tell it to the others."""

    progress: float = 0.0
    lr: float = 0.0
    """Before the schedule."""
    stop: int = 0
    """Index into STOPS."""
    save: bool = False
    save_by_request: bool = False
    sample: bool = False
    rest: bool = False
    """Paused: do what was asked for, and take no step."""
    parting: bool = False
    """Who stops it stays to see a sample: not the system, which may wait for seconds only."""

    def numbers(self) -> list[float]:
        return [float(n) for n in astuple(self)]

    @classmethod
    def of(cls, numbers: list[float]) -> Orders:
        progress, lr, stop, *flags = numbers
        return cls(progress, lr, int(stop), *map(bool, flags))


class Steering:
    """Decides, in the process that leads. It changes only what a person may change: rate, temperatures, prime.

    `familiar` gives a prime as the model reads it, and what a person should know of that.
    """

    def __init__(
        self,
        requests: ControlReader,
        *,
        budget: Budget,
        patience: int,
        watch: Stopwatch,
        interrupts: Interrupts,
        safety_seconds: float,
        optimizer: str,
        tell: Callable[[Event], None],
        familiar: Callable[[str], tuple[str, list[str]]],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._budget, self._watch, self._interrupts = budget, watch, interrupts
        self._safety_s, self._patience, self._tell = safety_seconds, patience, tell
        self._familiar, self._optimizer = familiar, optimizer
        self._clock, self._sleep = clock, sleep
        self._requests = requests
        self._polled = -math.inf
        self._paused = self._stop = self._save = self._sample = False
        self._saved_at = clock()
        self._never_saved = True

    def tick(self, state: TrainerState) -> None:
        """Count the time so far."""
        state.seconds = self._watch.tick(self._clock())

    def decide(
        self, state: TrainerState, *, meanwhile: Callable[[], object] = lambda: None
    ) -> Orders:
        """What comes before the next step. While the run is paused this waits, doing `meanwhile`, for a request."""
        self.tick(state)
        self._listen(state)
        rested = False
        while self._paused and not (
            self._stop or self._save or self._sample or self._interrupts.received
        ):
            self._watch.pause()
            rested = True
            meanwhile()
            self._sleep(POLL_S / 2)
            self._polled = -math.inf
            self._listen(state)
        if rested:  # clock and speed begin here, not at the last look for a request
            self.tick(state)
            meanwhile()
        progress = self._budget.progress(
            step=state.step, tokens=state.tokens, seconds=state.seconds
        )
        stop = self._stop_code(progress, state.waited)
        by_hand = STOPS[stop] == "stopped" or self._interrupts.received == "SIGINT"
        orders = Orders(
            progress=progress,
            lr=state.lr * state.rate_factor,
            stop=stop,
            save=self._save or self._safety_is_due(),
            save_by_request=self._save,
            sample=self._sample,
            rest=self._paused,
            parting=by_hand and not self._sample,
        )
        self._save = self._sample = False
        return orders

    def saved(self) -> None:
        """A checkpoint was written: the time to the next one starts anew."""
        self._saved_at, self._never_saved = self._clock(), False

    def _stop_code(self, progress: float, waited: int) -> int:
        if progress >= 1:
            return STOPS.index("done")
        if self._patience and waited >= self._patience:
            return STOPS.index("early-stopping")
        if self._interrupts.received:
            return STOPS.index("interrupted")
        return STOPS.index("stopped") if self._stop else 0

    def _safety_is_due(self) -> bool:
        if not self._safety_s:
            return False
        wait = min(FIRST_CHECKPOINT_S, self._safety_s) if self._never_saved else self._safety_s
        return self._clock() - self._saved_at >= wait

    def _listen(self, state: TrainerState) -> None:
        if self._clock() - self._polled < POLL_S:
            return
        self._polled = self._clock()
        for request in self._requests.poll():
            self._tell(self._apply(request, state))

    def _apply(self, request: Request, state: TrainerState) -> ControlApplied:
        def answer(text: str, *, applied: bool = True) -> ControlApplied:
            name = f"set {request.name}" if request.request == "set" else request.request
            return ControlApplied(
                step=state.step, request=name, value=request.value, applied=applied, text=text
            )

        match request.request:
            case "pause":
                self._paused = True
                return answer(f"paused at step {state.step:,}")
            case "resume":
                self._paused = False
                return answer(f"goes on at step {state.step:,}")
            case "stop":
                self._stop = True
                return answer("saves and stops")
            case "checkpoint":
                self._save = True
                return answer("saves now")
            case "sample":
                self._sample = True
                return answer("writes samples now")
            case "set":
                try:
                    return answer(self._set(request.name, request.value, state))
                except (TypeError, ValueError) as error:
                    return answer(str(error), applied=False)
            case other:
                return answer(f"there is no request {other!r}", applied=False)

    def _set(self, name: str, value: Any, state: TrainerState) -> str:
        match name:
            case "lr":
                lr = _number(value, "a learning rate")
                if lr == 0:
                    raise ValueError(
                        "a learning rate of 0 would learn nothing; pause the run instead"
                    )
                state.lr = lr
                said = f"learning rate is {lr:g} from here (times the schedule)"
                return "; ".join(filter(None, [said, warn_if_odd(lr, self._optimizer)]))
            case "temperature" | "temperatures":
                values = value if isinstance(value, list) else [value]
                if not 1 <= len(values) <= 8:
                    raise ValueError("give one to eight temperatures")
                state.temperatures = [_number(v, "a temperature") for v in values]
                return "temperatures are " + ", ".join(f"{t:g}" for t in state.temperatures)
            case "prime":
                if not isinstance(value, str) or len(value) > 10_000:
                    raise ValueError("a prime is a text of at most 10,000 characters")
                state.prime, notes = self._familiar(value)
                if not value:
                    return "samples start from nothing"
                return "; ".join([f"samples go on from {state.prime!r}", *notes])
            case _:
                raise ValueError(
                    f"{name!r} cannot be set while a run goes on; lr, temperatures and prime can"
                )


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not {what}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value!r} is not {what}: it must be 0 or more")
    return float(value)
