"""Evolution: stepping, what is new, the film, and what is taken away."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import events as ev
from checkpoints.lock import TrainerLock
from tests.tui import recorded
from tests.tui.conftest import Open, control_bytes, screen_text, until
from tui import film, filmfiles
from tui.film import Frame
from tui.screens.evolution import SPEEDS, Evolution
from tui.store import RunView
from tui.widgets.ink import Span

ANY = st.text(max_size=80)


def view_of(events: list[ev.Event]) -> RunView:
    view = RunView("plays")
    view.feed(events)
    return view


async def opened(pilot, path: Path) -> None:  # type: ignore[no-untyped-def]
    pilot.app.push_screen(Evolution(path))
    # Home shows the run's last words "@ 2,000" too, and would take the first key.
    await until(
        pilot,
        lambda: isinstance(pilot.app.screen, Evolution) and "@ 2,000" in screen_text(pilot.app),
    )


async def test_checkpoints_are_stepped_through(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(size=(160, 48)) as pilot:
        await opened(pilot, path)
        await pilot.press("left", "left")
        # Both presses have acted: wide screens show the checkpoint before beside the one that is chosen.
        await until(
            pilot,
            lambda: "@ 700" in screen_text(pilot.app) and "@ 1,200" not in screen_text(pilot.app),
        )
        await pilot.press("home")
        await until(pilot, lambda: "@ 100" in screen_text(pilot.app))
        await pilot.press("end")
        await until(pilot, lambda: "@ 2,000" in screen_text(pilot.app))


async def test_a_pinned_checkpoint_stays_beside_the_others(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await opened(pilot, path)
        await pilot.press("home", "space", "end")
        await until(pilot, lambda: "◆ @ 100" in screen_text(pilot.app))
        assert "@ 2,000" in screen_text(pilot.app)


async def test_the_film_types_each_checkpoint_and_ends_at_the_last(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await opened(pilot, path)
        await pilot.press(*["plus"] * 9, "left", "r")
        await until(pilot, lambda: "▌" in screen_text(pilot.app))
        await until(pilot, lambda: "@ 2,000" in screen_text(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "characters a second" not in screen_text(pilot.app))
        assert "plays" in screen_text(pilot.app)


async def test_who_looks_at_the_last_checkpoint_is_shown_the_next(studio: Open, runs: Path) -> None:
    """Also when a film has ended there; nothing is read anew of a sample that is still being written."""
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await opened(pilot, path)
        screen = pilot.app.screen
        assert isinstance(screen, Evolution)
        screen._speed = len(SPEEDS) - 1
        await pilot.press("left", "r")
        await until(pilot, lambda: screen._film is None and screen._frames[screen._at].step == 2000)
        inked = screen._inked(screen._frames[-1])

        def tell(*events: ev.Event) -> int:
            screen.run.view.feed(events)
            screen.news([screen.run])
            return screen._frames[screen._at].step

        begun, *text, finished = recorded.samples(2300)[:6]
        assert tell(begun, *text) == 2000
        assert screen._inked(screen._frames[-1]) is inked
        assert tell(finished) == 2300
        await pilot.press("left")
        assert tell(dataclasses.replace(finished, step=2500)) == 2000


async def test_export_writes_text_page_and_svg(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    compared: list[bool] = []
    changed = film.changed

    def counting(before: str, now: str) -> list[Span]:
        compared.append(threading.current_thread() is threading.main_thread())
        return changed(before, now)

    async with studio() as pilot:
        await opened(pilot, path)
        monkeypatch.setattr(filmfiles, "changed", counting)
        await pilot.press("x")
        await until(pilot, lambda: (path / "film" / "film.svg").exists())
    assert compared == [False] * 5  # each pair of six once, and not where keys are waited for
    assert {p.name for p in (path / "film").iterdir()} == {"film.txt", "film.html", "film.svg"}


async def test_a_run_without_samples_says_what_to_press(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", [recorded.started()])
    async with studio() as pilot:
        with TrainerLock(path):
            pilot.app.push_screen(Evolution(path))
            await until(pilot, lambda: "s on the live screen" in screen_text(pilot.app))
        await until(pilot, lambda: "It wrote no samples" in screen_text(pilot.app))
        await pilot.press("left", "right", "home", "end", "space", "r", "x", "t", "d", "y")
        await until(pilot, lambda: "nothing to export" in screen_text(pilot.app))


def test_frames_hold_text_loss_figures_and_milestones_of_each_checkpoint() -> None:
    frames = film.frames(view_of(recorded.finished()), 0.8)
    assert [f.step for f in frames] == [100, 300, 500, 700, 1200, 2000]
    assert [f.caption for f in frames] == ["", "first real words", "", "", "", ""]
    assert frames[0].bits_per_char == pytest.approx(recorded.validation(100).bits_per_char)
    assert dict(frames[-1].figures)["valid"] == 0.9


def test_every_checkpoint_has_a_frame_after_the_temperatures_were_changed() -> None:
    events = [
        dataclasses.replace(event, temperature=event.temperature + 0.1 * (event.step >= 1200))
        if isinstance(event, ev.SampleFinished)
        else event
        for event in recorded.finished()
    ]
    frames = film.frames(view_of(events), 0.8)
    assert [f.step for f in frames] == [100, 300, 500, 700, 1200, 2000]
    assert [f.temperature for f in frames] == pytest.approx([0.8] * 4 + [0.9] * 2)


async def test_a_long_name_leaves_room_for_the_rest(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays-" * 10, recorded.finished())
    async with studio() as pilot:
        await opened(pilot, path)
        assert "6 checkpoints   temperature 0.8   showing" in screen_text(pilot.app)


async def test_a_frame_at_another_temperature_says_so(studio: Open, runs: Path) -> None:
    moved = dataclasses.replace(
        next(e for e in recorded.samples(2000) if isinstance(e, ev.SampleFinished)), temperature=3.0
    )
    events = [
        e
        for e in recorded.finished()
        if not (
            isinstance(e, ev.SampleBegun | ev.SampleText | ev.SampleFinished) and e.step == 2000
        )
    ]
    path = recorded.make_run(runs, "plays", [*events[:-1], moved, events[-1]])
    async with studio(size=(160, 48)) as pilot:
        await opened(pilot, path)
        await until(pilot, lambda: "temperature 0.8 or nearest" in screen_text(pilot.app))
        assert "6 checkpoints" in screen_text(pilot.app)
        assert "bits  T 3" in screen_text(pilot.app)


@given(ANY, ANY)
def test_what_is_new_is_marked_in_the_whole_text(before: str, now: str) -> None:
    spans = film.changed(before, now)
    assert "".join(text for text, _ in spans) == now
    assert "".join(t for t, _ in film.unheard([before], now)) == now
    assert film.changed(now, now) in ([(now, "")], [])


def test_new_words_are_those_that_no_earlier_text_held() -> None:
    spans = film.unheard(["the king", "a Door"], "The door opens")
    assert spans == [("The door ", ""), ("opens", "new")]


class Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.tags.append(tag)


@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=4), ANY)
def test_exports_hold_any_text_without_being_broken_by_it(
    texts: list[tuple[str, str]], name: str
) -> None:
    frames = [Frame(i, prime, text, 0.8, 1.0, ("<b>",)) for i, (prime, text) in enumerate(texts)]
    svg = filmfiles.as_svg(name, filmfiles.marked(frames))
    ET.fromstring(svg)
    page = filmfiles.as_html(name, filmfiles.marked(frames))
    parser = Page()
    parser.feed(page)
    harmless = Page()
    harmless.feed(filmfiles.as_html("x", filmfiles.marked([Frame(0, "", "y", 0.8, None, ())])))
    assert parser.tags == harmless.tags
    data = re.search(r'id="film">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert len(json.loads(data[1])) == len(frames)
    text = filmfiles.as_text(name, frames)
    for export in (svg, page, text):
        assert not control_bytes(export)
        export.encode("utf-8")


def test_a_sample_that_holds_a_script_stays_text() -> None:
    evil = "</script><script>alert(1)</script>"
    page = filmfiles.as_html(evil, filmfiles.marked([Frame(1, evil, evil, 0.8, 1.0, (evil,))]))
    assert page.count("<script") == 2
    assert "alert(1)</script>" not in page
