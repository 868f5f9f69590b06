"""Where a run stands, read from the end of its log: the same small work for a log of a hundred lines or of a million.

States:

    new       nothing has been logged, and no process trains it
    running   a process trains it
    paused    a process holds it, and was asked to wait
    quiet     a process trains it, but has said nothing for QUIET_S (stopped, swapping, or a very long step)
    done      it ended by its budget or early stopping
    stopped   it was asked to stop, or interrupted
    failed    it ended by an error, or diverged for good
    crashed   its process is gone without an end event
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from checkpoints.eventlog import decode_bytes
from checkpoints.events import (
    CheckpointWritten,
    ControlApplied,
    Ended,
    Event,
    Failed,
    Resumed,
    Started,
    Step,
    Validation,
    effective,
)
from checkpoints.lines import MAX_LINE_BYTES, read_tail
from checkpoints.lock import live

State = Literal["new", "running", "paused", "quiet", "done", "stopped", "failed", "crashed"]

E = TypeVar("E", bound=Event)

QUIET_S = 120.0
"""Seconds without a word after which a live run counts as quiet."""

_FIRST_TAIL_BYTES = 64 * 1024
# The samples of one checkpoint, piece by piece, take about 150 KB; behind that stands a step.
_LAST_TAIL_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Summary:
    """The latest of everything; None where the log's end does not show it."""

    state: State
    pid: int | None = None
    """The process that trains it now."""
    started: Started | None = None
    step: int = 0
    """The last step that the log tells of."""
    last_step: Step | None = None
    validation: Validation | None = None
    checkpoint: CheckpointWritten | None = None
    end: Ended | None = None
    failure: Failed | None = None
    updated: float = 0.0
    """Unix time of the last event; 0 if there is none."""


def summarise(run: Path, *, now: float) -> Summary:
    """The summary of a run folder at the Unix time `now`."""
    log = run / "events.jsonl"
    pid = live(run)
    tail = _tail(log)
    last = tail[-1] if tail else None
    end = last if isinstance(last, Ended) else None
    failure = next((e for e in reversed(tail) if isinstance(e, Failed)), None)
    return Summary(
        state=_state(pid, tail, now),
        pid=pid,
        started=_first(log),
        step=max((e.step for e in tail), default=0),
        last_step=_latest(tail, Step),
        validation=_latest(tail, Validation),
        checkpoint=_latest(tail, CheckpointWritten),
        end=end,
        failure=failure,
        updated=last.time if last else 0.0,
    )


def _tail(log: Path) -> list[Event]:
    """The log's last events, as many as it takes to see a step and a validation, within limits."""
    size = _FIRST_TAIL_BYTES
    while True:
        lines = read_tail(log, size)
        # `Resumed` must stay visible to `_state`, which `effective` leaves out.
        events = _settled([e for e in map(decode_bytes, lines) if e is not None])
        enough = any(isinstance(e, Step) for e in events) and any(
            isinstance(e, Validation) for e in events
        )
        if enough or size >= _LAST_TAIL_BYTES or size >= _size(log):
            return events
        size *= 4


def _settled(events: list[Event]) -> list[Event]:
    """The events that still hold, with the last `Resumed` at its place."""
    last = max((i for i, e in enumerate(events) if isinstance(e, Resumed)), default=-1)
    if last < 0:
        return events
    return [*effective(events[: last + 1]), events[last], *events[last + 1 :]]


def _state(pid: int | None, events: list[Event], now: float) -> State:
    last = events[-1] if events else None
    if pid is not None:
        if _is_paused(events):
            return "paused"
        return "quiet" if last is not None and now - last.time > QUIET_S else "running"
    if last is None:
        return "new"
    if isinstance(last, Ended):
        if last.reason in ("done", "early-stopping"):
            return "done"
        return "stopped" if last.reason in ("stopped", "interrupted") else "failed"
    return "failed" if isinstance(last, Failed) else "crashed"


def _is_paused(events: Iterable[Event]) -> bool:
    paused = False
    for event in events:
        if isinstance(event, ControlApplied) and event.applied:
            if event.request in ("pause", "resume"):
                paused = event.request == "pause"
        elif isinstance(event, Step | Started | Resumed):
            paused = False
    return paused


def _first(log: Path) -> Started | None:
    """What the run's first line says."""
    try:
        with log.open("rb") as file:
            event = decode_bytes(file.readline(MAX_LINE_BYTES))
    except OSError:
        return None
    return event if isinstance(event, Started) else None


def _latest(events: list[Event], kind: type[E]) -> E | None:
    return next((e for e in reversed(events) if isinstance(e, kind)), None)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
