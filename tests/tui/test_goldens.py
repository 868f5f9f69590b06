"""Every screen, empty, live, finished and failed, as plain text: from recordings of real training.

Finished is the demo's recording, live the same cut where its trainer was at work, failed a run whose disk was full,
empty one that has logged nothing. `scripts/record_goldens.py` records; `pytest --update-goldens` draws.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from checkpoints.checkpoint import write_checkpoint
from checkpoints.lock import TrainerLock
from tests.tui.conftest import Golden, screen_text, until
from tui import demo, recipe
from tui.app import Studio
from tui.load import Load
from tui.screens.compare import Compare
from tui.screens.evolution import Evolution
from tui.screens.live import Live
from tui.screens.music import Music
from tui.screens.playground import Playground

HERE = Path(__file__).parent
RECORDINGS = HERE / "recordings"
ANSWERS = [sys.executable, str(HERE / "replay.py"), str(RECORDINGS / "answers.json")]
STATES = ("empty", "live", "finished", "failed")
SIZES = [(80, 24), (160, 48)]
DEMO = Path(demo.__file__).parent / demo.NAME
CUT = 0.6
"""The share of the demo's events that a live run has logged."""

sized = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
stated = pytest.mark.parametrize("state", STATES)


def a_run(runs: Path, state: str, name: str = "folk-tunes") -> Path:
    """A run folder in this state."""
    path = runs / name
    shutil.copytree(RECORDINGS / "broken" if state == "failed" else DEMO, path)
    log = path / "events.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    if state == "live":
        log.write_text("".join(lines[: round(len(lines) * CUT)]), encoding="utf-8")
    elif state == "empty":
        log.unlink()
    return path


def held(state: str, path: Path) -> AbstractContextManager[Any]:
    """A trainer's lock, where one is at work."""
    return TrainerLock(path) if state == "live" else nullcontext()


def last_time(path: Path) -> float:
    log = path / "events.jsonl"
    if not log.exists():
        return 0.0
    return float(json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["time"])


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stops the studio's clock, and the trainer's use of the processor with it."""

    def stop(now: float) -> None:
        clock = SimpleNamespace(time=lambda: now, monotonic=time.monotonic)
        for module in ("tui.watch", "tui.screens.home"):
            monkeypatch.setattr(f"{module}.time", clock)
        monkeypatch.setattr(Load, "percent", lambda _self, _pid: None)

    return stop


@asynccontextmanager
async def opened(
    runs: Path, size: tuple[int, int], run: Path | None = None
) -> AsyncIterator[Pilot[None]]:
    app = Studio(runs, open_run=run, settings_path=runs.parent / "studio.json", child=ANSWERS)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield pilot


@sized
@stated
async def test_home(
    runs: Path, at: Callable[[float], None], golden: Golden, size: tuple[int, int], state: str
) -> None:
    if state == "empty":
        at(0.0)
        async with opened(runs, size) as pilot:
            await until(pilot, lambda: "No runs yet" in screen_text(pilot.app))
            await golden(f"home-empty-{size[0]}x{size[1]}", pilot)
        return
    path = a_run(runs, state)
    at(last_time(path) + 90 * (state != "live"))
    with held(state, path):
        async with opened(runs, size) as pilot:
            await until(pilot, lambda: "folk-tunes" in screen_text(pilot.app))
            await golden(f"home-{state}-{size[0]}x{size[1]}", pilot)


SCREENS: dict[str, Callable[[Path], Screen[None]]] = {
    "live": Live,
    "evolution": Evolution,
    "music": lambda path: Music(path, "abc_tunes"),
}


@sized
@stated
@pytest.mark.parametrize("name", SCREENS)
async def test_a_runs_screens(
    runs: Path,
    at: Callable[[float], None],
    golden: Golden,
    size: tuple[int, int],
    state: str,
    name: str,
) -> None:
    path = a_run(runs, state)
    at(last_time(path))
    with held(state, path):
        async with opened(runs, size) as pilot:
            await read_whole(pilot, path)
            pilot.app.push_screen(SCREENS[name](path))
            await golden(f"{name}-{state}-{size[0]}x{size[1]}", pilot)


async def read_whole(pilot: Pilot[None], path: Path) -> None:
    """Wait until the run's log has been read to its end, so that a screen opens on all of it."""
    app = pilot.app
    assert isinstance(app, Studio)
    run = app.watcher.follow(path)
    if (path / "events.jsonl").exists():
        last = last_time(path)
        await until(pilot, lambda: run.view.time == last)


