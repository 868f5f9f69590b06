"""One trainer a run: the lock that the live trainer holds, and a look at it for everyone else.

The system holds the lock and lets go of it when the process dies, however it dies, so a dead trainer's lock is simply
free. The file's text (pid and host) only tells people who holds it.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from checkpoints.errors import RunError
from checkpoints.files import reason, way_out

FILE = "trainer.lock"

# File systems without locks (some network and FUSE ones) answer so; then the recorded pid must do.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_PATIENCE_S = 0.3
_WINDOWS_BYTE = 1 << 30  # far behind the text, which others must be able to read


class TrainerLock:
    """Held by the process that trains a run, from `with` to its end.

    Raises RunError at once if another live process holds it. Process-wide, not reentrant.
    """

    def __init__(self, run: Path) -> None:
        self.path = run / FILE
        self._fd = -1

    def acquire(self) -> None:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise RunError(
                f"{self.path} could not be opened: {reason(error)}", hint=way_out(error)
            ) from error
        try:
            self._take(fd)
            record = {"pid": os.getpid(), "host": socket.gethostname(), "since": round(time.time())}
            with suppress(
                OSError
            ):  # a full disk: the lock holds, only its holder's name is missing
                os.ftruncate(fd, 0)
                os.lseek(fd, 0, os.SEEK_SET)
                os.write(fd, json.dumps(record).encode())
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        if self._fd < 0:
            return
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
        with suppress(OSError):
            _unlock(self._fd)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> TrainerLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _take(self, fd: int) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if _lock(fd):
                    return
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise RunError(
                        f"{self.path} could not be locked: {reason(error)}", hint=way_out(error)
                    ) from error
                if not _alive(_record(self.path)):
                    return
            pid, host = _record(self.path)
            # `live` holds a shared lock for microseconds, and a trainer that just began has not left its name yet:
            # only where the named process is not to be seen here is it worth another look.
            if _alive((pid, host)) or time.monotonic() >= deadline:
                raise _held(self.path.parent, pid, host)
            time.sleep(0.01)


def refuse_live(run: Path) -> None:
    """Raise RunError if another process trains the run now: what `TrainerLock` would say, before anything is loaded."""
    if (pid := live(run)) is not None:
        raise _held(run, pid, _record(run / FILE)[1])


def _held(run: Path, pid: int | None, host: str) -> RunError:
    where = "" if host in ("", socket.gethostname()) else f" on {host}"
    who = f"process {pid}{where}" if pid else "another process"
    return RunError(
        f"run {run.name} is being trained by {who}",
        hint=f"watch it: rnnstudio watch {shlex.quote(str(run))}; or stop that process first",
    )


def live(run: Path) -> int | None:
    """The pid of the process that trains the run now, None if there is none; 0 if it left no name.

    For views: it writes nothing and never gets in a trainer's way.
    """
    path = run / FILE
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        if _lock(fd, shared=True):
            _unlock(fd)
            return None
    except OSError:
        record = _record(path)
        return record[0] if _alive(record) else None
    finally:
        os.close(fd)
    return _record(path)[0]


def _record(path: Path) -> tuple[int, str]:
    """Pid and host as the holder wrote them; 0 and nothing where it did not."""
    try:
        body = json.loads(path.read_bytes()[:4096])
    except (OSError, ValueError, RecursionError):
        return 0, ""
    pid, host = (body.get("pid"), body.get("host")) if isinstance(body, dict) else (0, "")
    return (pid if isinstance(pid, int) and 0 < pid < 2**31 else 0), str(host or "")


def _alive(record: tuple[int, str]) -> bool:
    """Whether the recorded process is seen to live on this machine."""
    pid, host = record
    if (
        not pid or host != socket.gethostname() or os.name == "nt"
    ):  # there os.kill(pid, 0) would end it
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it lives, but is another user's
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, *, shared: bool = False) -> bool:
        """Take the lock if it is free; says whether it was."""
        del shared  # there is one kind here
        os.lseek(fd, _WINDOWS_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(fd, 0, os.SEEK_SET)
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, _WINDOWS_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(fd: int, *, shared: bool = False) -> bool:
        """Take the lock if it is free; says whether it was."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
