"""Nothing that a corpus, a model, a file name or an error may hold can crash, restyle or command the terminal."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from checkpoints import events as ev
from tests.tui import recorded
from tests.tui.conftest import Open, control_bytes, screen_text, until
from tui import dialogs
from tui.screens.compare import Compare
from tui.screens.evolution import Evolution
from tui.screens.live import Live
from tui.screens.music import Music
from tui.screens.newrun import NewRun
from tui.screens.playground import Playground

EVIL = (
    "[/] [bold]x[/bold] [@click=app.quit]quit[/] [red \x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://x\x07 "
    "\x9b2J \x00\x01\x08\x0c\x7f \u202eright to left\u202c \u200bzero\u200dwidth 漢字かな 👩‍🚀 e\u0301\u0301\u0301 "
    "\ud800 \u2028line \ufeff \\[escaped] $variable {brace} %s\r\n\ttab"
)
NAME = "[/] [bold]\x1b[31m \u202eevil"


def hostile_events(genre: str) -> list[ev.Event]:
    out: list[ev.Event] = []
    for event in recorded.history(until=300):
        if isinstance(event, ev.Started):
            event = dataclasses.replace(event, corpus=EVIL, device=EVIL, genre=genre, run=EVIL)
        if isinstance(event, ev.SampleFinished):
            event = dataclasses.replace(event, text=EVIL * 3, prime=EVIL, metrics={EVIL: 0.5})
        if isinstance(event, ev.Figures):
            event = dataclasses.replace(event, model={EVIL: 0.5}, human={EVIL: 0.9})
        if isinstance(event, ev.CheckpointWritten):
            event = dataclasses.replace(event, reason=EVIL)
        out.append(event)
    out += [
        ev.Milestone(step=300, name=EVIL, text=EVIL),
        ev.ControlApplied(step=300, request=EVIL, value={EVIL: EVIL}, text=EVIL),
        ev.Note(step=300, text=EVIL),
        ev.Warned(step=300, text=EVIL, hint=EVIL),
        ev.Failed(step=300, text=EVIL, hint=EVIL),
    ]
    return out


GENRES = ("stage", "plays", "latex", "c_source", "recipes", "abc_tunes")


def make_hostile(runs: Path, genre: str, name: str = NAME) -> Path:
    path = recorded.make_run(runs, name.replace("/", "|"), [], genre=EVIL)
    with (path / "events.jsonl").open("w", encoding="utf-8", errors="surrogatepass") as log:
        for event in hostile_events(genre):
            log.write(json.dumps(json.loads(ev.encode(event))) + "\n")
    (path / "run.json").write_text(json.dumps({"model": {EVIL: EVIL}, "corpus": {"paths": [EVIL]}}))
    (path / "run.log").write_bytes(EVIL.encode("utf-8", "surrogatepass") + b"\n\xff\xfe\x1b[5m\n")
    return path


@pytest.fixture
def hostile(runs: Path) -> Path:
    return make_hostile(runs, EVIL)


async def is_clean(pilot: Pilot[None]) -> None:
    await pilot.pause()
    found = control_bytes(screen_text(pilot.app))
    assert not found, f"{found!r} in\n{screen_text(pilot.app)}"
    # A title shows the name's brackets: they are no markup.
    for line in screen_text(pilot.app).splitlines():
        assert "╭" not in line or "evil" not in line or "[bold]" in line, line
    # Nothing of the corpus became an action that a click would run.
    for strip in pilot.app.screen._compositor.render_strips():
        for segment in strip:
            meta = segment.style.meta if segment.style is not None else {}
            assert "quit" not in str(meta.get("@click", "")), segment


async def shows(pilot: Pilot[None], screen: Screen[Any], words: str) -> None:
    """Open the screen, wait for what it has to show, and look at it."""
    pilot.app.push_screen(screen)
    await until(pilot, lambda: pilot.app.screen is screen and words in screen_text(pilot.app))
    await is_clean(pilot)


async def test_no_screen_obeys_a_hostile_run(studio: Open, hostile: Path) -> None:
    async with studio(size=(120, 40)) as pilot:
        await until(pilot, lambda: "evil" in screen_text(pilot.app))
        await is_clean(pilot)
        await shows(pilot, Live(hostile), "zero")
        for key in "l m m question_mark escape comma t escape w escape".split():
            await pilot.press(key)
            await is_clean(pilot)
        await shows(pilot, Evolution(hostile), "checkpoints")
        for key in "left d d space r escape x".split():
            await pilot.press(key)
            await is_clean(pilot)
        await shows(pilot, Compare([hostile, hostile]), "evil")
        await shows(pilot, Playground(hostile), "evil")
        await shows(pilot, NewRun(EVIL), "same in a shell")
        await shows(pilot, Music(hostile, "abc_tunes"), "evil")
        await shows(pilot, dialogs.Read(EVIL, [(EVIL, "")]), "right to left")
        await shows(pilot, dialogs.Choose(EVIL, EVIL, [("a", EVIL)]), "right to left")
        await shows(pilot, dialogs.Ask(EVIL, EVIL, EVIL, lambda _: EVIL), "right to left")
        pilot.app.say(EVIL, hint=EVIL, grave=True)  # type: ignore[attr-defined]
        pilot.app.notify(EVIL, title="x", markup=False)
        await is_clean(pilot)
        assert not pilot.app._exit


async def test_no_genres_colours_obey_a_hostile_sample(studio: Open, runs: Path) -> None:
    """Each genre styles a sample in its own way: on the screens that show samples, all of them."""
    paths = [make_hostile(runs, genre, f"{genre} {NAME}") for genre in GENRES]
    async with studio(size=(120, 40)) as pilot:
        await until(pilot, lambda: "evil" in screen_text(pilot.app))
        for path in paths:
            await shows(pilot, Live(path), "zero")
            await pilot.press("l")
            await is_clean(pilot)
            await shows(pilot, Evolution(path), "zero")
            for key in ("left", "d", "d", "space"):
                await pilot.press(key)
                await is_clean(pilot)


async def test_the_palette_shows_a_hostile_name_as_a_name(studio: Open, hostile: Path) -> None:
    del hostile
    async with studio(size=(100, 30)) as pilot:
        await until(pilot, lambda: "evil" in screen_text(pilot.app))
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Rename" in screen_text(pilot.app))
        await pilot.press(*"open [bold")
        await until(pilot, lambda: "Open [|] [bold]" in screen_text(pilot.app))
        await is_clean(pilot)


async def test_pasted_and_typed_controls_become_pictures(studio: Open) -> None:
    from textual import events

    from tui.widgets.field import Field

    async with studio() as pilot:
        pilot.app.open_new("")  # type: ignore[attr-defined]
        await until(pilot, lambda: "same in a shell" in screen_text(pilot.app))
        field = pilot.app.screen.query(Field).first()
        field.focus()
        pilot.app.screen.post_message(events.Paste(EVIL))
        await until(pilot, lambda: "red" in field.value)
        assert not control_bytes(field.value)
        await is_clean(pilot)


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
def test_no_control_byte_of_the_corpus_reaches_the_wire(runs: Path, tmp_path: Path) -> None:
    """In a real pseudo-terminal: what the studio writes holds Textual's own sequences and nothing of the sample's."""
    from tests.tui.terminal import Terminal

    marked = "BEGIN\x1b[38;5;123mINK\x1b]0;OWNED\x07\x9b5m\x08\x00END"
    events = [
        dataclasses.replace(e, text=marked, prime="") if isinstance(e, ev.SampleFinished) else e
        for e in recorded.history(until=300)
    ]
    path = recorded.make_run(runs, "plays", events)
    with Terminal(["tui", str(path)], cwd=tmp_path, columns=100, lines=30) as terminal:
        terminal.until(b"BEGIN")
        terminal.until(b"END")
        terminal.send(b"\x11")
        written = terminal.end()
    assert b"OWNED\x07" not in written
    assert b"\x1b[38;5;123mINK" not in written
    assert b"\x00" not in written
    assert b"\xc2\x9b" not in written
    assert not re.search(rb"BEGIN\x1b\[38;5;123m", written)
    assert "␛".encode() in written
