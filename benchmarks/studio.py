"""How fast the studio is: first screen, key presses, and a run of 100,000 logged steps and 500 checkpoints.

python -m benchmarks studio
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import report
from checkpoints import events as ev
from tests.tui import recorded
from tests.tui.conftest import settled
from tests.tui.terminal import Terminal
from tui.app import Studio


def first_screen(folder: Path) -> float:
    """Seconds from the command to the first painted screen, in a pseudo-terminal."""
    began = time.perf_counter()
    with Terminal(["tui"], cwd=folder) as terminal:
        terminal.until(b"runs")
        return time.perf_counter() - began


def long_run(runs: Path) -> Path:
    path = recorded.make_run(runs, "long", [recorded.started(steps=100_000)])
    step = json.loads(ev.encode(recorded.step_event(10, 100_000)))
    with (path / "events.jsonl").open("a", encoding="utf-8") as log:
        for i in range(1, 100_001):
            log.write(json.dumps({**step, "step": i}, separators=(",", ":")) + "\n")
            if i % 200 == 0:
                for event in recorded.checkpoint(i):
                    log.write(ev.encode(event) + "\n")
    return path


async def opening_and_keys(runs: Path, path: Path) -> tuple[float, list[float]]:
    """Seconds until the long run is read whole, and milliseconds from a key press to its effect, idle."""
    app = Studio(runs, settings_path=runs / "settings.json")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(3.0)  # the list at home has been read
        began = time.perf_counter()
        app.open_live(path)
        while True:
            await asyncio.sleep(0.01)
            run = app.watcher.follow(path)
            if run.view.step == 100_000:
                break
        opened = time.perf_counter() - began
        taken = []
        for key in ("comma", "full_stop", "m", "o", "1", "left", "right", "i", "u") * 10:
            start = time.perf_counter()
            with mock.patch("textual.app.wait_for_idle", settled):  # which would sleep
                await pilot.press(key)
            app.screen._on_timer_update()  # paints
            taken.append(1000 * (time.perf_counter() - start))
        return opened, taken


def main(arguments: list[str]) -> int:
    """Measure; prints a table."""
    args = report.arguments(__doc__, "studio").parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "runs").mkdir()
        screens = [first_screen(folder) for _ in range(5)]
        run = long_run(folder / "runs")
        megabytes = (run / "events.jsonl").stat().st_size / 1e6
        opened, keys = asyncio.run(opening_and_keys(folder / "runs", run))
    rows = [
        _row("first screen, s", screens),
        _row(f"100,000 steps, 500 checkpoints ({megabytes:.0f} MB) read whole, s", [opened]),
        _row("key to effect, ms", keys),
    ]
    report.publish(args, rows)
    return 0


def _row(what: str, taken: list[float]) -> dict[str, Any]:
    taken = sorted(taken)
    return {
        "what": what,
        "times": len(taken),
        "median": statistics.median(taken),
        "95th percentile": taken[int(len(taken) * 0.95)],
    }
