"""One thread that reads run folders: `Watcher` follows the open runs closely and all others at a glance.

It never blocks a screen: logs are read by byte offset in small chunks, and however much is new, the application
hears of it in one message a tick.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from checkpoints import lock
from checkpoints.errors import RnnStudioError
from checkpoints.eventlog import decode_bytes
from checkpoints.lines import LineReader
from checkpoints.paths import exists
from checkpoints.runs import list_runs
from tui.store import RunView

TICK_S = 0.1
IDLE_S = 0.25
"""While no sample is being typed out: each look costs 0.7 ms of a processor that the trainer may want."""
RESCAN_S = 1.0
CATCHING_UP_S = 0.5
CHUNK_BYTES = 256 * 1024
"""About 1,000 events: 10 ms of decoding, after which the other threads get their turn."""
STEP_LINE = b'{"type":"step"'
STEP_LINE_BYTES = 250
BACKLOG_STEPS = 10_000
QUIET_S = 60.0
GLANCE_LIMIT = 64
GLANCE_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run does now: a glyph, a word, and whether a trainer lives."""

    glyph: str
    word: str
    live: bool = False


def state_of(view: RunView, pid: int | None, now: float) -> RunState:
    """The state that a run's log and its trainer's process show together.

    A process that is gone without an `end` event has crashed; one that lives and writes nothing for a minute is quiet.
    """
    if pid is not None:
        if view.stopping:
            return RunState("●", "stopping", live=True)
        if view.paused:
            return RunState("‖", "paused", live=True)
        if view.started is None or view.ended is not None:
            return RunState("●", "starting", live=True)
        if view.time and now - view.time > QUIET_S:
            return RunState("!", "quiet", live=True)
        return RunState("●", "running", live=True)
    if view.failed is not None:
        return RunState("✗", "failed")
    if view.ended is not None:
        if view.ended.reason in ("done", "early-stopping"):
            return RunState("✓", "done")
        if view.ended.reason in ("failed", "diverged"):
            return RunState("✗", view.ended.reason)
        return RunState("‖", "stopped")
    if view.started is None and not view.revision:
        return RunState("·", "empty")
    return RunState("✗", "crashed")


@dataclass(slots=True)
class Followed:
    """A run folder, what is known of it, and the pid of its trainer (None: none lives)."""

    path: Path
    view: RunView
    pid: int | None = None
    gone: bool = False
    """Whether its folder is not there (any more)."""

    @property
    def state(self) -> RunState:
        if self.gone and self.view.revision:
            return RunState("✗", "gone")
        return state_of(self.view, self.pid, time.time())


