"""Run folders: made, found, listed, summed up and removed, without loading torch.

runs/<name>/  run.json  events.jsonl  control.jsonl  trainer.lock  run.log  tokens/  step-.../  samples/
"""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from checkpoints.checkpoint import (
    Manifest,
    Skipped,
    checkpoint_folders,
    newest_valid,
    read_manifest,
    step_of,
)
from checkpoints.errors import CheckpointError, RunError
from checkpoints.eventlog import decode_bytes
from checkpoints.events import STEP_LINE, Event, effective
from checkpoints.files import DISK, FileSystem, reason, way_out, write_atomic
from checkpoints.jsontext import load_object
from checkpoints.lines import LineReader
from checkpoints.lock import TrainerLock, live
from checkpoints.paths import exists, expanded, is_file
from checkpoints.summary import State, Summary, summarise

RECORD = "run.json"
MAX_NAME = 60

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as its manifest describes it; whether its files verify shows when they are read."""

    path: Path
    step: int
    nats_per_char: float | None
    """Validation loss at that step, where it was measured."""
    size_bytes: int
    about: Mapping[str, Any]


class Found(NamedTuple):
    """What `find_run` found: the run, and what stood behind the @ (best, last, a step), if anything."""

    run: RunFolder
    spec: str


class RunFolder:
    """One run's folder. Reading it never writes, and never disturbs the trainer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls, runs: Path, name: str, record: Mapping[str, Any], *, disk: FileSystem = DISK
    ) -> RunFolder:
        """A new folder under `runs`: `name`, made safe, or name-2, name-3, ... where that is taken.

        Raises RunError if it cannot be made.
        """
        name = safe_name(name)
        try:
            runs.mkdir(parents=True, exist_ok=True)
            for number in itertools.count(1):
                path = runs / (name if number == 1 else f"{name}-{number}")
                try:
                    disk.make_folder(path)  # fails if it is there: two runs never share a folder
                    break
                except FileExistsError:
                    continue
        except OSError as error:
            raise RunError(
                f"no run can be made in {runs}: {reason(error)}", hint=way_out(error)
            ) from error
        run = cls(path)
        try:
            run.write_record(record, disk=disk)
        except BaseException:
            with suppress(OSError):
                path.rmdir()
            raise
        return run

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def called(self) -> str:
        """What a command typed here takes for it: its name, or its path where runs are not looked for."""
        path = self.path.resolve()
        among = path.parent == default_runs().resolve()
        return shlex.quote(path.name if among else str(self.path))

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def samples_path(self) -> Path:
        return self.path / "samples"

    @property
    def tokens_path(self) -> Path:
        return self.path / "tokens"

    @property
    def output_path(self) -> Path:
        """What the trainer printed, where it was started detached."""
        return self.path / "run.log"

    def record(self) -> dict[str, Any]:
        """What this run is: configuration, corpus, versions, seed, parent. Raises RunError."""
        path = self.path / RECORD
        try:
            return load_object(path.read_bytes(), what=str(path))
        except OSError as error:
            raise RunError(
                f"{path} cannot be read: {reason(error)}", hint="list the runs: rnnstudio runs list"
            ) from error
        except CheckpointError as error:
            raise RunError(
                error.message,
                hint=f"its checkpoints still write: rnnstudio sample {self.called}; to learn on, train a new run",
            ) from error

    def write_record(self, record: Mapping[str, Any], *, disk: FileSystem = DISK) -> None:
        """Replace the record in one step. Raises UserError if it cannot be written."""
        text = json.dumps(dict(record), indent=2, ensure_ascii=True) + "\n"
        write_atomic(self.path / RECORD, text, disk=disk)

    def live(self) -> int | None:
        """The pid of the process that trains it now, or None."""
        return live(self.path)

    def events(self, *, steps: bool = True) -> Iterator[Event]:
        """The whole log as an uninterrupted run would have written it. Views follow it with an EventReader instead.

        All is held in memory, a kilobyte an event: ask for the `steps` only where they are wanted.
        """
        return effective(_logged(self.events_path, steps=steps))

    def summary(self, *, now: float | None = None) -> Summary:
        """Where the run stands, from the end of its log: cheap, however long the log is."""
        return summarise(self.path, now=time.time() if now is None else now)

    def state(self, *, now: float | None = None) -> State:
        """new, running, quiet, paused, done, stopped, failed or crashed; see `checkpoints.summary`."""
        return self.summary(now=now).state

    def checkpoints(self) -> list[Checkpoint]:
        """Its checkpoints, oldest first, as far as their manifests can be read."""
        found = {
            said.step: _described(path, said)
            for path, said in self._manifests()
            if isinstance(said, Manifest)
        }
        return list(found.values())

    def damaged(self) -> dict[Path, CheckpointError]:
        """Why checkpoints cannot be used, oldest first: each whose manifest cannot, and all newer than a whole one.

        The files of those older than the newest whole one are not read: that would take long.
        """
        found = {
            path: said for path, said in self._manifests() if isinstance(said, CheckpointError)
        }
        newest_valid(self.path, skipped=found.__setitem__)
        return {path: found[path] for path in checkpoint_folders(self.path) if path in found}

    def _manifests(self) -> Iterator[tuple[Path, Manifest | CheckpointError]]:
        """What each checkpoint says of itself, or why it says nothing."""
        for path in checkpoint_folders(self.path):
            try:
                yield path, read_manifest(path)
            except CheckpointError as error:
                yield path, error

    def best(self) -> Checkpoint | None:
        """The checkpoint with the lowest validation loss (the earlier of equals), or None if none was measured."""
        measured = [c for c in self.checkpoints() if c.nats_per_char is not None]
        return min(measured, key=lambda c: (c.nats_per_char, c.step), default=None)

    def checkpoint(self, spec: str = "", *, skipped: Skipped | None = None) -> Path:
        """The folder that `best`, `last` or a step names; empty takes the best, or the last if none was measured.

        `last` is the newest one that verifies, `best` one whose manifest does; `skipped` is told of those that do not
        and may have been meant. Raises RunError if there is none.
        """
        known = self.checkpoints()
        if not known and not checkpoint_folders(self.path):
            raise RunError(
                f"run {self.name} has no checkpoint yet",
                hint=f"train it further: rnnstudio resume {self.called}",
            )
        if spec in ("", "best") and known:
            best = self.best()
            if best is not None:
                for path, said in self._manifests():
                    if skipped is not None and isinstance(said, CheckpointError):
                        skipped(path, said)
                return best.path
            if spec:
                raise RunError(
                    f"run {self.name} measured no validation loss, so none of its checkpoints is known as the best",
                    hint=f"use the last: {self.name}@last",
                )
        newest = newest_valid(self.path, skipped=skipped) if spec in ("", "last") else None
        if newest is not None:
            return newest
        if spec in ("", "last") or not known:
            raise RunError(
                f"no checkpoint of run {self.name} is whole",
                hint=f"see what is wrong with them: rnnstudio runs show {self.called}",
            )
        number = spec.removeprefix("step-").replace(",", "").replace("_", "")
        steps = [c.step for c in known]
        if number.isascii() and number.isdigit() and len(number) < 18:
            if int(number) in steps:
                return known[steps.index(int(number))].path
            for path in checkpoint_folders(self.path):
                if step_of(path) == int(number):
                    read_manifest(path)  # it is there, and this says why it cannot be used
            nearest = min(steps, key=lambda step: abs(step - int(number)))
            raise RunError(
                f"run {self.name} keeps no checkpoint of step {int(number):,}",
                hint=f"the nearest is {self.name}@{nearest}; it has {', '.join(map(str, steps))}",
            )
        raise RunError(
            f"{spec!r} names no checkpoint of run {self.name}",
            hint=f"use {self.name}@best, {self.name}@last or a step, for example {self.name}@{steps[-1]}",
        )

    def size_bytes(self) -> int:
        """What the folder holds; the corpus' tokens are shared with the cache and counted all the same."""
        return _size(self.path)


