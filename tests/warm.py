"""Real processes of the real command, forked from one that has torch loaded: most of a second and a half saved on each.

What only a new interpreter shows (what is imported, how fast it starts) needs `tests.cli.rnnstudio` instead.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests.cli import ROOT, environment


class Warm(AbstractContextManager["Warm"]):
    """`subprocess.Popen(command(*arguments), ...)`, as far as the tests use it; `before` is Python to run first."""

    def __init__(
        self,
        *arguments: str | Path,
        cwd: Path,
        stdout: IO[Any] | int = subprocess.DEVNULL,
        stderr: IO[Any] | int = subprocess.DEVNULL,
        before: str = "",
        **extra: str,
    ) -> None:
        self.returncode: int | None = None
        body = {
            "start": [*map(str, arguments)],
            "cwd": str(cwd),
            "environment": environment(**extra),
            "before": before,
        }
        with Path(os.devnull).open("r+b", buffering=0) as nothing:
            self.stdout, out = _opened(stdout, nothing)
            self.stderr, err = _opened(stderr, nothing)
            self.pid = _ask(body, [nothing.fileno(), out, err])
        for ours, theirs in ((self.stdout, out), (self.stderr, err)):
            if ours is not None:
                os.close(theirs)

    def poll(self) -> int | None:
        """The exit code (minus the signal's number), or None while it runs."""
        if self.returncode is None:
            self.returncode = _ask({"reap": self.pid})
        return self.returncode

    def wait(self, timeout: float = 240.0) -> int:
        """The exit code, once it has ended."""
        ends = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > ends:
                raise subprocess.TimeoutExpired("rnnstudio", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing, if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.kill()
        self.wait()
        for file in (self.stdout, self.stderr):
            if file is not None:
                file.close()


def _opened(wanted: IO[Any] | int, nothing: IO[bytes]) -> tuple[IO[bytes] | None, int]:
    """Our end of a pipe, if one is wanted, and the file for the process."""
    if wanted == subprocess.PIPE:
        ours, theirs = os.pipe()
        return os.fdopen(ours, "rb"), theirs
    if wanted == subprocess.DEVNULL:
        return None, nothing.fileno()
    assert not isinstance(wanted, int)
    return None, wanted.fileno()


def _ask(body: Mapping[str, Any], files: list[int] | None = None) -> Any:
    channel = _server()
    socket.send_fds(channel, [json.dumps(body).encode()], files or [])
    return json.loads(channel.recv(1 << 16))


@functools.cache
def _server() -> socket.socket:
    """A socket to the one server of this test process; it ends when the socket is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-P", str(ROOT / "tests" / "warm_server.py"), str(theirs.fileno())],
            cwd=ROOT,
            env=environment(),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    server.returncode = 0  # nobody waits for it
    atexit.register(ours.close)
    return ours
