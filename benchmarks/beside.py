"""What the studio costs a trainer that keeps all cores busy, and how soon keys act meanwhile.

    python -m benchmarks beside [MINUTES]

One trainer goes on all the time, started as the studio starts one. Beside it the studio comes and goes in a real
pseudo-terminal: 15 seconds on the live screen with nobody typing, 15 without. Its cost is the
median, over the pairs, of what the trainer did with it against what it did without; keys are pressed after each
window with it.
"""

from __future__ import annotations

import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import options, report
from checkpoints import events as ev
from checkpoints.eventlog import EventReader
from checkpoints.lock import live
from tests.tui.terminal import Terminal
from tui import launch

WINDOW_S = 15.0
SETTLE_S = 3.0
"""The studio's start, and the trainer's way back to full speed, are no part of a window."""
KEYS = (
    (b"m", b" speed "),
    (b"m", b" learning rate "),
    (b"m", b" gradient norm "),
    (b"m", b" loss "),
) * 10
TRAINING = "train abc-tunes --name beside --layers 2 --hidden 192 --steps 1000000 --checkpoint-every 100000"


class Trainer:
    """A trainer started as the studio starts one."""

    def __init__(self, folder: Path) -> None:
        runs = folder / "runs"
        runs.mkdir()
        self.run = runs / "beside"
        threads = str(os.cpu_count() or 2)
        self._job = launch.Jobs(runs, {}).start(
            [*TRAINING.split(), "--runs", str(runs), "--threads", threads], self.run
        )
        self._events = EventReader(self.run / "events.jsonl")
        self._steps: list[ev.Step] = []

    def wait(self, steps: int) -> None:
        while not self._steps or self._steps[-1].step < steps:
            assert self._job.process.poll() is None, self._job.log.read_text()
            time.sleep(0.2)
            self.read()

    def read(self) -> None:
        self._steps += [e for e in self._events.poll() if isinstance(e, ev.Step)]

    def tokens_per_s(self, began: float) -> float:
        """Over the steps since a moment, by the log's own clock."""
        self.read()
        steps = [e for e in self._steps if e.time >= began]
        return (steps[-1].tokens - steps[0].tokens) / (steps[-1].time - steps[0].time)

    def end(self) -> None:
        os.kill(live(self.run) or self._job.process.pid, signal.SIGKILL)
        self._job.process.wait()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def with_studio(trainer: Trainer, folder: Path) -> tuple[float, float, list[float]]:
    """Tokens a second beside the studio, the share of a core that it took, milliseconds from each key to its effect."""
    with Terminal(["tui", str(trainer.run)], cwd=folder, columns=120, lines=40) as terminal:
        terminal.until(b"running")
        terminal.drain(SETTLE_S)
        began, used = time.time(), cpu_seconds(terminal.pid)
        terminal.drain(WINDOW_S)
        rate = trainer.tokens_per_s(began)
        share = (cpu_seconds(terminal.pid) - used) / (time.time() - began)
        taken = []
        for key, effect in KEYS:
            at = len(terminal.written)
            pressed = time.perf_counter()
            terminal.send(key)
            terminal.until(effect, after=at)
            taken.append(1000 * (time.perf_counter() - pressed))
            terminal.drain(0.13)
        terminal.send(b"\x11")
        terminal.end()
    return rate, share, taken


def without(trainer: Trainer) -> float:
    time.sleep(SETTLE_S)
    began = time.time()
    time.sleep(WINDOW_S)
    return trainer.tokens_per_s(began)


def main(arguments: list[str]) -> int:
    """Measure; prints a table of the pairs and what they come to."""
    parser = report.arguments(__doc__, "beside")
    parser.add_argument("minutes", type=options.budget, nargs="?", default=3.0)
    args = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trainer = Trainer(folder)
        try:
            trainer.wait(50)
            ends = time.monotonic() + 60 * args.minutes
            while not rows or time.monotonic() < ends:
                beside, share, pressed = with_studio(trainer, folder)
                alone = without(trainer)
                rows.append(
                    {
                        "tokens/s with": beside,
                        "without": alone,
                        "ratio": beside / alone,
                        "studio, of a core": share,
                    }
                )
                print(report.table(rows[-1:]).split("\n")[-1], flush=True)
                taken += pressed
        finally:
            trainer.end()
    ratio = statistics.median(row["ratio"] for row in rows)
    keys_ms = statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)]
    report.publish(args, rows, ratio=ratio, key_ms=keys_ms[0], key_ms_95=keys_ms[1])
    print(
        f"the studio costs {1 - ratio:.1%} of the trainer's tokens/s (median of {len(rows)} pairs)"
    )
    print(
        f"key to effect: median {keys_ms[0]:.0f} ms, 95th percentile {keys_ms[1]:.0f} ms of {len(taken)}"
    )
    return 0
