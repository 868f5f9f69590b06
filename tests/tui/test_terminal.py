"""One whole session in a real pseudo-terminal: start a run, see its samples, steer it, leave, come back."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoints import events as ev
from checkpoints.eventlog import EventReader
from checkpoints.lock import live
from tests.tui.terminal import Terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")


def wait(condition, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a text; whatever trains in it is ended afterwards."""
    rng = random.Random(1)
    words = "the king shall speak of night and day my lord what sword door again".split()
    lines = (" ".join(rng.choice(words) for _ in range(8)) for _ in range(600))
    (tmp_path / "text.txt").write_text("\n".join(lines))
    yield tmp_path
    pid = live(tmp_path / "runs" / "text")
    if pid:
        os.kill(pid, signal.SIGKILL)


def events_of(run: Path) -> list[ev.Event]:
    return EventReader(run / "events.jsonl").poll()


def test_a_session_from_the_first_key_to_the_next_day(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNSTUDIO_CACHE", str(folder / "cache"))
    run = folder / "runs" / "text"
    with Terminal([], cwd=folder) as terminal:
        terminal.until(b"No runs yet")
        terminal.send(b"n")
        terminal.until(b"the same in a shell")
        terminal.send(b"text.txt")
        terminal.until(b"--name text")
        # Down to `hidden`, a small one, so that the run is quick; then start it.
        for _ in range(7):
            terminal.send(b"\x1b[B")
        terminal.until(b"Units a layer")
        terminal.send(b"32")
        terminal.until(b"--hidden 32")
        at = len(terminal.written)
        terminal.send(b"\x1b[15~")
        terminal.until(b"running", after=at)
        wait(lambda: any(isinstance(e, ev.SampleFinished) for e in events_of(run)))
        terminal.until(b"T 0.8 @", after=at)
        terminal.send(b"+")
        wait(lambda: any(isinstance(e, ev.ControlApplied) for e in events_of(run)))
        steered = next(e for e in events_of(run) if isinstance(e, ev.ControlApplied))
        assert (steered.request, steered.value, steered.applied) == (
            "set temperatures",
            [0.5, 0.9, 1.0],
            True,
        )
        terminal.send(b"\x11")
        terminal.until(b"leave running")
        terminal.send(b"\r")
        written = terminal.end()
    assert b"Traceback" not in written
    pid = live(run)
    assert pid, "the trainer outlives the studio"
    steps = max(e.step for e in events_of(run))
    with Terminal(["tui", "text"], cwd=folder) as terminal:
        terminal.until(b"running")
        wait(lambda: max(e.step for e in events_of(run)) > steps)
        terminal.send(b"X")
        terminal.until(b"save and stop")
        terminal.send(b"\r")
        wait(lambda: live(run) is None)
        terminal.until(b"stopped")
        terminal.send(b"\x11")
        terminal.end()
    last = events_of(run)[-1]
    assert isinstance(last, ev.Ended)
    assert last.reason == "stopped"


def test_the_demo_shows_a_recorded_run(folder: Path) -> None:
    with Terminal(["--demo"], cwd=folder) as terminal:
        terminal.until(b"folk-tunes")
        terminal.send(b"\r")
        terminal.until(b"bits/char")
        terminal.send(b"\x11")
        written = terminal.end()
    assert not re.search(rb"Traceback|Error", written)
    assert not (folder / "runs").exists()
