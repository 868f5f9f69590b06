"""What the studio knows of a run: plain Python, fed with events, bounded in memory however long the run.

The watcher's thread feeds it and the screens read it, each under `lock`. Losses are kept in bits per character (for
word and subword models through the corpus's characters per token), so that every run is drawn on the same scale.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from checkpoints import events as ev
from tui.series import Series

LOG_LINES = 2_000
SAMPLE_CHARS = 4_000_000
"""Characters of samples kept; beyond them every second checkpoint's are dropped."""

TEMPERATURES = ("set temperature", "set temperatures")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written once, finished or (`done` false) being written."""

    step: int
    prime: str
    text: str
    temperature: float
    seed: int
    nats_per_char: float | None = None
    done: bool = True


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line for people: when, how grave (note, control, checkpoint, milestone, warning, error), what, and what
    to do.
    """

    time: float
    step: int
    kind: str
    text: str
    hint: str = ""


@dataclass(slots=True)
class RunView:
    """One run, as its event log tells it."""

    name: str
    limit: int = 2_000
    sample_chars: int = SAMPLE_CHARS
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    started: ev.Started | None = None
    ended: ev.Ended | None = None
    failed: ev.Failed | None = None
    paused: bool = False
    stopping: bool = False
    step: int = 0
    time: float = 0.0
    last_step: ev.Step | None = None
    bests: list[ev.Validation] = field(default_factory=list)
    """Each validation that was the best when it was read; the last is the best."""
    validation: ev.Validation | None = None
    train: Series = field(init=False)
    valid: Series = field(init=False)
    rate: Series = field(init=False)
    grad: Series = field(init=False)
    speed: Series = field(init=False)
    figures: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    human: dict[str, float] = field(default_factory=dict)
    baseline: float | None = None
    checkpoints: list[int] = field(default_factory=list)
    """The steps of those that the run has announced."""
    milestones: list[ev.Milestone] = field(default_factory=list)
    changes: list[ev.ControlApplied] = field(default_factory=list)
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    writing: dict[str, Sample] = field(default_factory=dict)
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    revision: int = 0
    """Grows with every event, so that a screen knows at a glance whether anything is new."""
    news: dict[str, int] = field(default_factory=dict)
    """The same by aspect: curve, samples, log, state."""
    _sample_chars: int = 0

    def __post_init__(self) -> None:
        self._new_series()

    def _new_series(self) -> None:
        self.train, self.valid, self.rate, self.grad, self.speed = (
            Series(self.limit) for _ in range(5)
        )

    @property
    def best(self) -> ev.Validation | None:
        return self.bests[-1] if self.bests else None

    @property
    def bits(self) -> float:
        """Factor from nats per token to bits per character."""
        s = self.started
        if self.validation is not None and self.validation.nats_per_token > 0:
            return self.validation.bits_per_char / self.validation.nats_per_token
        if s is not None and s.chars > 0 and s.tokens > 0:
            return s.tokens / s.chars / math.log(2)
        return 1 / math.log(2)

    def streams(self) -> list[tuple[float, Sample | None]]:
        """Each temperature at which the run samples now, as it was given, with the newest sample at it, one being
        written before all. Two streams may stand at one temperature: they write the same.
        """
        with self.lock:
            newest = self._newest()
            return [(t, newest.get(t)) for t in self.temperatures()]

    def latest_samples(self) -> list[Sample]:
        """The newest sample of each stream; where none has one yet, the newest at each temperature there was."""
        with self.lock:
            newest = self._newest()
            of_streams = [newest[t] for t in self.temperatures() if t in newest]
            return of_streams or [newest[t] for t in sorted(newest)]

    def _newest(self) -> dict[float, Sample]:
        """The newest sample at each temperature, those being written first among equals."""
        newest = {s.temperature: s for s in self.writing.values()}
        wanted = set(self.temperatures())
        for step in sorted(self.samples, reverse=True):
            for sample in self.samples[step]:
                newest.setdefault(sample.temperature, sample)
            if wanted and wanted <= newest.keys():
                break
        return newest

    def peak_rate(self) -> float | None:
        """The learning rate that the schedule scales, as somebody set it last or the run began."""
        with self.lock:
            for change in reversed(self.changes):
                if change.applied and change.request == "set lr":
                    return next(iter(_numbers(change.value)), None)
            known = self.started.training.get("lr") if self.started is not None else None
            return next(iter(_numbers(known)), None)

    def prime(self) -> str:
        """What samples go on from now; empty where each goes on from the held-out text."""
        with self.lock:
            for change in reversed(self.changes):
                if change.applied and change.request == "set prime":
                    return str(change.value)
            return str(self.started.training.get("prime", "")) if self.started is not None else ""

    def temperatures(self) -> list[float]:
        """The temperatures at which the run samples now."""
        with self.lock:
            for change in reversed(self.changes):
                if change.applied and change.request in TEMPERATURES:
                    return _numbers(change.value)
            if self.started is not None:
                return _numbers(self.started.training.get("temperatures", []))
            return sorted({s.temperature for group in self.samples.values() for s in group})

    def sample_steps(self) -> list[int]:
        """The steps at which finished samples were written, in order."""
        with self.lock:
            return sorted(self.samples)

    def reset(self) -> None:
        """Forget everything: the log was replaced by another."""
        with self.lock:
            fresh = RunView(self.name, self.limit, self.sample_chars)
            for slot in fresh.__slots__:
                if slot not in ("name", "limit", "sample_chars", "lock", "revision", "news"):
                    setattr(self, slot, getattr(fresh, slot))
            for aspect in ("curve", "samples", "log", "state"):
                self._note(aspect)

    def feed(self, batch: Iterable[ev.Event]) -> None:
        """Take in events, in the log's order."""
        with self.lock:
            for event in batch:
                self._take(event)

    def _note(self, *aspects: str) -> None:
        self.revision += 1
        for aspect in aspects:
            self.news[aspect] = self.news.get(aspect, 0) + 1

    def _say(self, event: ev.Event, kind: str, text: str, hint: str = "") -> None:
        self.log.append(LogLine(event.time, event.step, kind, text, hint))
        self._note("log")

    def _take(self, event: ev.Event) -> None:
        self.time = event.time or self.time
        self.step = max(self.step, event.step)  # a pause comes between two steps' lines
        match event:
            case ev.Step():
                bits = self.bits
                self.last_step = event
                self.train.add(
                    event.step, event.loss_nats * bits, event.loss_min * bits, event.loss_max * bits
                )
                self.rate.add(event.step, event.lr)
                self.grad.add(event.step, event.grad_norm)
                self.speed.add(event.step, event.chars_per_s)
                self._note("curve")
            case ev.Validation():
                self.validation = event
                self.valid.add(event.step, event.bits_per_char)
                if event.best:
                    self.bests.append(event)
                self._note("curve", "state")
            case ev.SampleBegun():
                self.writing[event.sample] = Sample(
                    event.step, event.prime, "", event.temperature, event.seed, done=False
                )
                self._note("samples")
            case ev.SampleText():
                begun = self.writing.get(event.sample)
                if begun is not None:
                    self.writing[event.sample] = Sample(
                        begun.step,
                        begun.prime,
                        begun.text + event.text,
                        begun.temperature,
                        begun.seed,
                        done=False,
                    )
                    self._note("samples")
            case ev.SampleFinished():
                self.writing.pop(event.sample, None)
                self._keep_sample(event)
                self._note("samples")
            case ev.Figures():
                for name, value in event.model.items():
                    self.figures.setdefault(name, []).append((event.step, value))
                self.human.update(event.human)
                self.baseline = event.baseline if event.baseline is not None else self.baseline
                self._note("samples")
            case ev.CheckpointWritten():
                self.checkpoints = [c for c in self.checkpoints if c != event.step]
                self.checkpoints.append(event.step)
                self._say(event, "checkpoint", f"checkpoint ({event.reason})")
                self._note("state")
            case ev.Milestone():
                self.milestones.append(event)
                self._say(event, "milestone", event.text)
            case ev.ControlApplied():
                self._control(event)
            case ev.Note():
                self._say(event, "note", event.text)
            case ev.Warned():
                self._say(event, "warning", event.text, event.hint)
            case ev.Failed():
                self.failed = event
                self._say(event, "error", event.text, event.hint)
                self._note("state")
            case ev.Ended():
                self.ended = event
                self.paused = self.stopping = False
                self.writing.clear()
                self._say(event, "note", f"ended: {event.reason}")
                self._note("state", "samples")
            case ev.Resumed():
                self._rewind(event)
            case ev.Started():
                self.started = event
                threads = f"{event.threads} thread{'s' * (event.threads != 1)}"
                self._say(event, "note", f"started on {event.device} with {threads}")
                self._note("state")
            case _:
                self._note()

    def _control(self, event: ev.ControlApplied) -> None:
        self.changes.append(event)
        if event.applied and event.request == "pause":
            self.paused = True
        elif event.applied and event.request in ("resume", "stop"):
            self.paused = False
        if event.applied and event.request == "stop":
            self.stopping = True
        value = "" if event.value in (None, "") else f" {_brief(event.value)}"
        outcome = "" if event.applied else " refused"
        reason = f": {event.text}" if event.text else ""
        self._say(
            event,
            "control" if event.applied else "warning",
            f"{event.request}{value}{outcome}{reason}",
        )
        self._note("state", "curve", *(["samples"] if event.request in TEMPERATURES else []))

    def _keep_sample(self, event: ev.SampleFinished) -> None:
        sample = Sample(
            event.step,
            event.prime,
            event.text,
            event.temperature,
            event.seed,
            event.nats_per_char,
        )
        group = self.samples.setdefault(event.step, [])
        group[:] = [
            s
            for s in group
            if (s.temperature, s.seed, s.prime) != (event.temperature, event.seed, event.prime)
        ]
        group.append(sample)
        self._sample_chars += len(event.text)
        while self._sample_chars > self.sample_chars and len(self.samples) > 4:
            steps = sorted(self.samples)
            for step in steps[1:-1:2]:
                self._sample_chars -= sum(len(s.text) for s in self.samples.pop(step))

    def _rewind(self, event: ev.Resumed) -> None:
        """The run goes on from a checkpoint: what came after it is void."""
        for series in (self.train, self.valid, self.rate, self.grad, self.speed):
            series.rewind(event.step)
        self.checkpoints = [c for c in self.checkpoints if c <= event.step]
        self.milestones = [m for m in self.milestones if m.step <= event.step]
        self.changes = [c for c in self.changes if c.step <= event.step]
        self.samples = {step: group for step, group in self.samples.items() if step <= event.step}
        self._sample_chars = sum(len(s.text) for group in self.samples.values() for s in group)
        found = {
            n: [at for at in values if at[0] <= event.step] for n, values in self.figures.items()
        }
        self.figures = {name: values for name, values in found.items() if values}
        self.bests = [v for v in self.bests if v.step <= event.step]
        self.writing.clear()
        self.ended = self.failed = None
        self.paused = self.stopping = False
        self.step = event.step
        self._say(event, "note", f"resumed from {event.checkpoint}")
        self._note("curve", "samples", "state")


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, list | tuple) else [value]
    return [float(v) for v in values if isinstance(v, int | float)]


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_brief(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return " ".join(_brief(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
