"""What the studio costs a trainer that keeps all cores busy, and how soon keys act meanwhile.

python -m benchmarks beside [MINUTES]

One trainer goes on all the time, started as the studio starts one. Beside it the studio comes and goes in a real
pseudo-terminal: 15 seconds on the live screen with nobody typing, 15 without. Its cost is the
median, over the pairs, of what the trainer did with it against what it did without; keys are pressed after each
window with it.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

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
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks beside",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("minutes", type=float, nargs="?", default=3.0)
    minutes = parser.parse_args(arguments).minutes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trainer = Trainer(folder)
        try:
            trainer.wait(50)
            pairs: list[tuple[float, float]] = []
            taken: list[float] = []
            ends = time.monotonic() + 60 * minutes
            while not pairs or time.monotonic() < ends:
                rate, share, pressed = with_studio(trainer, folder)
                pairs.append((rate, without(trainer)))
                taken += pressed
                print(
                    f"tokens/s with {pairs[-1][0]:,.0f}, without {pairs[-1][1]:,.0f}; studio {share:.1%} of a core",
                    flush=True,
                )
        finally:
            trainer.end()
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"the studio costs {1 - ratio:.1%} of the trainer's tokens/s (median of {len(pairs)} pairs)"
    )
    taken.sort()
    print(
        f"key to effect: median {statistics.median(taken):.0f} ms, 95th percentile"
        f" {taken[int(len(taken) * 0.95)]:.0f} ms of {len(taken)}"
    )
    return 0
