"""Trainers as the studio starts them."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli import ROOT
from tui import launch


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="Windows names priorities otherwise")
def test_a_trainer_gives_way_to_whoever_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(launch, "command", lambda *_: waits)
    job = launch.Jobs(tmp_path, {}).start(["train"], tmp_path / "run")
    try:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        theirs = os.getpriority(os.PRIO_PROCESS, job.process.pid)
        assert theirs == min(19, ours + launch.NICENESS)
    finally:
        job.process.kill()
        job.process.wait()


def test_a_trainers_last_words_are_its_error_with_the_hint() -> None:
    said = "rnnstudio: bin.txt is no text\n  → is it the right file?\n"
    assert launch.last_words(said, 2) == ("bin.txt is no text", "is it the right file?")
    assert launch.last_words("step 2,199 · 10% · loss 1.2\n" + said, 2)[0] == "bin.txt is no text"
    fault, _ = launch.last_words("step 2,199 · 10% · loss 1.2\n", -9)
    assert "signal 9" in fault
    assert "step" not in fault
    assert launch.last_words("", 3) == ("exit code 3", "")


def test_what_an_earlier_trainer_said_is_not_taken_for_the_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    (run / "run.log").write_text("rnnstudio: the disk is full\n")
    dies = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(launch, "command", lambda *_: dies)
    jobs = launch.Jobs(tmp_path, {})
    jobs.start(["resume"], run).process.wait()
    _, (job,) = jobs.look()
    assert "disk" not in job.fault


@pytest.mark.skipif(os.name == "nt", reason="processes end otherwise there")
async def test_a_player_ends_with_the_command_that_nobody_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun"
    player = f"import os, time; open({str(begun)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    tune = (
        f"import sys; from corpora.abc.play import heard; heard([sys.executable, '-c', {player!r}])"
    )
    monkeypatch.setattr(launch, "command", lambda *_: [sys.executable, "-c", tune])
    playing = asyncio.create_task(launch.finish(["tune"], {**os.environ, "PYTHONPATH": str(ROOT)}))
    async with asyncio.timeout(60):
        while not (begun.exists() and begun.read_text()):
            await asyncio.sleep(0.01)
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        with suppress(ProcessLookupError):
            while True:
                os.kill(int(begun.read_text()), 0)
                await asyncio.sleep(0.01)


def test_a_refused_start_leaves_its_words_and_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses = "import sys; sys.exit('reading 4 MB\\nrnnstudio: no text\\n  → another file?')"
    monkeypatch.setattr(launch, "command", lambda *_: [sys.executable, "-c", refuses])
    jobs = launch.Jobs(tmp_path, {})
    job = jobs.start(["train"], tmp_path / "run", {"name": "run"})
    job.process.wait()
    begun, ended = jobs.look()
    assert (begun, ended) == ([], [job])
    assert jobs.refused == {tmp_path / "run": job}
    assert (job.fault, job.hint, job.printed) == ("no text", "another file?", "reading 4 MB")
    assert not list((tmp_path / ".starting").iterdir())
