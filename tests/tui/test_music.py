"""Music: tunes out of samples, shown, moved and taken away."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import itertools
from importlib.util import find_spec
from pathlib import Path

import mido
import pytest
from textual.pilot import Pilot

from checkpoints import events as ev
from corpora.abc import read_book
from tests.tui import recorded
from tests.tui.conftest import Open, screen_text, until
from tui.screens.live import Live
from tui.screens.music import Music, tunes_of
from tui.store import RunView
from tui.tunefiles import stem_of
from tui.widgets.page import Page
from tui.widgets.rows import Rows

TUNE = "The Test Jig\nM:6/8\nL:1/8\nK:D\n|:DFA dAF|GBd gdB|AFD EFG|FDD D3:|\n"
BAD = "A Broken Reel\nM:C\nL:1/8\nK:G\nGABc d2|gf\x1b[31m[[[\n"


def written(step: int, *texts: str) -> list[ev.Event]:
    """Samples of one step, each at a temperature of its own."""
    return [
        ev.SampleFinished(
            step=step,
            sample=f"{step}-{i}",
            prime="X:1\nT:",
            text=text,
            temperature=0.5 + i / 4,
            seed=1,
            nats_per_char=1.0,
            chars=len(text),
        )
        for i, text in enumerate(texts)
    ]


def history() -> list[ev.Event]:
    start = dataclasses.replace(recorded.started(genre="abc_tunes"))
    return [start, *written(100, TUNE, BAD, "no notes at all")]


async def opened(pilot: Pilot[None]) -> Music:
    """The music of the run that the studio shows, with its tunes."""
    await until(
        pilot, lambda: isinstance(pilot.app.screen, Live) and "T 0.5" in screen_text(pilot.app)
    )
    await pilot.press("n")
    await until(pilot, lambda: "♩=" in screen_text(pilot.app))
    assert isinstance(pilot.app.screen, Music)
    return pilot.app.screen


def test_tunes_are_found_in_samples_and_what_has_no_note_is_left_out() -> None:
    view = RunView("tunes")
    view.feed(history())
    assert [w.tune.title for w in tunes_of(view)] == ["The Test Jig", "A Broken Reel"]


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_tune_is_shown_and_moved(studio: Open, runs: Path, size: tuple[int, int]) -> None:
    path = recorded.make_run(runs, "tunes", history())
    async with studio(size=size, run=path) as pilot:
        abc = (await opened(pilot)).query_one("#abc", Page)
        assert "K:D" in abc.text
        report = pilot.app.screen.query_one("#report", Page)
        assert "✓ reading  nothing had to be repaired" in report.text
        await pilot.press("k", "k", "plus")
        await until(pilot, lambda: "+2 semitones" in screen_text(pilot.app))
        assert "K:E" in abc.text
        assert "of the notes are in E major" in report.text
        await pilot.press("down")
        await until(pilot, lambda: "A Broken Reel" in abc.text)
        assert "! reading" in report.text
        await pilot.press("k")
        await until(pilot, lambda: "+1 semitone " in screen_text(pilot.app))
        assert "! reading" in report.text, "it was repaired in any key"
        assert "␛" in screen_text(pilot.app) or "\x1b" not in screen_text(pilot.app)
        await pilot.press("up")
        await until(pilot, lambda: "The Test Jig" in abc.text)


async def test_each_key_is_exported_whole_and_nothing_is_written_over(
    studio: Open, runs: Path
) -> None:
    """Two exports, the same again, and a file that a person put where one would go."""
    path = recorded.make_run(runs, "tunes", history())
    kinds = ["abc", "mid", "musicxml", "wav", *(["svg"] if find_spec("verovio") else [])]
    folder = path / "music"
    folder.mkdir()
    (folder / "001-the-test-jig-up-2.mid").write_text("mine")

    async def exported(name: str, said: str = "MusicXML") -> dict[str, bytes]:
        await pilot.press("x")
        await until(pilot, lambda: f"{name} is in" in screen_text(pilot.app), "exported")
        await until(pilot, lambda: said in screen_text(pilot.app), "said")
        return {kind: (folder / f"{name}.{kind}").read_bytes() for kind in kinds}

    async with studio(run=path) as pilot:
        await opened(pilot)
        own = await exported("001-the-test-jig")
        assert b"K:D" in own["abc"]
        await pilot.press("k", "k")
        higher = await exported("001-the-test-jig-up-2-2")
        assert b"K:E" in higher["abc"]
        assert all(own[kind] != higher[kind] for kind in kinds)
        assert heard(own["mid"]) == {n - 2 for n in heard(higher["mid"])}
        assert await exported("001-the-test-jig-up-2-2", "already") == higher
        (folder / "001-the-test-jig-up-2-2.mid").unlink()
        await pilot.press("x")
        await until(pilot, (folder / "001-the-test-jig-up-2-2.mid").exists, "only what is missing")
        assert {kind: (folder / f"001-the-test-jig.{kind}").read_bytes() for kind in kinds} == own
    assert (folder / "001-the-test-jig-up-2.mid").read_text() == "mine"
    assert len(list(folder.iterdir())) == 2 * len(kinds) + 1


async def test_why_a_tune_is_not_exported_is_said(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def finish(*_: object) -> tuple[int, str, str]:
        said = (
            "! 1 The Test Jig: no mid: the oboe is ill\nrnnstudio: nothing was exported\n  → look"
        )
        return 2, "", said

    monkeypatch.setattr("tui.launch.finish", finish)
    path = recorded.make_run(runs, "tunes", history())
    async with studio(run=path) as pilot:
        await opened(pilot)
        await pilot.press("x")
        await until(pilot, lambda: "oboe" in screen_text(pilot.app))


async def test_an_export_goes_on_when_the_screen_is_left(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, ended = asyncio.Event(), []

    async def finish(*_: object) -> tuple[int, str, str]:
        await left.wait()
        ended.append(True)
        return 2, "", "rnnstudio: the oboe is ill\n"

    monkeypatch.setattr("tui.launch.finish", finish)
    path = recorded.make_run(runs, "tunes", history())
    async with studio(run=path) as pilot:
        music = await opened(pilot)
        await pilot.press("x")
        await until(pilot, (path / "music" / "001-the-test-jig.abc").exists)
        await pilot.press("escape")
        await until(pilot, lambda: not music.is_attached)
        left.set()
        await until(pilot, lambda: "oboe" in screen_text(pilot.app))
    assert ended


async def test_a_browser_plays_nothing_on_its_server(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def finish(*_: object) -> tuple[int, str, str]:
        raise AssertionError("it played")

    monkeypatch.setattr("tui.launch.finish", finish)
    monkeypatch.setattr("tui.app.Studio.is_web", True)
    path = recorded.make_run(runs, "tunes", history())
    async with studio(run=path) as pilot:
        await opened(pilot)
        await pilot.press("space")
        await until(pilot, lambda: "in a browser" in screen_text(pilot.app))


def test_a_name_says_what_was_changed() -> None:
    (tune,) = read_book("X:16\nT:Chane Jig\n" + TUNE.partition("\n")[2])
    assert stem_of(tune, 0, None) == "016-chane-jig"
    assert stem_of(tune, -3, 140.0) == "016-chane-jig-down-3-tempo-140"


def heard(midi: bytes) -> set[int]:
    """The notes in a MIDI file."""
    messages = itertools.chain(*mido.MidiFile(file=io.BytesIO(midi)).tracks)
    return {message.note for message in messages if message.type == "note_on"}


async def test_new_tunes_come_above_the_one_that_is_looked_at(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "tunes", history())
    async with studio(run=path) as pilot:
        screen = await opened(pilot)
        abc = screen.query_one("#abc", Page)
        await pilot.press("k", "k", "plus")
        await until(pilot, lambda: "+2 semitones" in screen_text(pilot.app))
        before = abc.text
        newer = TUNE.replace("Test", "Newer")
        recorded.write_log(path / "events.jsonl", written(200, newer))
        await until(pilot, lambda: "The Newer Jig" in screen_text(pilot.app), "the new tune")
        assert "3 tunes" in screen_text(pilot.app)
        assert "+2 semitones" in screen_text(pilot.app)
        assert abc.text == before
        # What the run takes back stays while it is looked at.
        back = ev.Resumed(step=50, checkpoint="step-50")
        recorded.write_log(path / "events.jsonl", [back, *written(60, newer)])
        await until(pilot, lambda: " 2 tunes" in screen_text(pilot.app))
        assert abc.text == before
        await pilot.press("down")
        await until(pilot, lambda: "The Newer Jig" in abc.text)
        assert "K:D" in abc.text


async def test_the_first_tune_comes_while_one_waits_for_it(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "tunes", [recorded.started(genre="abc_tunes")])
    async with studio() as pilot:
        pilot.app.push_screen(Music(path, "abc_tunes"))
        await until(pilot, lambda: "No tune yet" in screen_text(pilot.app))
        recorded.write_log(path / "events.jsonl", written(100, TUNE))
        await until(pilot, lambda: "♩=" in screen_text(pilot.app))
        assert "The Test Jig" in screen_text(pilot.app)


async def test_another_size_leaves_key_tempo_and_player_as_they_are(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = []
    monkeypatch.setattr(Music, "_stop", lambda _self: stopped.append(True))
    path = recorded.make_run(runs, "tunes", history())
    async with studio(run=path) as pilot:
        screen = await opened(pilot)
        await pilot.press("k", "plus")
        await until(pilot, lambda: "+1 semitone " in screen_text(pilot.app))
        abc = screen.query_one("#abc", Page).text
        stopped.clear()
        for width in (81, 120):
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda width=width: screen.size.width == width)
            await pilot.pause()
            assert "+1 semitone " in screen_text(pilot.app)
            assert screen.query_one("#abc", Page).text == abc
        assert not stopped


async def test_a_run_on_other_texts_offers_no_music(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "done" in screen_text(pilot.app))
        await pilot.press("n")
        await until(pilot, lambda: "only a run on tunes" in screen_text(pilot.app))


async def test_a_run_without_tunes_says_so(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "tunes", [recorded.started(genre="abc_tunes")])
    async with studio() as pilot:
        pilot.app.push_screen(Music(path, "abc_tunes"))
        await until(pilot, lambda: "No tune yet" in screen_text(pilot.app))
        await pilot.press("space", "x", "k", "plus", "y", "left")
        assert pilot.app.screen.query_one(Rows).key == ""
