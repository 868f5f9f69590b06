"""Starting trainers and speaking to them: each is `rnnstudio train` (or `resume`), a process of its own.

A trainer never inherits the terminal: what it prints goes to its `run.log`. It runs in a session of its own, so it
outlives the studio, its terminal and ctrl+c; and at a lower priority, so that a machine whose every core it keeps busy
still answers to keys.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from checkpoints import control, lock
from checkpoints.lines import read_tail
from checkpoints.runs import RunFolder

NICENESS = 5
"""A third of the processor time where something else wants it too, all of it where nothing does."""
_BELOW_NORMAL: int = getattr(
    subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0
)  # Windows's way to say it


@dataclass(slots=True)
class Job:
    """A trainer that this studio started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path
    fault: str = ""
    """Its last words, if it ended with an error."""


def command(*words: str) -> list[str]:
    """The command line that starts rnnstudio itself. `-P` keeps a user's own `engine/` from shadowing ours."""
    return [sys.executable, "-P", "-m", "rnnstudio", *words]


def shown(words: Sequence[str]) -> str:
    """The same as a person would type it."""
    return shlex.join(["rnnstudio", *words])


def ask(run: Path, what: str, *, name: str = "", value: object = None) -> None:
    """A request to the trainer of a run. Raises RunError if it cannot be written."""
    control.request(run, what, name=name, value=value)


class Jobs:
    """The trainers that this studio started."""

    def __init__(self, runs_dir: Path, env: Mapping[str, str]) -> None:
        self._runs = runs_dir
        # From a checkout that is not installed, `-P` alone would not find us.
        here = str(Path(__file__).resolve().parents[1])
        known = os.environ.get("PYTHONPATH")
        self._env = {**env, "PYTHONPATH": os.pathsep.join([here, known] if known else [here])}
        self._jobs: list[Job] = []

    def start(self, words: Sequence[str], folder: Path) -> Job:
        """Start `rnnstudio` with these words, detached. `folder` is the run's, which may not exist yet.

        Raises OSError if the log cannot be written or the process not started.
        """
        if folder.is_dir():
            log = RunFolder(folder).output_path
        else:
            # The trainer makes the run's folder itself; its log moves there once it stands.
            log = self._runs / ".starting" / f"{folder.name}-{secrets.token_hex(4)}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                command(*words),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=_BELOW_NORMAL,
                env=self.environment(),
            )
        _give_way(process.pid)
        job = Job(folder.name, process, log, folder)
        self._jobs.append(job)
        return job

    def environment(self) -> dict[str, str]:
        """What a child process of ours finds in its environment."""
        return {**os.environ, **self._env}

    def ended(self) -> list[Job]:
        """The trainers that ended since the last call; reaps them. Those that failed carry their last words."""
        out = []
        for job in self._jobs[:]:
            self._settle(job)
            code = job.process.poll()
            if code is None:
                continue
            self._jobs.remove(job)
            if code not in (0, 130):
                lines = [line.decode("utf-8", "replace") for line in read_tail(job.log, 4096)]
                job.fault = next(
                    (line for line in reversed(lines) if line.strip()), f"exit code {code}"
                )
            out.append(job)
        return out

    def live(self) -> list[Path]:
        """The folders of the runs that this studio started and that still go on."""
        return [job.folder for job in self._jobs if job.process.poll() is None]

    def _settle(self, job: Job) -> None:
        """Move the log into the run's folder, once the trainer has made it."""
        target = RunFolder(job.folder).output_path
        if job.log != target and lock.live(job.folder) == job.process.pid:
            with suppress(OSError):
                job.log.replace(target)
                job.log = target


async def finish(words: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
    """Run `rnnstudio` with these words to its end: exit code, what it printed, what it said on standard error.

    Cancelled, it ends the command. Raises OSError where it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command(*words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    _give_way(process.pid)
    try:
        out, said = await process.communicate()
    except asyncio.CancelledError:  # nobody waits for it any more
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    return process.returncode or 0, out.decode("utf-8", "replace"), said.decode("utf-8", "replace")


def _give_way(pid: int) -> None:
    """Lower a process's priority; its threads, which come later, inherit it."""
    if hasattr(os, "setpriority"):
        niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, niceness)


def open_folder(path: Path) -> bool:
    """Show a folder in the desktop's file manager; False where there is none."""
    program = {"darwin": "open", "win32": "explorer"}.get(sys.platform, "xdg-open")
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    try:
        subprocess.Popen(
            [program, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True