def default_runs() -> Path:
    """Where runs are kept unless `--runs` says otherwise: RNNSTUDIO_RUNS, or ./runs."""
    return Path(os.environ.get("RNNSTUDIO_RUNS") or "runs")


def is_run(path: Path) -> bool:
    """Whether a folder is a run's; one that may not be looked into is none."""
    return is_file(path / RECORD)


def list_runs(runs: Path) -> list[RunFolder]:
    """The runs of a folder, the one that last said something first; empty if the folder is not there."""
    try:
        paths = [runs / e.name for e in os.scandir(runs) if not e.name.startswith(".")]
    except OSError:
        return []
    return sorted(map(RunFolder, filter(is_run, paths)), key=lambda r: (-_touched(r), r.name))


def find_run(text: str, runs: Path) -> Found:
    """The run that a person means by a path, a name or a unique beginning of one, perhaps with @best, @last or @STEP.

    A path may lead to the run's folder or to anything in it; inside a checkpoint it means that checkpoint. Empty text
    is the run that last said something. Raises RunError, with what was perhaps meant.
    """
    name, _, spec = text.strip().rpartition("@") if "@" in text else (text.strip(), "", "")
    if found := _at_path(text.strip(), ""):  # a folder's own name may hold an @
        return found
    if name and (found := _at_path(name, spec)):
        return found
    if text.strip().endswith("@"):
        raise RunError(
            f"{text.strip()} names no checkpoint",
            hint="after the @ comes best, last or a step; or leave it out",
        )
    known = list_runs(runs)
    if not name:
        if not known:
            raise RunError(
                f"there are no runs in {runs}", hint="make one: rnnstudio train corpus.txt"
            )
        return Found(known[0], spec)
    wanted = Path(name).name if Path(name).parent.name in ("", runs.name) else name
    by_name = {run.name: run for run in known}
    if wanted in by_name:
        return Found(by_name[wanted], spec)
    begins = [other for other in by_name if other.lower().startswith(wanted.lower())]
    if len(begins) == 1:
        return Found(by_name[begins[0]], spec)
    if begins:
        raise RunError(
            f"{len(begins)} runs begin with {wanted!r}", hint=f"which one: {', '.join(begins[:8])}"
        )
    meant = difflib.get_close_matches(wanted, by_name, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(meant)}?" if meant else "list the runs: rnnstudio runs list"
    raise RunError(f"there is no run {wanted!r} in {runs}", hint=hint)