class _Closely:
    """Reads every event of a run; of a long log's backlog about `BACKLOG_STEPS` step events, evenly.

    The curve has 2,000 points at most, so nobody sees the difference, and 100,000 steps open in a fifth of the time.
    """

    def __init__(self, path: Path) -> None:
        self._lines = LineReader(path / "events.jsonl")
        self._generation = 0
        self._steps = 0
        try:
            self._backlog = (path / "events.jsonl").stat().st_size
        except OSError:
            self._backlog = 0
        self._stride = max(1, self._backlog // (STEP_LINE_BYTES * BACKLOG_STEPS))

    def read(self, run: Followed) -> bool:
        """Feed the next chunk; True if there may be more."""
        before = self._lines.offset
        lines = self._lines.poll(max_bytes=CHUNK_BYTES)
        if self._lines.generation != self._generation:
            self._generation = self._lines.generation
            self._stride = 1
            run.view.reset()
        if before >= self._backlog:
            self._stride = 1
        last = len(lines) - 1
        kept = [line for i, line in enumerate(lines) if not self._skips(line) or i == last]
        events = [decode_bytes(line) for line in kept]
        run.view.feed(event for event in events if event is not None)
        return self._lines.offset - before > CHUNK_BYTES // 2

    def _skips(self, line: bytes) -> bool:
        if self._stride == 1 or not line.startswith(STEP_LINE):
            return False
        self._steps += 1
        return self._steps % self._stride != 0


class _AtAGlance:
    """Reads what a list of runs shows, and of the many `step` lines only each chunk's last: 30 MB in 0.1 s."""

    def __init__(self, path: Path) -> None:
        self._lines = LineReader(path / "events.jsonl")
        self._generation = 0

    def read(self, run: Followed) -> bool:
        before = self._lines.offset
        lines = self._lines.poll(max_bytes=4 * CHUNK_BYTES)
        if self._lines.generation != self._generation:
            self._generation = self._lines.generation
            run.view.reset()
        step = None
        for line in lines:
            if line.startswith(STEP_LINE):
                step = line
            elif not line.startswith((b'{"type":"sample_text"', b'{"type":"sample_begin"')):
                event = decode_bytes(line)
                if event is not None:
                    run.view.feed([event])
        if step is not None:
            event = decode_bytes(step)
            if event is not None:
                run.view.feed([event])
        return self._lines.offset - before > 2 * CHUNK_BYTES


class Watcher(threading.Thread):
    """Calls `tell` (from this thread) when something changed: with the followed runs that did, or None for the list.

    All from `follow` to `end` is for the application's thread.
    """

    def __init__(self, runs: Path, tell: Callable[[list[Followed] | None], None]) -> None:
        super().__init__(name="run watcher", daemon=True)
        self.runs_dir = runs
        self._tell = tell
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ended = False
        self._closely: dict[Path, tuple[Followed, _Closely]] = {}
        self._viewers: Counter[Path] = Counter()
        self._glances: dict[Path, tuple[Followed, _AtAGlance]] = {}

    def follow(self, path: Path) -> Followed:
        """Read this run closely from now on; its view fills in the background."""
        with self._lock:
            self._viewers[path] += 1
            if path in self._closely:
                return self._closely[path][0]
            run = Followed(path, RunView(path.name), lock.live(path))
            self._closely[path] = (run, _Closely(path))
        self._wake.set()
        return run

    def leave(self, path: Path) -> None:
        """One screen fewer looks at this run; the last one's leaving ends the close reading."""
        with self._lock:
            self._viewers[path] -= 1
            if self._viewers[path] <= 0:
                del self._viewers[path]
                self._closely.pop(path, None)

    def known(self) -> list[Followed]:
        """The runs of the runs folder, newest first; those with a live trainer before all others."""
        with self._lock:
            runs = [run for run, _ in self._glances.values()]
        return sorted(runs, key=lambda r: (r.pid is None, -r.view.time, r.path.name))

    def look_now(self) -> None:
        """Look at once, without waiting for the next tick."""
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    def run(self) -> None:
        scanned = told = -math.inf
        waiting: dict[Path, Followed] = {}
        while not self._ended:
            began = time.monotonic()
            changed, more, typing = self._read_closely()
            waiting.update((run.path, run) for run in changed)
            # While a long log is read, the screens draw now and then and leave the time to the reading.
            if waiting and (not more or began - told >= CATCHING_UP_S):
                told = began
                self._tell(list(waiting.values()))
                waiting.clear()
            if began - scanned >= RESCAN_S or (self._wake.is_set() and not more):
                scanned = began
                with suppress(OSError, RnnStudioError):  # what it cannot read now the next look may
                    if self._scan():
                        self._tell(None)
            self._wake.clear()
            if not more:
                self._wake.wait(TICK_S if typing else IDLE_S)

    def _read_closely(self) -> tuple[list[Followed], bool, bool]:
        """The runs that changed, whether there may be more to read, and whether one is writing a sample."""
        with self._lock:
            followed = list(self._closely.values())
        changed: list[Followed] = []
        more = False
        deadline = time.monotonic() + TICK_S
        for run, reader in followed:
            before = (run.view.revision, run.pid, run.gone)
            while True:
                unread = reader.read(run)
                if not unread or time.monotonic() > deadline or self._ended:
                    break
            more = more or unread
            run.pid = lock.live(run.path)
            run.gone = not exists(run.path)
            if (run.view.revision, run.pid, run.gone) != before:
                changed.append(run)
        typing = any(run.view.writing and run.pid is not None for run, _ in followed)
        return changed, more, typing

    def _scan(self) -> bool:
        """Look at every run folder; True if the list should be drawn again."""
        found = [run.path for run in list_runs(self.runs_dir)]
        changed = False
        with self._lock:
            for gone in set(self._glances) - set(found):
                del self._glances[gone]
                changed = True
            for path in found:
                if path not in self._glances:
                    view = RunView(path.name, limit=GLANCE_LIMIT, sample_chars=GLANCE_CHARS)
                    self._glances[path] = (Followed(path, view), _AtAGlance(path))
                    changed = True
            glances = list(self._glances.values())
        for run, reader in glances:
            before = (run.view.revision, run.pid)
            while reader.read(run) and not self._ended:
                pass
            run.pid = lock.live(run.path)
            changed = changed or (run.view.revision, run.pid) != before
        return changed
