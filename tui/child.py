"""The studio's end of the pipe to `rnnstudio.playground`, the process that reads corpora and holds models.

Requests are answered in order; answers come back through a callback on the child's reading thread. A child that dies is
started again for the next request, and whatever it was answering ends in an error that says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tui import launch

GONE = "the model's process ended"


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of an answer: a piece, or the last word (`done`, or an `error` with its `hint`, or neither: stopped)."""

    id: int
    piece: Any = None
    done: Mapping[str, Any] | None = None
    error: str = ""
    hint: str = ""
    last: bool = False


class Child:
    """Starts the process at the first request. `tell` is called from a thread of this object's."""

    def __init__(self, tell: Callable[[Answer], None], argv: list[str] | None = None) -> None:
        self._tell = tell
        self._argv = argv or [sys.executable, "-P", "-m", "rnnstudio.playground"]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._open: set[int] = set()
        self._next = 0

    def ask(self, op: str, **body: Any) -> int:
        """Send a request and give its id. Raises OSError where the process cannot be started."""
        with self._lock:
            self._next += 1
            number = self._next
            process = self._running()
            self._open.add(number)
        self._send(process, {"id": number, "op": op, **body})
        return number

    def stop(self, number: int) -> None:
        """No longer want the answer to a request; its last part says that it was stopped."""
        with self._lock:
            process = self._process if number in self._open else None
        if process is not None:
            self._send(process, {"op": "stop", "id": number})

    def end(self) -> None:
        """End the process, whatever it is doing: it holds nothing that is not on the disk whole."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(timeout=2)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env=launch.environment(PYTHONUTF8="1"),
            )
            self._reader = threading.Thread(
                target=self._read, args=(self._process,), name="playground", daemon=True
            )
            self._reader.start()
        return self._process

    def _send(self, process: subprocess.Popen[str], body: Mapping[str, Any]) -> None:
        assert process.stdin is not None
        with suppress(OSError, ValueError):  # it died: its reading thread tells
            process.stdin.write(json.dumps(body) + "\n")
            process.stdin.flush()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answer = _parse(line)
            if answer is None:
                continue
            if answer.last:
                with self._lock:
                    self._open.discard(answer.id)
            self._tell(answer)
        process.stdout.close()
        process.wait()
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        with self._lock:
            if self._process is not process:
                return  # ended on purpose
            self._process = None
            lost, self._open = self._open, set()
        for number in sorted(lost):
            self._tell(Answer(number, error=GONE, hint="try again; it is started anew", last=True))


def _parse(line: str) -> Answer | None:
    try:
        body = json.loads(line)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("id"), int):
        return None
    done = body.get("done")
    return Answer(
        body["id"],
        piece=body.get("piece"),
        done=done if isinstance(done, dict) else None,
        error=str(body.get("error", "")),
        hint=str(body.get("hint", "")),
        last="piece" not in body,
    )
