"""Live: what it shows of a run, and what its controls ask of the trainer."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.app import App

from checkpoints import events as ev
from checkpoints.control import ControlReader, Request
from checkpoints.eventlog import EventLog
from checkpoints.lock import TrainerLock
from tests.tui import recorded
from tests.tui.conftest import Open, screen_text, until
from tui import words
from tui.dialogs import Ask, Choose
from tui.help import help_spans
from tui.launch import Jobs
from tui.screens.controls import temperatures
from tui.store import RunView
from tui.widgets.page import Page
from tui.widgets.plot import Plot


async def test_samples_are_typed_out_as_they_are_written(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=90), begin=time.time())
    begun, first, second, *_ = recorded.samples(100)
    assert isinstance(first, ev.SampleText)
    assert isinstance(second, ev.SampleText)
    with TrainerLock(path):
        async with studio(run=path) as pilot:
            log = EventLog(path / "events.jsonl")
            log.write(begun)
            log.write(first)
            page = pilot.app.screen.query_one("#sample-0", Page)
            await until(pilot, lambda: page.text == recorded.PRIME + first.text + "▌")
            log.write(second)
            await until(pilot, lambda: page.text == recorded.PRIME + first.text + second.text + "▌")
            log.close()


async def test_every_control_is_a_request_to_the_trainer(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=700), begin=time.time())
    asked = ControlReader(path)
    got: list[Request] = []

    def heard() -> int:
        got.extend(asked.poll())
        return len(got)

    with TrainerLock(path):
        async with studio(run=path) as pilot:
            await until(pilot, lambda: "running" in screen_text(pilot.app))
            await until(pilot, lambda: "T 0.8" in screen_text(pilot.app))
            await pilot.press("space")
            await until(pilot, lambda: "asked: pause" in screen_text(pilot.app))
            log = EventLog(path / "events.jsonl")
            log.write(ev.ControlApplied(step=700, request="pause", text="paused at step 700"))
            await until(pilot, lambda: "‖ paused" in screen_text(pilot.app))
            # Before the trainer answers, too, each press takes back the one before.
            await pilot.press(*["space"] * 3, "s", "k", "plus")
            await pilot.press("d")
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
            pilot.app.screen.query_one("Field").value = "0.001"  # type: ignore[attr-defined]
            await pilot.press("enter")
            await pilot.press("t")
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
            pilot.app.screen.query_one("Field").value = "0.3 1.2"  # type: ignore[attr-defined]
            await pilot.press("enter")
            await pilot.press("w")
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
            pilot.app.screen.query_one("Field").value = "ALL:\\nWe"  # type: ignore[attr-defined]
            await pilot.press("enter")
            await pilot.press("X", "down", "enter")  # go on
            await until(pilot, lambda: not isinstance(pilot.app.screen, Choose))
            await pilot.press("X", "enter")
            await until(pilot, lambda: heard() == 11)
            log.close()
    assert [(r.request, r.name, r.value) for r in got] == [
        ("pause", "", None),
        ("resume", "", None),
        ("pause", "", None),
        ("resume", "", None),
        ("sample", "", None),
        ("checkpoint", "", None),
        ("set", "temperatures", [0.5, 0.9, 1.0]),
        ("set", "lr", 0.001),
        ("set", "temperatures", [0.3, 1.2]),
        ("set", "prime", "ALL:\nWe"),
        ("stop", "", None),
    ]


async def test_keys_in_quick_succession_add_up(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=700), begin=time.time())
    asked = ControlReader(path)
    with TrainerLock(path):
        async with studio(run=path) as pilot:
            await until(pilot, lambda: "running" in screen_text(pilot.app))
            await until(pilot, lambda: "T 0.8" in screen_text(pilot.app))
            await pilot.press(*["plus"] * 4)
            got: list[Request] = []
            await until(pilot, lambda: len(got.extend(asked.poll()) or got) == 4)
            values = [r.value for r in got]
            # The trainer takes the first of them: the others are still to come.
            log = EventLog(path / "events.jsonl")
            log.write(ev.ControlApplied(step=700, request="set temperatures", value=values[0]))
            await until(pilot, lambda: "T 0.9" in screen_text(pilot.app))
            await pilot.press("minus")
            await until(pilot, lambda: len(got.extend(asked.poll()) or got) == 5)
            # It refuses one: what it has counts again.
            log.write(
                ev.ControlApplied(
                    step=700, request="set temperatures", value=values[3], applied=False
                )
            )
            await until(pilot, lambda: "refused" in pilot.app.screen.view.log[-1].text)  # type: ignore[attr-defined]
            await pilot.press("plus")
            await until(pilot, lambda: len(got.extend(asked.poll()) or got) == 6)
            log.close()
    # Past its neighbour a stream keeps its place.
    middle = [0.9, 1.0, 1.1, 1.2, 1.1, 1.0]
    assert [r.value for r in got] == [[0.5, t, 1.0] for t in middle]


async def test_streams_keep_their_places_where_temperatures_meet(studio: Open, runs: Path) -> None:
    met = ev.ControlApplied(step=700, request="set temperatures", value=[0.5, 1.0, 1.0])
    new = ev.ControlApplied(step=700, request="set temperatures", value=[1.0, 1.1, 0.5])
    path = recorded.make_run(runs, "plays", [*recorded.history(until=700), met])
    async with studio(run=path) as pilot:
        panes = [pilot.app.screen.query_one(f"#sample-{i}", Page) for i in range(3)]
        titles = ["T 0.5 @ 700", "T 1 @ 700", "T 1 @ 700"]
        await until(pilot, lambda: [str(p.border_title).strip() for p in panes] == titles)
        assert all(pane.display for pane in panes)
        assert panes[1].text == panes[2].text
        recorded.write_log(path / "events.jsonl", [new])
        titles = ["T 1 @ 700", "T 1.1", "T 0.5 @ 700"]
        await until(pilot, lambda: [str(p.border_title).strip() for p in panes] == titles)
        assert "at this temperature yet" in panes[1].text


def test_the_prime_offered_is_the_runs_own() -> None:
    view = RunView("plays")
    first = recorded.started()
    view.feed([dataclasses.replace(first, training={**first.training, "prime": "ALL:"})])
    assert view.prime() == "ALL:"
    view.feed([ev.ControlApplied(step=600, request="set prime", value="")])
    assert not view.prime()


async def test_a_control_without_a_trainer_says_so_and_asks_nothing(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "done" in screen_text(pilot.app))
        await pilot.press("space")
        await until(pilot, lambda: "not being trained" in screen_text(pilot.app))
    assert not (path / "control.jsonl").exists()


async def test_the_footer_offers_what_the_runs_state_allows(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=700), begin=time.time())

    def footer(app: App[None]) -> str:
        return screen_text(app).rstrip().split("\n")[-1]

    async with studio(run=path) as pilot:
        await until(pilot, lambda: "r Resume b Fork" in footer(pilot.app))
        assert "Pause" not in footer(pilot.app)
        with TrainerLock(path):
            await until(pilot, lambda: "Pause s Sample k Save t Temps" in footer(pilot.app))
            assert "Resume" not in footer(pilot.app)
        await until(pilot, lambda: "Resume" in footer(pilot.app))
        # What the footer leaves out says why it cannot be, and asks for nothing before.
        await pilot.press("t")
        await until(pilot, lambda: "not being trained" in screen_text(pilot.app))
        assert not isinstance(pilot.app.screen, Ask)


async def test_equal_toasts_are_one_and_leave_a_question_in_sight(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "done" in screen_text(pilot.app))
        await pilot.press("s", "k", "space", "t")
        await until(pilot, lambda: "not being trained" in screen_text(pilot.app))
        assert screen_text(pilot.app).count("not being trained") == 1
        for n in range(3):
            pilot.app.say(f"fault {n}", hint="what to do", grave=True)  # type: ignore[attr-defined]
        question = "Delete this run, its checkpoints and its samples for ever?"
        pilot.app.push_screen(Choose("delete", question, [("yes", "delete"), ("no", "keep")]))
        # Both at once: a toast that hid the question would leave when its time has come.
        await until(
            pilot,
            lambda: question in screen_text(pilot.app) and "fault 2" in screen_text(pilot.app),
        )


async def test_older_samples_are_stepped_through_and_followed_again(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(size=(100, 30), run=path) as pilot:
        await until(pilot, lambda: "T 0.8 @ 2,000" in screen_text(pilot.app))
        await pilot.press("comma", "comma")
        await until(pilot, lambda: "T 0.8 @ 700" in screen_text(pilot.app))
        await pilot.press("full_stop")
        await until(pilot, lambda: "T 0.8 @ 1,200" in screen_text(pilot.app))
        await pilot.press("f")
        await until(pilot, lambda: "T 0.8 @ 2,000" in screen_text(pilot.app))


async def test_the_curve_has_a_cursor_a_zoom_and_other_measures(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        plot = pilot.app.screen.query_one(Plot)
        # The curve is drawn at its own pace, after the figures above it.
        await until(pilot, lambda: plot.axes.empty not in screen_text(pilot.app))
        await pilot.press("1", "left", "left")
        await until(pilot, lambda: plot.axes.cursor is not None)
        await pilot.press("i")
        await until(pilot, lambda: plot.axes.x_range is not None)
        assert plot.axes.cursor is not None
        assert plot.axes.x_range is not None
        low, high = plot.axes.x_range
        assert low <= plot.axes.cursor <= high
        await pilot.press("escape", "V")
        await until(pilot, lambda: "log x" in screen_text(pilot.app))
        await pilot.press("m")
        await until(pilot, lambda: "speed" in screen_text(pilot.app))


async def test_a_pane_grows_and_shrinks(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "T 0.8" in screen_text(pilot.app))
        await pilot.press("1", "z")
        await until(pilot, lambda: "T 0.8" not in screen_text(pilot.app))
        await pilot.press("escape")
        await until(pilot, lambda: "T 0.8" in screen_text(pilot.app))


async def test_a_grown_pane_that_is_hidden_gives_its_room_back(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "T 0.8" in screen_text(pilot.app))
        await pilot.press("1", "z")
        await until(pilot, lambda: "T 0.8" not in screen_text(pilot.app))
        await pilot.press("g")
        await until(pilot, lambda: "speaker lines" in screen_text(pilot.app))


async def test_a_terminal_too_small_for_a_grown_pane_says_so(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "T 0.8" in screen_text(pilot.app))
        await pilot.press("1", "z")
        await until(pilot, lambda: "T 0.8" not in screen_text(pilot.app))
        await pilot.resize_terminal(50, 12)
        await until(pilot, lambda: "needs 60x16" in screen_text(pilot.app))
        assert "validation" not in screen_text(pilot.app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "validation" in screen_text(pilot.app))
        assert pilot.app.screen.maximized is pilot.app.screen.query_one(Plot)


async def test_help_says_what_escape_does_on_the_curve(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "validation" in screen_text(pilot.app))

        def escape() -> str:
            return pilot.app.screen.active_bindings["escape"].binding.description

        assert escape() == "Back"
        await pilot.press("i")
        await until(pilot, lambda: escape() == "Whole curve")
        await pilot.press("escape")
        await until(pilot, lambda: escape() == "Back")
        assert "1 … 5" in "".join(text for text, _ in help_spans(pilot.app.screen))


async def test_ctrl_c_tells_how_to_quit(studio: Open) -> None:
    async with studio() as pilot:
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "ctrl+q quits" in screen_text(pilot.app))


async def test_how_the_screen_was_arranged_is_remembered(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "validation" in screen_text(pilot.app))
        await pilot.press("m", "o", "l", "v")
        await until(pilot, lambda: "log y" in screen_text(pilot.app))
        await pilot.press("1", "z")
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "log y" in screen_text(pilot.app))
        live = pilot.app.screen
        await until(pilot, lambda: live.maximized is live.query_one(Plot))
        assert "speed" in screen_text(pilot.app)
        assert live.has_class("-log")
        await pilot.press("escape")
        assert live.maximized is None
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "log y" in screen_text(pilot.app))
        assert pilot.app.screen.maximized is None


async def test_what_no_clipboard_holds_can_be_copied(studio: Open) -> None:
    async with studio() as pilot:
        pilot.app.copy_to_clipboard("a\ud800b \ud83d\ude80")
        assert pilot.app.clipboard == "a\ufffdb 🚀"


def test_temperatures_are_read_forgivingly_and_bounded() -> None:
    assert temperatures("0.5, 1 0.8") == [0.5, 0.8, 1.0]
    for wrong in ("", "warm", "-1", "nan", "9", "1 2 3 4"):
        with pytest.raises(ValueError, match=r"temperature|numbers|from 0 to 5"):
            temperatures(wrong)


async def test_a_dead_run_has_a_button_that_resumes_it(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def start(jobs: Jobs, words: Sequence[str], folder: Path) -> None:
        del folder
        started.extend(words)
        monkeypatch.setattr(jobs, "starts", lambda *_: True)

    monkeypatch.setattr(Jobs, "start", start)
    path = recorded.make_run(runs, "plays", recorded.history(until=700))
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "resume from the newest checkpoint" in screen_text(pilot.app))
        await pilot.click("#resume")
        # Until the trainer writes its first word, seconds later, the screen says that it is on its way.
        await until(pilot, lambda: "● starting" in screen_text(pilot.app))
        await until(pilot, lambda: "resume from" not in screen_text(pilot.app))
    assert started == ["resume", str(path)]


async def test_a_trainer_that_is_on_its_way_is_not_started_twice(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=700))
    started: list[Sequence[str]] = []
    monkeypatch.setattr(Jobs, "live", lambda _: [path])
    monkeypatch.setattr(Jobs, "starts", lambda *_: True)
    monkeypatch.setattr(Jobs, "start", lambda _, words, folder: started.append((*words, folder)))
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "● starting" in screen_text(pilot.app))
        for key in ("s", "r"):
            await pilot.press(key)
            await until(pilot, lambda: "plays is still starting" in screen_text(pilot.app))
            pilot.app.clear_notifications()
            await until(pilot, lambda: "still starting" not in screen_text(pilot.app))
    assert not started


async def test_leaving_asks_once_and_ends_a_trainer_that_does_not_listen_yet(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tui.launch.command",
        lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"],
    )
    async with studio() as pilot:
        job = pilot.app.jobs.start(["train"], runs / "plays")  # type: ignore[attr-defined]
        await pilot.press("ctrl+q", "ctrl+q")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        assert sum(isinstance(screen, Choose) for screen in pilot.app.screen_stack) == 1
        await pilot.press("down", "enter")
        await until(pilot, lambda: job.process.poll() is not None)
        assert pilot.app._exit


async def test_nothing_is_awaited_of_a_trainer_that_is_gone(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=90), begin=time.time())
    begun, first, *_ = recorded.samples(100)
    async with studio(run=path) as pilot:
        page = pilot.app.screen.query_one("#sample-0", Page)
        with TrainerLock(path):
            recorded.write_log(path / "events.jsonl", [begun, first], begin=time.time())
            await until(pilot, lambda: page.text.endswith("▌"))
            await pilot.press("s")
            await until(pilot, lambda: "asked: samples now" in screen_text(pilot.app))
        await until(pilot, lambda: "✗ crashed" in screen_text(pilot.app))
        await until(pilot, lambda: not page.text.endswith("▌"))
        assert "writing" not in screen_text(pilot.app)
        assert "asked" not in screen_text(pilot.app)


async def test_a_run_that_never_said_a_word_is_resumed(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded.make_run(runs, "plays", [])
    started: list[Sequence[str]] = []
    monkeypatch.setattr(Jobs, "start", lambda _, words, folder: started.append((*words, folder)))
    async with studio() as pilot:
        await until(pilot, lambda: "· plays" in screen_text(pilot.app))
        await pilot.press("r")
        await until(pilot, lambda: bool(started))
    assert started == [("resume", str(path), path)]


async def test_a_trainer_that_does_not_listen_yet_is_asked_nothing(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", [])
    with TrainerLock(path):
        async with studio(run=path) as pilot:
            await until(pilot, lambda: "● starting" in screen_text(pilot.app))
            await pilot.press("s")
            await until(pilot, lambda: "plays is still starting" in screen_text(pilot.app))
    assert not (path / "control.jsonl").exists()


async def test_a_crashed_run_is_starting_until_its_new_trainer_says_a_word(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr("tui.launch.command", lambda *_: waits)
    path = recorded.make_run(runs, "plays", recorded.history(until=700))
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "✗ crashed" in screen_text(pilot.app))
        with TrainerLock(path):
            job = pilot.app.jobs.start(["resume"], path)  # type: ignore[attr-defined]
            await until(pilot, lambda: "● starting" in screen_text(pilot.app))
            await pilot.press("s")
            await until(pilot, lambda: "plays is still starting" in screen_text(pilot.app))
            back = ev.Resumed(step=700, checkpoint="step-0000700")
            recorded.write_log(path / "events.jsonl", [back], begin=time.time())
            await until(pilot, lambda: "● running" in screen_text(pilot.app))
        job.process.kill()
        job.process.wait()
    assert not (path / "control.jsonl").exists()


async def test_a_finished_run_is_forked_and_not_resumed(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    started: list[Sequence[str]] = []
    monkeypatch.setattr(Jobs, "start", lambda _, words, folder: started.append((*words, folder)))
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "✓ done" in screen_text(pilot.app))
        await pilot.press("s")
        await until(pilot, lambda: "is not being trained" in screen_text(pilot.app))
        assert "b forks it" in screen_text(pilot.app)
        pilot.app.clear_notifications()
        await pilot.press("r")
        await until(pilot, lambda: "plays has nothing left to do" in screen_text(pilot.app))
        assert "b forks it" in screen_text(pilot.app)
    assert not started


async def test_a_finished_runs_curve_does_not_wait_for_a_tick(
    studio: Open, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.live.HEAD_S", 3600.0)
    async with studio(run=recorded.make_run(runs, "plays", recorded.finished())) as pilot:
        await until(pilot, lambda: "bits per character" in screen_text(pilot.app))
        assert "on their way" not in screen_text(pilot.app)


async def test_a_run_that_a_trainer_takes_up_no_longer_says_that_it_wrote_nothing(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", [])
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "It wrote no samples" in screen_text(pilot.app))
        assert "no step was logged" in screen_text(pilot.app)
        with TrainerLock(path):
            await until(pilot, lambda: "Samples appear at the first" in screen_text(pilot.app))
            assert "on their way" in screen_text(pilot.app)


async def test_a_long_name_leaves_room_for_what_the_run_does(studio: Open, runs: Path) -> None:
    async with studio(run=recorded.make_run(runs, "n" * 70, recorded.finished())) as pilot:
        await until(pilot, lambda: "nnn… ✓ done" in screen_text(pilot.app))


async def test_a_small_terminal_shows_the_figures_instead_of_the_curve(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "bits per character" in screen_text(pilot.app))
        await pilot.press("g")
        await until(pilot, lambda: "speaker lines" in screen_text(pilot.app))
        assert not pilot.app.screen.query_one("#curve").display
        await pilot.resize_terminal(160, 48)
        await until(pilot, lambda: "bits per character" in screen_text(pilot.app))
        assert "speaker lines" not in screen_text(pilot.app)
        await pilot.press("g")
        await until(pilot, lambda: "speaker lines" in screen_text(pilot.app))


async def test_the_n_gram_models_loss_is_a_line_on_the_curve(studio: Open, runs: Path) -> None:
    events = [
        dataclasses.replace(e, baseline=1.4 / words.BITS) if isinstance(e, ev.Figures) else e
        for e in recorded.finished()
    ]
    async with studio(run=recorded.make_run(runs, "plays", events)) as pilot:
        await until(pilot, lambda: "n-gram 1.4" in screen_text(pilot.app))
        plot = pilot.app.screen.query_one(Plot)
        line = plot._lines[-1]
        assert line.pattern == "dotted"
        assert len(line.points) > 100
        assert all(p[2] == pytest.approx(1.4) for p in line.points)
        await pilot.press("left", "i", "i")
        await until(pilot, lambda: "n-gram 1.4" in screen_text(pilot.app))
        assert any("line-2" in {kind for _, kind in row} for row in plot._draw().rows)


def test_the_learning_rate_offered_is_the_one_that_the_schedule_scales() -> None:
    view = RunView("plays")
    first = recorded.started()
    view.feed([dataclasses.replace(first, training={**first.training, "lr": 0.02})])
    assert view.peak_rate() == 0.02
    view.feed([ev.ControlApplied(step=600, request="set lr", value=1e-3, text="")])
    assert view.peak_rate() == 1e-3


async def test_a_run_whose_folder_is_taken_away_says_so(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=700))
    async with studio(run=path) as pilot:
        await until(pilot, lambda: "resume from the newest checkpoint" in screen_text(pilot.app))
        shutil.rmtree(path)
        await until(pilot, lambda: "✗ gone" in screen_text(pilot.app))
        await until(pilot, lambda: "Its folder is gone" in screen_text(pilot.app))
        assert "resume from" not in screen_text(pilot.app)
        await pilot.press("r")
        await until(pilot, lambda: "plays is gone" in screen_text(pilot.app))
        assert not pilot.app.jobs.live()  # type: ignore[attr-defined]


async def test_music_is_offered_to_a_run_on_tunes(studio: Open, runs: Path) -> None:
    for name, genre in (("plays", recorded.GENRE), ("tunes", "abc_tunes")):
        events = [recorded.started(name, genre=genre), *recorded.finished()[1:]]
        path = recorded.make_run(runs, name, events, genre=genre)
        async with studio(run=path) as pilot:
            await until(pilot, lambda: "p Play" in screen_text(pilot.app))
            assert ("n Music" in screen_text(pilot.app)) == (name == "tunes")
