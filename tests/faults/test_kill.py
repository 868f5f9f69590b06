"""A run that is killed at any moment goes on bit for bit: weights, carried state, optimizer, and the log."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from checkpoints.checkpoint import read_checkpoint
from tests.cli import TINY, here, verse
from tests.warm import Warm

STEPS = 240
FLAGS = (
    "--steps", str(STEPS), "--seed", "5", *TINY, "--dropout", "0.2", "--checkpoint-every", "60",
    "--checkpoint-seconds", "0.4", "--sample-length", "30", "--ema", "0.9",
)  # fmt: skip

# What tells of a clock, or of when a safety checkpoint came, may differ; nothing else may.
TIMES = {"time", "seconds", "tokens_per_s", "chars_per_s", "eta_s", "size_bytes"}


def learned(run: Path) -> dict[str, bytes]:
    """The last checkpoint's files, without the seconds that it took."""
    files = read_checkpoint(run / f"step-{STEPS:07d}")
    body = json.loads(files["trainer.json"])
    body["state"]["seconds"] = 0
    return {**files, "trainer.json": json.dumps(body).encode()}


def logged(run: Path) -> list[dict[str, Any]]:
    """The log as views read it, without clocks and safety checkpoints."""
    from checkpoints import events as ev
    from checkpoints.runs import RunFolder

    kept = []
    for event in RunFolder(run).events():
        if isinstance(event, ev.CheckpointWritten | ev.Warned | ev.Note):
            continue
        body = json.loads(ev.encode(event))
        kept.append({k: v for k, v in body.items() if k not in TIMES and k not in ("run", "pid")})
    return kept


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "v.txt").write_text(verse(), "utf-8")
    here("train", "v.txt", "--name", "r", *FLAGS, "--json", cwd=folder)
    return folder / "runs" / "r"


def killed_when(process: Warm, moment: float, run: Path) -> bool:
    """SIGKILL `moment` seconds after the log begins to grow; whether it was still alive."""
    log = run / "events.jsonl"
    before = log.stat().st_size if log.exists() else 0
    while process.poll() is None and not (log.exists() and log.stat().st_size > before):
        time.sleep(0.005)
    time.sleep(moment)
    alive = process.poll() is None
    if alive:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def rounds_of_killing(folder: Path, seed: int, *, most: int) -> int:
    """Train in `folder`, killing at random moments and resuming until it ends by itself; gives the kills."""
    (folder / "v.txt").write_text(verse(), "utf-8")
    rng = random.Random(seed)
    run = folder / "runs" / "r"
    kills = 0
    arguments: tuple[str, ...] = ("train", "v.txt", "--name", "r", *FLAGS, "--json")
    while True:
        with (folder / "err.txt").open("w") as err:
            process = Warm(*arguments, cwd=folder, stderr=err)
        if kills >= most:
            assert process.wait() == 0, (folder / "err.txt").read_text("utf-8")
            return kills
        if not killed_when(process, rng.uniform(0.0, 0.8), run):
            assert process.returncode == 0, (folder / "err.txt").read_text("utf-8")
            return kills
        kills += 1
        arguments = ("resume", "r", "--json")
        if (run / "events.jsonl").read_bytes().splitlines()[-1].startswith(b'{"type":"end"'):
            return kills  # killed between its last word and its exit


def test_a_run_killed_at_random_moments_ends_as_if_it_never_was(
    uninterrupted: Path, tmp_path: Path
) -> None:
    kills = rounds_of_killing(tmp_path, seed=1, most=2)
    assert kills >= 1
    run = tmp_path / "runs" / "r"
    assert learned(run) == learned(uninterrupted)
    assert logged(run) == logged(uninterrupted)


def test_an_interrupt_saves_and_the_run_goes_on_exactly(
    uninterrupted: Path, tmp_path: Path
) -> None:
    (tmp_path / "v.txt").write_text(verse(), "utf-8")
    run = tmp_path / "runs" / "r"
    said = tmp_path / "err.txt"
    with said.open("w") as err:
        process = Warm("train", "v.txt", "--name", "r", *FLAGS, cwd=tmp_path, stderr=err)
    while not (run / "step-0000000").exists():
        assert process.poll() is None, said.read_text("utf-8")
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130, said.read_text("utf-8")
    assert "rnnstudio resume r" in said.read_text("utf-8")
    assert "Traceback" not in said.read_text("utf-8")
    here("resume", cwd=tmp_path)
    assert learned(run) == learned(uninterrupted)
    # What it wrote when it was interrupted stays, between two looks.
    written = ("sample_begin", "sample_text", "sample_end")
    kept = [
        e for e in logged(run) if e["type"] not in written or (e["step"] and not e["step"] % 60)
    ]
    assert kept == logged(uninterrupted)
