"""The event log on disk: appended by the trainer, followed by any number of readers."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from checkpoints.errors import RunError
from checkpoints.events import CheckpointWritten, Ended, Event, decode, encode
from checkpoints.files import reason, sync_descriptor, way_out, write_atomic
from checkpoints.lines import LineReader, append, content, cut_torn_line, open_for_append


class EventLog:
    """Appends events to `events.jsonl`, one line each; only the live trainer does.

    A last line that a kill left half-written is cut off on opening, so that the next event stands on its own line.
    With a checkpoint's line, all lines before it are brought to the disk itself: a run that is resumed after a power
    cut finds its history up to there.
    Raises RunError if the file cannot be written, now or later.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._fd = -1
        try:
            self._fd = open_for_append(path)
            cut_torn_line(path)
        except OSError as error:
            self.close()
            raise self._failure(error) from error

    def write(self, event: Event) -> str:
        """Append the event, stamped with the time, and give its line (without the line end)."""
        line = encode(dataclasses.replace(event, time=round(self._clock(), 3)))
        try:
            append(self._fd, line.encode("utf-8") + b"\n")
            if isinstance(event, CheckpointWritten | Ended):
                sync_descriptor(self._fd)
        except OSError as error:
            raise self._failure(error) from error
        return line

    def put_back(self) -> bool:
        """Whether the file had been removed, and is there again with all that was written to it.

        Where another file has taken its place, that one is written from here on.
        Raises UserError if the disk does not take it.
        """
        gone = False
        try:
            try:
                if os.path.samestat(self.path.stat(), os.fstat(self._fd)):
                    return False
            except FileNotFoundError:
                gone = True
                write_atomic(self.path, content(self._fd))
            self.close()
            self._fd = open_for_append(self.path)
        except OSError as error:
            raise self._failure(error) from error
        return gone

    def close(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _failure(self, error: OSError) -> RunError:
        return RunError(
            f"the event log {self.path} could not be written: {reason(error)}", hint=way_out(error)
        )


class EventReader:
    """The events of a log that may be growing; each is given once.

    `broken` counts lines that are no events. When the file was replaced or cut, reading begins anew: `generation`
    grows, `broken` starts at 0, and the next events are the new file's first.
    """

    def __init__(self, path: Path) -> None:
        self.broken = 0
        self._lines = LineReader(path)

    @property
    def path(self) -> Path:
        return self._lines.path

    @property
    def offset(self) -> int:
        """Bytes of the file that were read."""
        return self._lines.offset

    @property
    def generation(self) -> int:
        """How many times the file was found replaced or cut, and read anew."""
        return self._lines.generation

    def poll(self, *, max_bytes: int = 64 * 1024 * 1024) -> list[Event]:
        """The events that are new since the last call, at most about `max_bytes` of lines at once."""
        generation, overlong = self._lines.generation, self._lines.overlong
        lines = self._lines.poll(max_bytes=max_bytes)
        if self._lines.generation != generation:
            self.broken = 0
        self.broken += self._lines.overlong - overlong
        events = [event for event in map(decode_bytes, lines) if event is not None]
        self.broken += len(lines) - len(events)
        return events


def decode_bytes(line: bytes) -> Event | None:
    """The event that a line of the file holds, or None."""
    try:
        return decode(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None
