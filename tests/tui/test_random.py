"""Random keys, clicks, pastes and sizes, by the thousand in scripts/faults: no exception, no freeze."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest
from textual import events
from textual.errors import NoWidget

from tests.tui import recorded
from tests.tui.conftest import Open, screen_text, until
from tests.tui.test_hostile import EVIL, hostile_events
from tui.screens.home import Home

KEYS = [
    *"abcdefhijklmoprstuvwxyzABGKRTVX0123456789,.+-/?", "enter", "escape", "tab", "shift+tab", "up", "down", "left",
    "right", "home", "end", "pageup", "pagedown", "space", "backspace", "f1", "f2", "f3", "f4", "f8", "f12", "ctrl+o",
    "ctrl+t", "ctrl+p", "ctrl+u",
]  # fmt: skip
# n and F5 start processes; q, Q and ctrl+q end the studio: they have tests of their own.
SIZES = [(1, 1), (20, 5), (59, 16), (60, 15), (60, 16), (80, 24), (100, 30), (160, 48), (300, 100)]
EVENTS = int(os.environ.get("RNNSTUDIO_RANDOM_EVENTS", "50"))
"""From each of the seeds; scripts/faults sets 5,000."""
PATIENCE_S = 120.0


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_input_neither_ends_nor_freezes_the_studio(
    studio: Open, runs: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(
        "tui.launch.Jobs.start", lambda _self, words, _folder: started.append(words)
    )
    monkeypatch.setattr("tui.launch.open_folder", lambda _path: False)
    rng = random.Random(seed)
    for i in range(4):
        recorded.make_run(runs, f"run-{i}", recorded.history(until=300))
    recorded.make_run(runs, "hostile", hostile_events("plays"))
    async with studio(size=(100, 30)) as pilot:
        await until(pilot, lambda: "run-3" in screen_text(pilot.app))
        done: list[str] = []
        try:
            for _ in range(EVENTS):
                await asyncio.wait_for(one(pilot, rng, done), PATIENCE_S)
        except Exception as error:
            pytest.fail(f"seed {seed}: {error!r} after {done[-12:]}")
        await pilot.resize_terminal(100, 30)
        for _ in range(12):
            await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Home))


async def one(pilot, rng: random.Random, done: list[str]) -> None:  # type: ignore[no-untyped-def]
    what = rng.random()
    if what < 0.8:
        key = rng.choice(KEYS)
        done.append(key)
        await pilot.press(key)
    elif what < 0.9:
        width, height = pilot.app.size
        at = (rng.randrange(max(1, width)), rng.randrange(max(1, height)))
        done.append(f"click {at}")
        await until(pilot, lambda: is_drawn(pilot, at), "a screen that can be clicked")
        await pilot.click(offset=at)
    elif what < 0.95:
        size = rng.choice(SIZES)
        done.append(f"size {size}")
        await pilot.resize_terminal(*size)
    else:
        done.append("paste")
        pilot.app.post_message(events.Paste(EVIL[: rng.randrange(len(EVIL))]))
        await pilot.pause()


def is_drawn(pilot, at: tuple[int, int]) -> bool:  # type: ignore[no-untyped-def]
    try:
        pilot.app.screen.get_widget_at(*at)
    except NoWidget:
        return False
    return True
