"""The live screen's controls: each is a request to the run's trainer, which acts between two of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from textual.binding import Binding

from tui import launch, telling
from tui.dialogs import Ask, Choose
from tui.literal import meant, spelled
from tui.screens.base import StudioScreen
from tui.store import TEMPERATURES, RunView
from tui.watch import Followed, RunState

STREAMS = 3
"""Sample streams side by side."""
STEERING = ("live.pause", "live.sample", "live.checkpoint", "live.temperatures")
ENDED = ("live.resume", "live.fork")
"""What a footer offers while a trainer is at work, and when none is."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What was asked of a trainer last, which keys pressed in quick succession go on from."""

    requests: Sequence[str]
    """The names that its answer may have."""
    value: object
    pid: int | None
    heard: int
    """Changes that the trainer had told of when it was asked."""

    def waits(self, run: Followed) -> bool:
        """Whether the trainer has neither taken nor refused it yet."""
        answers = [c for c in run.view.changes[self.heard :] if c.request in self.requests]
        settled = any(not c.applied or c.value == self.value for c in answers)
        return run.pid == self.pid and not settled


class Controls(StudioScreen):
    """What can be asked of a trainer. A subclass says of which run, and shows what was asked."""

    BINDINGS = [
        Binding("space", "pause", "Pause", id="live.pause"),
        Binding("s", "sample", "Sample", id="live.sample"),
        Binding("k", "checkpoint", "Save", id="live.checkpoint"),
        Binding("t", "temperatures", "Temps", id="live.temperatures"),
        Binding(
            "plus,equals_sign",
            "warmer(0.1)",
            "This stream warmer",
            key_display="+",
            show=False,
            id="live.warmer",
        ),
        Binding(
            "minus",
            "warmer(-0.1)",
            "This stream cooler",
            key_display="-",
            show=False,
            id="live.cooler",
        ),
        Binding("d", "rate", "Learning rate", show=False, id="live.rate"),
        Binding("w", "prime", "What samples go on from", show=False, id="live.prime"),
        Binding("X", "stop", "Save and stop", show=False, id="live.stop"),
        Binding("r", "resume", "Resume", show=False, id="live.resume"),
        Binding("b", "fork", "Fork from here", show=False, id="live.fork"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._steering: Steering | None = None
        self._pausing: Steering | None = None

    @property
    def run(self) -> Followed:
        """The run that is steered."""
        raise NotImplementedError

    @property
    def state(self) -> RunState:
        """What the run does, a trainer that only just starts included."""
        raise NotImplementedError

    @property
    def view(self) -> RunView:
        return self.run.view

    def asked(self, text: str) -> None:
        """Show that this was asked and not yet answered."""
        raise NotImplementedError

    def _ask(self, what: str, text: str, *, name: str = "", value: object = None) -> bool:
        """A request to the trainer; until it answers, the status line says what was asked. False if it failed."""
        if not self._can_ask():
            return False
        asked = self.studio.attempt(lambda: launch.ask(self.run.path, what, name=name, value=value))
        if asked:
            self.asked(text)
        return asked

    def _can_ask(self) -> bool:
        """Whether there is a trainer that listens; says so where there is none."""
        state, name = self.state, self.run.path.name
        if state.live and state.word != "starting":
            return True
        if state.live:
            self.studio.say(f"{name} is still starting", hint="ask again in a moment")
        else:
            self.studio.say(
                f"{name} is not being trained",
                hint=telling.way_on(state, self.view),
                grave=True,
            )
        return False

    def action_pause(self) -> None:
        asked = self._pausing
        paused = self.view.paused
        if asked is not None and asked.waits(self.run):
            paused = "pause" in asked.requests
        what, text = ("resume", "go on") if paused else ("pause", "pause")
        heard = len(self.view.changes)
        if self._ask(what, text):
            self._pausing = Steering([what], None, self.run.pid, heard)

    def action_sample(self) -> None:
        self._ask("sample", "samples now")

    def action_checkpoint(self) -> None:
        self._ask("checkpoint", "a checkpoint now")

    def action_stop(self) -> None:
        if not self._can_ask():
            return

        def answer(what: str | None) -> None:
            if what == "stop":
                self._ask("stop", "save and stop")

        text = "The trainer writes a checkpoint and ends; r resumes it any time."
        self.app.push_screen(
            Choose("stop", text, [("stop", "save and stop"), ("go on", "go on")]), answer
        )

    def _set_temperatures(self, values: list[float]) -> None:
        text = " ".join(f"{v:g}" for v in values)
        heard = len(self.view.changes)
        if self._ask("set", f"temperatures {text}", name="temperatures", value=values):
            self._steering = Steering(TEMPERATURES, values, self.run.pid, heard)

    def _temperatures(self) -> list[float]:
        """Those asked for last, or, where the trainer has answered, those it has."""
        asked = self._steering
        if asked is not None and asked.waits(self.run):
            assert isinstance(asked.value, list)
            return list(asked.value)
        return self.view.temperatures()

    def action_temperatures(self) -> None:
        if not self._can_ask():
            return

        def take(text: str | None) -> None:
            if text is not None:
                self._set_temperatures(temperatures(text))

        def wrong(text: str) -> str:
            try:
                temperatures(text)
            except ValueError as error:
                return str(error)
            return ""

        now = " ".join(f"{t:g}" for t in self._temperatures())
        about = "One to three temperatures: below 1 safer and more repetitive, above 1 bolder and more broken."
        self.app.push_screen(Ask("temperatures", about, now, wrong), take)

    def action_warmer(self, by: float) -> None:
        """Move the temperature of the stream in focus (the middle one if none is); each stream keeps its place."""
        values = self._temperatures()
        if not values:
            return
        focused = self.focused.id if self.focused is not None and self.focused.id else ""
        index = int(focused[-1]) if focused.startswith("sample-") else len(values) // 2
        index = min(index, len(values) - 1)
        values[index] = round(min(5.0, max(0.0, values[index] + by)), 2)
        self._set_temperatures(values)

    def action_rate(self) -> None:
        if not self._can_ask():
            return

        def wrong(text: str) -> str:
            return "" if _positive(text) is not None else "a number above 0, for example 0.001"

        def take(text: str | None) -> None:
            value = _positive(text) if text is not None else None
            if value is not None:
                self._ask("set", f"learning rate {value:g}", name="lr", value=value)

        now = f"{rate:g}" if (rate := self.view.peak_rate()) else ""
        about = "The peak rate; the schedule goes on scaling it."
        self.app.push_screen(Ask("learning rate", about, now, wrong), take)

    def action_prime(self) -> None:
        if not self._can_ask():
            return

        def take(text: str | None) -> None:
            if text is not None:
                self._ask("set", "another prime", name="prime", value=meant(text))

        now = spelled(self.view.prime())
        about = "Samples go on from this text (\\n for a new line; empty takes openings from the held-out text)."
        self.app.push_screen(Ask("prime", about, now), take)

    def action_resume(self) -> None:
        if self.run.pid is not None:
            self.studio.say("it is being trained already", hint="space pauses it")
        else:
            self.studio.resume(self.run)

    def action_fork(self) -> None:
        self.studio.fork(self.run.path, self.view)


def temperatures(text: str) -> list[float]:
    """One to three temperatures in a text. Raises ValueError with what is wrong."""
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise ValueError("numbers, for example 0.5 0.8 1.0") from error
    if not 1 <= len(values) <= STREAMS:
        raise ValueError("one to three temperatures")
    if any(not (math.isfinite(v) and 0 <= v <= 5) for v in values):
        raise ValueError("each from 0 to 5")
    return sorted(values)


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
