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
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from checkpoints import control, lock
from checkpoints.runs import RunFolder, is_run

NICENESS = 5
"""A third of the processor time where something else wants it too, all of it where nothing does."""
_BELOW_NORMAL: int = getattr(
    subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0
)  # Windows's way to say it

TAIL_BYTES = 16 * 1024
"""So much of what a trainer printed is looked through for its last words."""


@dataclass(slots=True)
class Job:
    """A trainer that this studio started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path
    typed: Mapping[str, str] = field(default_factory=dict)
    """What was typed for it in the new-run form, by setting: kept until the run is there."""
    at: float = field(default_factory=time.time)
    """When it was started."""
    begins: int = 0
    """Where in the log it begins to print."""
    began: bool = False
    """Whether its run is there: a trainer that refuses what it was told never makes one."""
    fault: str = ""
    """Why it ended, if it ended with an error."""
    hint: str = ""
    """What to do about it, in its own words."""
    printed: str = ""
    """What else it printed, where no run keeps its log."""


def command(*words: str) -> list[str]:
    """The command line that starts rnnstudio itself. `-P` keeps a user's own `engine/` from shadowing ours."""
    return [sys.executable, "-P", "-m", "rnnstudio", *words]


def environment(**more: str) -> dict[str, str]:
    """What a child process of ours finds in its environment."""
    # From a checkout that is not installed, `-P` alone would not find us.
    here, known = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    path = os.pathsep.join([here, known] if known else [here])
    return {**os.environ, "PYTHONPATH": path, **more}


def shown(words: Sequence[str]) -> str:
    """The same as a person would type it."""
    return shlex.join(["rnnstudio", *words])


def ask(run: Path, what: str, *, name: str = "", value: object = None) -> None:
    """A request to the trainer of a run. Raises RunError if it cannot be written."""
    control.request(run, what, name=name, value=value)


class Jobs:
    """The trainers that this studio started."""

    def __init__(self, runs_dir: Path, env: Mapping[str, str]) -> None:
        self._runs, self._env = runs_dir, env
        self._jobs: list[Job] = []
        self.refused: dict[Path, Job] = {}
        """By the folder that they would have had: those that ended before there was a run."""

    def start(
        self, words: Sequence[str], folder: Path, typed: Mapping[str, str] | None = None
    ) -> Job:
        """Start `rnnstudio` with these words, detached. `folder` is the run's, which may not exist yet.

        Raises OSError if the log cannot be written or the process not started.
        """
        there = is_run(folder)
        if there:
            log = RunFolder(folder).output_path
        else:
            # The trainer makes the run's folder itself; its log moves there once it stands.
            log = self._runs / ".starting" / f"{folder.name}-{secrets.token_hex(4)}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            begins = out.seek(0, os.SEEK_END)
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
        job = Job(folder.name, process, log, folder, typed or {}, begins=begins, began=there)
        self.refused.pop(folder, None)
        self._jobs.append(job)
        return job

    def environment(self) -> dict[str, str]:
        """What a child process of ours finds in its environment."""
        return environment(**self._env)

    def look(self) -> tuple[list[Job], list[Job]]:
        """The trainers whose run came to be, and those that ended, since the last look; those that failed say why."""
        begun, ended = [], []
        for job in self._jobs[:]:
            code = job.process.poll()
            if not job.began and is_run(job.folder):
                job.began = True
                begun.append(job)
            self._settle(job, ended=code is not None)
            if code is not None:
                self._jobs.remove(job)
                self._bury(job, code)
                ended.append(job)
        return begun, ended

    def live(self) -> list[Path]:
        """The folders of the runs that this studio started and that still go on."""
        return [job.folder for job in self._jobs if job.process.poll() is None]

    def starts(self, run: Path, heard: float) -> bool:
        """Whether a trainer that this studio started has not said a word yet; `heard` is when the run said its last."""
        return any(
            job.folder == run and job.at > heard and job.process.poll() is None
            for job in self._jobs
        )

    def stop(self, run: Path) -> None:
        """Have the trainer of a run that this studio started save and end.

        By a signal, which it notes from before it has the run; requests are void until it listens to them. On Windows a
        signal ends it at once, which only one that has no run yet may be. Raises RunError if it cannot be asked.
        """
        if os.name == "nt" and lock.live(run) is not None:
            ask(run, "stop")
            return
        for job in self._jobs:
            if job.folder == run:
                job.process.terminate()

    def _bury(self, job: Job, code: int) -> None:
        """Note why a trainer ended; the log of one that never made a run goes with it."""
        if code not in (0, 130):
            said = _tail(job.log, job.begins)
            job.fault, job.hint = last_words(said, code)
            if not job.began:
                rest = (line for line in said.splitlines() if job.fault not in line)
                job.printed = "\n".join(line for line in rest if line != f"  → {job.hint}")
                self.refused[job.folder] = job
        if not job.began:
            with suppress(OSError):
                job.log.unlink()

    def _settle(self, job: Job, *, ended: bool) -> None:
        """Move the log into the run's folder, once the trainer has made it."""
        target = RunFolder(job.folder).output_path
        mine = lock.live(job.folder) == job.process.pid or (ended and job.began)
        if job.log != target and mine and not target.exists():
            with suppress(OSError):
                job.log.replace(target)
                job.log = target


def last_words(said: str, code: int) -> tuple[str, str]:
    """Why a trainer ended, of what it printed, and what to do about it.

    Our errors are a line `rnnstudio: …` and perhaps one `  → …` below it.
    """
    lines = [line for line in said.splitlines() if line.strip()]
    for at in range(len(lines) - 1, -1, -1):
        if lines[at].startswith("rnnstudio: "):
            hints = [line for line in lines[at + 1 :] if line.startswith("  → ")]
            return lines[at].removeprefix("rnnstudio: "), "".join(hints[:1]).removeprefix("  → ")
    if code < 0:  # what stands last is how far it came, not why it went no further
        return f"its process was ended from outside, by signal {-code}", ""
    return (lines[-1] if lines else f"exit code {code}"), ""


def _tail(path: Path, begins: int) -> str:
    """The last of what a file holds from there on; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(begins, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


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
