"""What the studio's tests share: a studio on a folder of runs, and screens as plain text."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.app import App
from textual.pilot import Pilot

from corpora import catalogue
from tui.app import Studio

# The playground as it is, but for the speed of this machine, which costs importing torch.
CHILD = [
    sys.executable,
    "-c",
    "from rnnstudio import playground as p\n"
    "p.Playground._speed = lambda self, body: {'tokens_per_s': 20_000.0, 'weights': 100_000}\n"
    "p.main()",
]
ROOT = Path(__file__).resolve().parents[2]
GOLDENS = Path(__file__).parent / "goldens"

Golden = Callable[[str, "Pilot[None]"], Awaitable[None]]
Open = Callable[..., AbstractAsyncContextManager["Pilot[None]"]]


PATIENCE_S = 60.0
"""How long a machine may take, however busy, to show what is waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Screens answer in their own time: on a starved machine a test can look too early and gets another look."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=2))


async def settled(_min_sleep: float = 0, _max_sleep: float = 1) -> None:
    """Wait until the loop has nothing left to do but to wait."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    idle = 0
    for _ in range(1000):
        await asyncio.sleep(0)
        idle = 0 if ready else idle + 1
        if idle == 3:
            return


@pytest.fixture(autouse=True)
def no_sleep_after_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual's pilot sleeps 20 ms or more after each key, until the processor rests."""
    monkeypatch.setattr("textual.pilot.wait_for_idle", settled)
    monkeypatch.setattr("textual.app.wait_for_idle", settled)


@pytest.fixture(autouse=True)
def one_corpus_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What screens show must not change whenever a corpus is added to the catalogue."""
    known = {"abc-tunes": catalogue.builtin()["abc-tunes"]}
    monkeypatch.setattr(catalogue, "builtin", lambda: known)


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The same clock zone, caches and animations on every machine."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("RNNSTUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    if hasattr(time, "tzset"):
        time.tzset()
    yield
    os.environ.pop("TZ", None)
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def studio(runs: Path, tmp_path: Path) -> Open:
    """Opens a studio on the runs folder: `async with studio(size=(80, 24)) as pilot`."""

    @asynccontextmanager
    async def open_(
        *, size: tuple[int, int] = (80, 24), run: Path | None = None, ascii_only: bool = False
    ) -> AsyncIterator[Pilot[None]]:
        app = Studio(
            runs,
            open_run=run,
            ascii_only=ascii_only,
            settings_path=tmp_path / "studio.json",
            child=CHILD,
        )
        async with app.run_test(size=size, notifications=True) as pilot:
            yield pilot

    return open_


async def until(pilot: Pilot[None], condition: Callable[[], bool], what: str = "") -> None:
    """Let the studio work until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        await pilot.pause()
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"never happened: {what or condition}\n{screen_text(pilot.app)}")


def burst(pilot: Pilot[None], *keys: str) -> None:
    """Press keys so quickly that the first has not been answered when the last arrives."""
    for key in keys:
        event = events.Key(key, key if len(key) == 1 else None)
        event.set_sender(pilot.app)
        pilot.app.post_message(event)


def screen_text(app: App[None]) -> str:
    """The screen as plain text, one line a row, without spaces at line ends."""
    strips = app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    return "\n".join(lines).rstrip() + "\n"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares the screen with the text in goldens/, once it has settled; `--update-goldens` writes it."""

    async def compare(name: str, pilot: Pilot[None]) -> None:
        path = GOLDENS / f"{name}.txt"
        if request.config.getoption("--update-goldens"):
            await pilot.pause(1.0)
            path.parent.mkdir(exist_ok=True)
            path.write_text(screen_text(pilot.app), encoding="utf-8")
            return
        assert path.exists(), f"no golden {name}; write it with --update-goldens and look at it"
        expected = path.read_text(encoding="utf-8")
        deadline = (
            time.monotonic() + PATIENCE_S / 4
        )  # a changed picture should not take long to say so
        while screen_text(pilot.app) != expected and time.monotonic() < deadline:
            await pilot.pause(0.06)
        assert screen_text(pilot.app).splitlines() == expected.splitlines()

    return compare


def control_bytes(text: str) -> list[str]:
    """Characters that a terminal would obey."""
    return re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", text)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was really trained, for four seconds: with checkpoints that can write."""
    folder = tmp_path_factory.mktemp("trained")
    rng = random.Random(1)
    words = "the king shall speak of night and day my lord what sword door again".split()
    lines = (" ".join(rng.choice(words) for _ in range(8)) for _ in range(600))
    (folder / "text.txt").write_text("\n".join(lines))
    options = (
        "--hidden 24 --layers 1 --embed 16 --lanes 4 --bptt 32 --steps 80 --checkpoint-every 40"
    )
    subprocess.run(
        [sys.executable, "-P", "-m", "rnnstudio", "train", "text.txt", "--name", "tiny", *options.split(),
         "--sample-length", "60", "--threads", "1"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RNNSTUDIO_CACHE": str(folder / "cache")},
        check=True,
        capture_output=True,
        timeout=240,
    )  # fmt: skip
    return folder / "runs" / "tiny"
