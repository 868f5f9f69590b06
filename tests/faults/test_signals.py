"""Signals, readers and terminals that go away, and a second trainer, while a real process trains."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from checkpoints.checkpoint import newest_valid
from checkpoints.runs import RunFolder
from tests.cli import ROOT, TINY, environment, here, verse
from tests.warm import Warm

LONG = ("--steps", "100000", *TINY, "--sample-length", "0", "--checkpoint-every", "1000000")


def started(folder: Path, *more: str, **streams: Any) -> tuple[Warm, Path]:
    """A long run that has begun to train."""
    (folder / "v.txt").write_text(verse(), "utf-8")
    process = Warm("train", "v.txt", "--name", "r", *LONG, *more, cwd=folder, **streams)
    run = folder / "runs" / "r"
    log = run / "events.jsonl"
    while not (log.exists() and b'"type":"step"' in log.read_bytes()):
        assert process.poll() is None
        time.sleep(0.01)
    return process, run


def last_event(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "events.jsonl").read_text("utf-8").splitlines()[-1]))


def grown(process: Warm, run: Path, size: int) -> None:
    """Wait until the run's log is larger than `size`."""
    while (run / "events.jsonl").stat().st_size <= size:
        assert process.poll() is None
        time.sleep(0.01)


def saves_and_leaves(process: Warm, run: Path, number: int) -> None:
    process.send_signal(number)
    assert process.wait(timeout=240) == 130
    end = last_event(run)
    assert (end["type"], end["reason"]) == ("end", "interrupted")
    assert (run / f"step-{end['step']:07d}").is_dir()


def test_a_stopped_process_goes_on_when_continued_and_a_shutdown_saves_its_last_step(
    tmp_path: Path,
) -> None:
    process, run = started(tmp_path)
    process.send_signal(signal.SIGSTOP)
    size = (run / "events.jsonl").stat().st_size
    process.send_signal(signal.SIGCONT)
    grown(process, run, size)
    saves_and_leaves(process, run, signal.SIGTERM)


def test_a_reader_that_leaves_does_not_end_the_run_and_a_closed_terminal_saves_it(
    tmp_path: Path,
) -> None:
    process, run = started(tmp_path, "--json", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    grown(process, run, (run / "events.jsonl").stat().st_size + 2000)
    saves_and_leaves(process, run, signal.SIGHUP)


def test_who_watches_leaves_when_nobody_reads_and_the_run_goes_on(tmp_path: Path) -> None:
    process, run = started(tmp_path)
    watcher = Warm("watch", str(run), "--json", cwd=tmp_path, stdout=subprocess.PIPE)
    assert watcher.stdout is not None
    watcher.stdout.close()
    assert watcher.wait(timeout=60) == 0
    saves_and_leaves(process, run, signal.SIGINT)


def test_an_interrupt_within_an_import_ends_the_command(tmp_path: Path) -> None:
    """Packages swallow it there, and are half loaded then."""
    (tmp_path / "package.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    pass\n"
    )
    code = "import rnnstudio.__main__, {}\nprint('went on')"
    for module, expected in (("package", 130), ("os", 0)):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module)],
            env=environment(PYTHONPATH=f"{ROOT}:{tmp_path}"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == expected, done.stderr
        assert ("went on" in done.stdout) == (expected == 0)
        assert not done.stderr


def test_a_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    with (tmp_path / "err.txt").open("w") as err:
        process, run = started(tmp_path, stderr=err)
    process.send_signal(signal.SIGSTOP)  # so that both are there before the first can be obeyed
    process.send_signal(signal.SIGHUP)  # Python sees to it first: it has the lower number
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=240) == 130
    assert "left at once" in (tmp_path / "err.txt").read_text("utf-8")
    assert last_event(run)["type"] != "end"
    assert RunFolder(run).state() == "crashed"
    assert newest_valid(run) is not None


def test_while_one_process_trains_a_second_is_refused_and_views_see_it_live(tmp_path: Path) -> None:
    process, run = started(tmp_path)
    try:
        refused = here("resume", "r", cwd=tmp_path, expect=(2,))
        assert str(process.pid) in refused.err
        assert RunFolder(run).state() == "running"
        (row,) = json.loads(here("runs", "list", "--json", cwd=tmp_path).out)
        assert row["state"] == "running"
        assert "being trained" in here("runs", "rm", "r", "--yes", cwd=tmp_path, expect=(2,)).err
    finally:
        process.kill()
        process.wait()
    assert RunFolder(run).state() == "crashed"
