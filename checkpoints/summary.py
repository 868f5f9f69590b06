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

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from checkpoints.eventlog import decode_bytes
from checkpoints.events import (
    STEP_LINE,
    CheckpointWritten,
    ControlApplied,
    Ended,
    Event,
    Failed,
    Resumed,
    SampleBegun,
    SampleFinished,
    SampleText,
    Started,
    Step,
    Validation,
)
from checkpoints.lines import MAX_LINE_BYTES, lines_backwards
from checkpoints.lock import live

State = Literal["new", "running", "paused", "quiet", "done", "stopped", "failed", "crashed"]

QUIET_S = 120.0
"""Seconds without a word after which a live run counts as quiet."""

_SEARCHED_BYTES = 8 * 1024 * 1024
"""How far from the log's end anything is looked for: 50 checkpoints' samples, or 30,000 steps."""


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
    end = _look_back(log)
    return Summary(
        state=_state(pid, end, now),
        pid=pid,
        started=_first(log),
        step=end.step,
        last_step=end.step_event,
        validation=end.validation,
        checkpoint=end.checkpoint,
        end=end.last if isinstance(end.last, Ended) else None,
        failure=end.failure,
        updated=end.last.time if end.last else 0.0,
    )


@dataclass(slots=True)
class _End:
    """What the end of a log tells."""

    last: Event | None = None
    step: int = 0
    step_event: Step | None = None
    validation: Validation | None = None
    checkpoint: CheckpointWritten | None = None
    failure: Failed | None = None
    paused: bool | None = None


def _look_back(log: Path) -> _End:
    """Reads the log backwards until everything was seen; only lines that can matter are decoded."""
    end = _End()
    resumed_at: float = math.inf  # what was logged later than this step, before the resume, is void
    for line in lines_backwards(log, max_bytes=_SEARCHED_BYTES):
        if end.last is not None and not _matters(line, end):
            continue
        event = decode_bytes(line)
        if event is None:
            continue
        end.last = end.last or event
        if event.step <= resumed_at:
            end.step = max(end.step, event.step)
        if isinstance(event, Resumed):
            resumed_at = min(resumed_at, event.step)
        elif isinstance(event, Failed) and resumed_at == math.inf:
            end.failure = end.failure or event
        elif event.step <= resumed_at:
            if isinstance(event, Step):
                end.step_event = end.step_event or event
            elif isinstance(event, Validation):
                end.validation = end.validation or event
            elif isinstance(event, CheckpointWritten):
                end.checkpoint = end.checkpoint or event
        if end.paused is None:
            end.paused = _pauses(event)
        if end.step_event and end.validation and end.checkpoint and end.paused is not None:
            break
    return end


def _matters(line: bytes, end: _End) -> bool:
    """Whether a line can tell something new; by its beginning, which `encode` always writes so."""
    if line.startswith(STEP_LINE):
        return end.step_event is None
    if line.startswith(b'{"type":"validation"'):
        return end.validation is None
    if line.startswith(b'{"type":"checkpoint"'):
        return end.checkpoint is None
    return not line.startswith(_TEXT)


_TEXT = tuple(
    f'{{"type":"{cls.type}"'.encode() for cls in (SampleBegun, SampleText, SampleFinished)
)


def _pauses(event: Event) -> bool | None:
    """Whether an event says that the trainer waits (True) or works (False); None if it says neither."""
    if isinstance(event, ControlApplied) and event.applied:
        return {"pause": True, "resume": False}.get(event.request)
    return False if isinstance(event, Step | Started | Resumed) else None


def _state(pid: int | None, end: _End, now: float) -> State:
    last = end.last
    if pid is not None:
        if end.paused:
            return "paused"
        return "quiet" if last is not None and now - last.time > QUIET_S else "running"
    if last is None:
        return "new"
    if isinstance(last, Ended):
        if last.reason in ("done", "early-stopping"):
            return "done"
        return "stopped" if last.reason in ("stopped", "interrupted") else "failed"
    return "failed" if isinstance(last, Failed) else "crashed"


def _first(log: Path) -> Started | None:
    """What the run's first line says."""
    try:
        with log.open("rb") as file:
            event = decode_bytes(file.readline(MAX_LINE_BYTES))
    except OSError:
        return None
    return event if isinstance(event, Started) else None