def remove(run: RunFolder) -> None:
    """Remove a run with all that it holds. Raises RunError if it is being trained, or is no run folder."""
    if run.path.is_symlink() or not is_run(run.path):
        raise RunError(
            f"{run.path} is no run folder of its own", hint="list the runs: rnnstudio runs list"
        )
    hidden = run.path.with_name(f".removed-{run.name}-{secrets.token_hex(4)}")
    try:
        with TrainerLock(run.path):
            pass
        run.path.rename(hidden)  # in one step, so that no view ever lists a half-removed run
        shutil.rmtree(hidden)
    except OSError as error:
        raise RunError(
            f"run {run.name} could not be removed: {reason(error)}", hint=way_out(error)
        ) from error


def safe_name(text: str) -> str:
    """A folder name that every system takes, as near to the text as that allows."""
    name = re.sub(r"[^\w.-]+", "-", text.strip()).strip("-. ")[:MAX_NAME].rstrip("-. ")
    # CON, NUL, COM1 and the like open devices on Windows, with any extension.
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name):
        name = f"run-{name}"
    return name or "run"


def _described(path: Path, manifest: Manifest) -> Checkpoint:
    return Checkpoint(
        path=path,
        step=manifest.step,
        nats_per_char=manifest.nats_per_char,
        size_bytes=manifest.size_bytes,
        about=manifest.about,
    )


def _at_path(text: str, spec: str) -> Found | None:
    """The run whose folder the path leads to or into."""
    if not text:
        return None
    path = expanded(text)
    if not exists(path):
        return None
    path = Path(os.path.realpath(path))
    for folder in (path, *path.parents):
        if is_run(folder):
            return Found(RunFolder(folder), spec)
        step = step_of(folder)
        if step is not None and not spec:
            spec = str(step)
    return None


def _logged(log: Path, *, steps: bool) -> Iterator[Event]:
    """The events of a log as it is now, in its order."""
    lines = LineReader(log)
    before = -1
    while lines.offset != before:
        before = lines.offset
        for line in lines.poll(max_bytes=_BLOCK_BYTES):
            if steps or not line.startswith(STEP_LINE):
                event = decode_bytes(line)
                if event is not None:
                    yield event


def _touched(run: RunFolder) -> float:
    for path in (run.events_path, run.path / RECORD):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0


def _size(path: Path) -> int:
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        pass  # a checkpoint that is being pruned just now
    return total
