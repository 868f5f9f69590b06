"""The demo: a recording, in a folder of its own that outlives the studio only if something was made in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rnnstudio.commands import tui as command
from tests.cli import here
from tests.tui.conftest import Open, screen_text, until
from tui import demo


def test_a_demo_that_was_only_looked_at_leaves_nothing() -> None:
    told: list[Path] = []
    with demo.runs_folder(told.append) as runs:
        assert (runs / demo.NAME / "run.json").is_file()
    assert not runs.parent.exists()
    assert not told


def test_what_was_made_in_the_demo_is_kept_and_said() -> None:
    told: list[Path] = []
    with demo.runs_folder(told.append) as runs:
        made = runs / demo.NAME / "film" / "film.txt"
        made.parent.mkdir()
        made.write_text("a film")
    try:
        assert made.read_text() == "a film"
        assert told == [runs]
    finally:
        shutil.rmtree(runs.parent)


def test_the_command_tells_the_studio_that_it_shows_the_demo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[object] = []

    class Stub:
        def __init__(self, *_: object, demo: bool, **__: object) -> None:
            opened.append(demo)

        def run(self) -> None: ...

    monkeypatch.setattr("tui.app.Studio", Stub)
    monkeypatch.setenv("TEXTUAL_DRIVER", "of a browser, as here is no terminal")
    command.tui(demo=True)
    assert opened == [True]


def test_without_a_terminal_the_studio_is_not_opened(tmp_path: Path) -> None:
    for words in (("tui",), ("tui", "--demo"), ("--demo",)):
        done = here(*words, cwd=tmp_path, expect=(2,))
        assert "needs a terminal" in done.err
        assert "rnnstudio watch RUN" in done.err


async def test_a_recording_is_not_forked(studio: Open, runs: Path) -> None:
    shutil.copytree(Path(demo.__file__).parent / demo.NAME, runs / demo.NAME)
    async with studio(run=runs / demo.NAME) as pilot:
        pilot.app.demo = True  # type: ignore[attr-defined]
        await until(pilot, lambda: "bits/char" in screen_text(pilot.app))
        await pilot.press("b")
        await until(pilot, lambda: "a recording has no model" in screen_text(pilot.app))
