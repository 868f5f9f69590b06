"""Requests to a live trainer: anyone appends them to `control.jsonl`, the trainer reads them between steps."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints.errors import RunError
from checkpoints.files import reason, way_out
from checkpoints.jsontext import whole_number
from checkpoints.lines import LineReader, append, open_for_append

FILE = "control.jsonl"
REQUESTS = ("pause", "resume", "stop", "checkpoint", "sample", "set")
MAX_REQUEST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What the trainer is asked for. `set` names a setting and its value (lr, temperature, prime …)."""

    request: str
    name: str = ""
    value: Any = None
    time: float = 0.0


def request(run: Path, what: str, *, name: str = "", value: Any = None) -> None:
    """Ask the trainer of a run for something. Raises RunError if the run cannot take it."""
    if what not in REQUESTS:
        raise ValueError(f"{what!r} is not one of {', '.join(REQUESTS)}")
    body = {"request": what, "name": name, "value": value, "time": round(time.time(), 3)}
    line = json.dumps(body).encode("ascii") + b"\n"
    path = run / FILE
    try:
        if not run.is_dir():
            raise RunError(
                f"there is no run folder {run}", hint="list the runs: rnnstudio runs list"
            )
        fd = open_for_append(path)
        try:
            # A writer that was killed may have left half a line; ours must not be glued to it.
            append(fd, line if _ends_whole(path) else b"\n" + line)
        finally:
            os.close(fd)
    except OSError as error:
        raise RunError(
            f"the request could not be written to {path}: {reason(error)}", hint=way_out(error)
        ) from error


class ControlReader:
    """The requests made since this was created: what was asked of an earlier trainer is void."""

    def __init__(self, run: Path) -> None:
        path = run / FILE
        self._lines = LineReader(path, offset=path.stat().st_size if path.exists() else 0)

    def poll(self) -> list[Request]:
        """The requests that are new since the last call; lines that are none are passed over."""
        return [asked for asked in map(_parse, self._lines.poll()) if asked is not None]


def _parse(line: bytes) -> Request | None:
    if len(line) > MAX_REQUEST_BYTES:
        return None
    try:
        body = json.loads(line, parse_int=whole_number)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("request"), str):
        return None
    name, when = body.get("name", ""), body.get("time", 0.0)
    return Request(
        request=body["request"],
        name=name if isinstance(name, str) else "",
        value=body.get("value"),
        time=float(when) if isinstance(when, int | float) else 0.0,
    )


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return True
        file.seek(size - 1)
        return file.read(1) == b"\n"
