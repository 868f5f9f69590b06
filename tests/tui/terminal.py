"""The studio in a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType

from tests.tui.conftest import ROOT


class Terminal:
    """Runs `rnnstudio WORDS` in a terminal of its own and keeps all that it writes."""

    def __init__(self, words: list[str], *, cwd: Path, columns: int = 100, lines: int = 30) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.written = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rnnstudio", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TERM": "xterm-256color",
                "RNNSTUDIO_SETTINGS": str(cwd / "studio.json"),
            },
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    def drain(self, seconds: float) -> None:
        """Read what is written for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:
            return False
        self.written += data
        return bool(data)

    def send(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def until(self, text: bytes, *, seconds: float = 90.0, after: int = 0) -> int:
        """Read until a text was written (behind the offset `after`); gives the offset behind all that was written."""
        deadline = time.monotonic() + seconds
        while text not in self.written[after:]:
            assert time.monotonic() < deadline, (
                f"{text!r} never came; last {self.written[-3000:]!r}"
            )
            assert self._read(0.2) or self._process.poll() is None, (
                f"it ended: {self.written[-3000:]!r}"
            )
        return len(self.written)

    def end(self, *, seconds: float = 60.0) -> bytes:
        """Wait until it ended by itself, and give all that it wrote."""
        deadline = time.monotonic() + seconds
        while self._process.poll() is None:
            assert time.monotonic() < deadline, "it did not end"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.written
