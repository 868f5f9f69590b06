"""The event log: what a run says about itself, one typed event a line of `events.jsonl`.

The log is the one source that every view reads. It is append-only; a resumed run writes `Resumed`, and readers then
forget what came after the step it names (`effective`), so an interrupted log reads like an
uninterrupted one, but for samples that were written when it stopped.
Every line carries `type`, `v` (the format's version), `time` (Unix seconds) and `step`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from checkpoints.jsontext import json_line, whole_number

VERSION = 1

STEP_LINE = b'{"type":"step"'
"""What the line of a `Step` begins with, as `encode` writes it; nearly all lines of a log do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event carries. `time` is filled in by the log when it writes the line."""

    type: ClassVar[str] = ""
    step: int = 0
    time: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """A run began (once, the first line of its log)."""

    type: ClassVar[str] = "start"
    run: str
    corpus: str
    genre: str
    chars: int
    tokens: int
    vocab_size: int
    parameters: int
    device: str
    threads: int
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The run goes on from the checkpoint at `step`; what the log held after that step is void."""

    type: ClassVar[str] = "resume"
    checkpoint: str
    loss_nats: float | None = None
    """The running mean of the training loss there, in nats per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Event):
    """The optimizer steps since the last such event, `steps` of them, ending at `step`.

    `loss_nats` is their mean in nats per token, `loss_min` and `loss_max` the extremes; `lr` and `grad_norm`
    (before clipping) are the last step's. `progress` is the share of the budget that is done, 0 to 1.
    """

    type: ClassVar[str] = "step"
    loss_nats: float
    loss_min: float
    loss_max: float
    lr: float
    grad_norm: float
    steps: int
    epoch: float
    tokens: int
    tokens_per_s: float
    chars_per_s: float
    progress: float
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation(Event):
    """The held-out loss. `protocol` says how it was read, so that numbers are never compared across protocols."""

    type: ClassVar[str] = "validation"
    nats_per_token: float
    nats_per_char: float
    bits_per_char: float
    chars: int
    tokens: int
    protocol: str
    best: bool
    train_nats_per_token: float | None = None
    dead_memory: float | None = None
    """Share of units whose memory stands still while text is read (engine/gauges.py)."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointWritten(Event):
    """A checkpoint became visible. `reason` is one of start, schedule, time, improvement, request, stop, end."""

    type: ClassVar[str] = "checkpoint"
    path: str
    reason: str
    nats_per_char: float | None = None
    seconds: float = 0.0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBegun(Event):
    """A sample is being written at this step; its text follows in pieces that name the same `sample`."""

    type: ClassVar[str] = "sample_begin"
    sample: str
    prime: str
    temperature: float
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleText(Event):
    """The next piece of a sample's text (without the prime)."""

    type: ClassVar[str] = "sample_text"
    sample: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFinished(Event):
    """A sample is complete. `metrics` holds the genre's figures for it, by name."""

    type: ClassVar[str] = "sample_end"
    sample: str
    prime: str
    text: str
    temperature: float
    seed: int
    nats_per_char: float | None
    chars: int
    seconds: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures(Event):
    """The genre's figures over this checkpoint's samples, with the same figures for held-out human text beside them.

    `baseline` is what an n-gram model of the same training text needs for the held-out one, in nats per character.
    `seconds` is what writing and judging the samples took.
    """

    type: ClassVar[str] = "figures"
    model: Mapping[str, float]
    human: Mapping[str, float]
    genre: str = ""
    baseline: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone(Event):
    """Something that the model can do now and could not before."""

    type: ClassVar[str] = "milestone"
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlApplied(Event):
    """A request from `control.jsonl` took effect (or was refused, and `text` says why)."""

    type: ClassVar[str] = "control"
    request: str
    value: Any = None
    applied: bool = True
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """Something worth knowing that is no warning: a choice the program made, and why."""

    type: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something went wrong and was dealt with."""

    type: ClassVar[str] = "warning"
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The run ended by an error."""

    type: ClassVar[str] = "error"
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Event):
    """The last line of a run that ended by itself or was asked to.

    `reason` is one of done, stopped, interrupted, early-stopping, diverged, failed. `best` and `last` are validation
    figures (`{"step", "nats_per_char", "bits_per_char", "protocol"}`), or None where nothing was held out.
    """

    type: ClassVar[str] = "end"
    run: str
    reason: str
    best: Mapping[str, Any] | None = None
    last: Mapping[str, Any] | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Event):
    """An event that a newer version wrote; kept as it stands."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


TYPES: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        Started,
        Resumed,
        Step,
        Validation,
        CheckpointWritten,
        SampleBegun,
        SampleText,
        SampleFinished,
        Figures,
        Milestone,
        ControlApplied,
        Note,
        Warned,
        Failed,
        Ended,
    )
}


def encode(event: Event) -> str:
    """The event as one line of JSON without a line end. Non-finite numbers become null: JSON has none."""
    if isinstance(event, Unknown):
        body = {"type": event.name, **event.data}
    else:
        body = {"type": event.type, "v": VERSION, **dataclasses.asdict(event)}
    return json_line(body, compact=True)


def decode(line: str) -> Event | None:
    """The event that a line holds; None if the line is not one (half-written, damaged, values of the wrong type).

    Fields that this version does not know are dropped, and events of types that it does not know come as `Unknown`.
    """
    try:
        body = json.loads(line, parse_int=whole_number)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        return None
    name = body.pop("type")
    step, time = body.get("step", 0), _float(body.get("time", 0.0))
    if type(step) is not int or time is None or not 0 <= time < _YEAR_10000:
        return None
    cls = TYPES.get(name)
    if cls is None:
        return Unknown(name=name, data=body, step=step, time=time)
    values = {}
    for key, kind in _KINDS[name].items():
        if key in body:
            value = _READ[kind](body[key])
            if value is _WRONG:
                return None
            values[key] = value
    try:
        return cls(**values)
    except TypeError:  # a field is missing
        return None


def effective(events: Iterable[Event]) -> Iterator[Event]:
    """The log as an uninterrupted run would have written it.

    When a run was resumed from step n, everything it had logged after n is left out: those steps were done again.
    """
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Resumed):
            kept = [e for e in kept if e.step <= event.step and not isinstance(e, Ended | Failed)]
        else:
            kept.append(event)
    yield from kept


_WRONG = object()
_YEAR_10000 = 253_402_300_800.0  # the first second that datetime cannot show


def _float(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _read_float(value: Any) -> Any:
    if value is None:
        return math.nan  # null stands for a number that was not finite
    number = _float(value)
    return _WRONG if number is None else number


def _read_floats(value: Any) -> Any:
    if not isinstance(value, dict):
        return _WRONG
    floats = {key: _read_float(number) for key, number in value.items()}
    return _WRONG if _WRONG in floats.values() else floats


_KINDS = {
    name: {f.name: str(f.type) for f in dataclasses.fields(cls)} for name, cls in TYPES.items()
}

# How each type of field is read from JSON; by the annotation's text.
_READ: dict[str, Callable[[Any], Any]] = {
    "Any": lambda value: value,
    "str": lambda value: value if type(value) is str else _WRONG,
    "int": lambda value: value if type(value) is int else _WRONG,
    "bool": lambda value: value if type(value) is bool else _WRONG,
    "float": _read_float,
    "float | None": lambda value: None if value is None else _read_float(value),
    "Mapping[str, float]": _read_floats,
    "Mapping[str, Any]": lambda value: value if type(value) is dict else _WRONG,
    "Mapping[str, Any] | None": lambda value: (
        value if type(value) in (dict, type(None)) else _WRONG
    ),
}