@sized
@stated
async def test_compare(
    runs: Path, at: Callable[[float], None], golden: Golden, size: tuple[int, int], state: str
) -> None:
    """The demo's finished run beside one in each state."""
    first = a_run(runs, "finished")
    path = a_run(runs, state, "other")
    at(last_time(first))
    with held(state, path):
        async with opened(runs, size) as pilot:
            await read_whole(pilot, first)
            await read_whole(pilot, path)
            pilot.app.push_screen(Compare([first, path]))
            await golden(f"compare-{state}-{size[0]}x{size[1]}", pilot)


@sized
@stated
async def test_playground(
    runs: Path, at: Callable[[float], None], golden: Golden, size: tuple[int, int], state: str
) -> None:
    """Empty: no checkpoint; live: a text goes on; finished: the surprise view; failed: its model's process is gone."""
    path = a_run(runs, "failed" if state != "empty" else "empty")
    at(last_time(path))
    if state != "empty":
        write_checkpoint(path, 100, {"config.json": b"{}"}, about={"nats_per_char": 2.2})
    async with opened(runs, size) as pilot:
        app = pilot.app
        assert isinstance(app, Studio)
        if state == "failed":
            app.child._argv = [sys.executable, "-c", "import sys; sys.stdin.readline()"]
        pilot.app.push_screen(Playground(path))
        if state == "failed":
            await until(pilot, lambda: "✗ the model's process" in screen_text(pilot.app))
            pilot.app.clear_notifications()
        elif state == "empty":
            await until(pilot, lambda: "has no checkpoint" in screen_text(pilot.app))
        else:
            await until(pilot, lambda: "bits open" in screen_text(pilot.app))
            await pilot.press(*"X:1\\nT:", "enter")
            await until(pilot, lambda: "seed 1 ·" in screen_text(pilot.app))
            if state == "finished":
                await pilot.press("w")
                await until(pilot, lambda: "rather" in screen_text(pilot.app))
        await golden(f"playground-{state}-{size[0]}x{size[1]}", pilot)


TYPED = {"empty": "", "live": "written.txt", "finished": "written.txt", "failed": "missing.txt"}


@sized
@stated
async def test_new_run(
    runs: Path,
    at: Callable[[float], None],
    golden: Golden,
    size: tuple[int, int],
    state: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Empty: no text yet; live: it is being checked; finished: it is; failed: there is no such text."""
    at(0.0)
    recorded = json.loads((RECORDINGS / "answers.json").read_text(encoding="utf-8"))

    async def finish(*_: object) -> tuple[int, str, str]:
        if state == "live":
            await asyncio.Event().wait()
        return 0, json.dumps(recorded["check"]), ""

    monkeypatch.setattr("tui.launch.finish", finish)
    monkeypatch.setattr("tui.recipe.default_runs", lambda: runs)  # no path of this machine
    # Nor is there anything new to see whenever a cell is added.
    cell = "Recurrent cell."
    settings = tuple(
        replace(field, help=cell) if field.name == "cell" else field for field in recipe.fields()
    )
    monkeypatch.setattr("tui.recipe.fields", lambda: settings)
    async with opened(runs, size) as pilot:
        app = pilot.app
        assert isinstance(app, Studio)
        app.open_new(TYPED[state])
        await golden(f"newrun-{state}-{size[0]}x{size[1]}", pilot)
