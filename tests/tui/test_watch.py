"""The watcher follows growing, torn and replaced logs, and tells dead trainers from live ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints import events as ev
from checkpoints.lock import TrainerLock
from checkpoints.runs import RunFolder
from tests.tui import recorded
from tui.store import RunView
from tui.watch import Followed, Watcher, state_of


class Heard:
    """Collects what the watcher tells, and waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def __call__(self, runs: list[Followed] | None) -> None:
        del runs
        with self._changed:
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout=30)


@pytest.fixture
def watching(runs: Path):  # type: ignore[no-untyped-def]
    heard = Heard()
    watcher = Watcher(runs, heard)
    watcher.start()
    yield watcher, heard
    watcher.end()
    watcher.join(timeout=10)


def test_a_growing_log_is_read_line_by_line(runs: Path, watching) -> None:  # type: ignore[no-untyped-def]
    watcher, heard = watching
    path = recorded.make_run(runs, "plays", recorded.history(until=100))
    run = watcher.follow(path)
    heard.wait(lambda: run.view.step == 100)
    line = ev.encode(recorded.step_event(110, 2000))
    with (path / "events.jsonl").open("a", encoding="utf-8") as log:
        log.write(line[:50])
        log.flush()
        log.write(line[50:] + "\nnot an event\n")
    heard.wait(lambda: run.view.step == 110)


def test_a_replaced_log_is_read_anew(runs: Path, watching) -> None:  # type: ignore[no-untyped-def]
    watcher, heard = watching
    path = recorded.make_run(runs, "plays", recorded.history(until=700))
    run = watcher.follow(path)
    heard.wait(lambda: run.view.step == 700)
    (path / "events.jsonl").unlink()
    recorded.write_log(path / "events.jsonl", recorded.history(until=50))
    heard.wait(lambda: run.view.step == 50)
    assert run.view.sample_steps() == []


def test_the_list_shows_every_run_and_forgets_removed_ones(runs: Path, watching) -> None:  # type: ignore[no-untyped-def]
    watcher, heard = watching
    for name in ("one", "two"):
        recorded.make_run(runs, name, recorded.finished())
    heard.wait(lambda: len(watcher.known()) == 2 and all(r.view.ended for r in watcher.known()))
    glance, close = watcher.known()[0], watcher.follow(watcher.known()[0].path)
    heard.wait(lambda: close.view.ended is not None)
    assert glance.view.best == close.view.best
    assert [s.text for s in glance.view.latest_samples()] == [
        s.text for s in close.view.latest_samples()
    ]
    (runs / "one" / "run.json").unlink()
    heard.wait(lambda: [r.path.name for r in watcher.known()] == ["two"])


def test_a_look_that_fails_is_not_the_last(
    runs: Path, monkeypatch: pytest.MonkeyPatch, watching
) -> None:  # type: ignore[no-untyped-def]
    watcher, heard = watching
    tried = threading.Event()

    def refused(_: Path) -> list[RunFolder]:
        tried.set()
        raise PermissionError(13, "not yours")

    with monkeypatch.context() as patched:
        patched.setattr("tui.watch.list_runs", refused)
        watcher.look_now()
        assert tried.wait(timeout=30)
    recorded.make_run(runs, "one", recorded.history(until=20))
    watcher.look_now()
    heard.wait(lambda: [run.path.name for run in watcher.known()] == ["one"])


def test_a_hundred_thousand_steps_are_read_in_the_background(runs: Path, watching) -> None:  # type: ignore[no-untyped-def]
    watcher, heard = watching
    path = recorded.make_run(runs, "long", [recorded.started()])
    line = ev.encode(recorded.step_event(10, 100))
    with (path / "events.jsonl").open("a", encoding="utf-8") as log:
        for step in range(1, 100_001):
            log.write(line.replace('"step":10,', f'"step":{step},', 1) + "\n")
    run = watcher.follow(path)
    heard.wait(lambda: run.view.step == 100_000)
    assert len(run.view.train) <= 2000
    assert run.view.train.buckets[-1].last == 100_000


def test_states_are_told_from_log_and_process() -> None:
    def word(events: list[ev.Event], pid: int | None, now: float = 100.0) -> str:
        view = RunView("x")
        view.feed(events)
        view.time = 99.0
        return state_of(view, pid, now).word

    running = recorded.history(until=50)
    assert word(running, 1) == "running"
    assert word(running, 1, now=99 + 61) == "quiet"
    assert word(running, None) == "crashed"
    assert word([], 1) == "starting"
    assert word([], None) == "empty"
    assert word([*running, ev.ControlApplied(request="pause")], 1) == "paused"
    assert word([*running, ev.ControlApplied(request="stop")], 1) == "stopping"
    assert word([*running, ev.Ended(run="x", reason="done")], None) == "done"
    assert word([*running, ev.Ended(run="x", reason="interrupted")], None) == "stopped"
    assert word([*running, ev.Ended(run="x", reason="diverged")], None) == "diverged"
    assert word([*running, ev.Failed(text="no")], None) == "failed"


def test_a_live_trainer_is_known_by_its_lock(runs: Path, watching) -> None:  # type: ignore[no-untyped-def]
    watcher, heard = watching
    path = recorded.make_run(runs, "plays", recorded.history(until=50), begin=time.time())
    with TrainerLock(path):
        run = watcher.follow(path)
        heard.wait(lambda: run.pid is not None and run.view.step == 50)
        assert run.state.live
    heard.wait(lambda: run.pid is None)
    assert run.state.word == "crashed"
