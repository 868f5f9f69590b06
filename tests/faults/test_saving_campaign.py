"""The long campaign against saves: `scripts/faults` runs it and shows its figures."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkpoints.checkpoint import (
    checkpoint_folders,
    newest_valid,
    read_checkpoint,
    step_of,
    write_checkpoint,
)
from checkpoints.errors import CheckpointError
from tests.faults.crashdisk import (
    QuickDisk,
    RecordingDisk,
    content,
    power_cuts,
    read_tree,
    write_tree,
)
from tests.faults.test_saving import SCENES
from tests.faults.test_tampering import ABOUT, FILES

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]

KILLS = 200

# Saves for ever: steps go up, now and then one is saved again, old ones are pruned. Says each step that is safe.
TRAINER = """
import sys
from pathlib import Path
from checkpoints.checkpoint import checkpoint_folders, clean, remove_checkpoint, write_checkpoint
from tests.faults.crashdisk import content
run, step = Path(sys.argv[1]), int(sys.argv[2])
clean(run)
while True:
    step += 1
    for again in range(1 + step % 2):
        write_checkpoint(run, step, content(step))
    print(step, flush=True)
    for path in checkpoint_folders(run)[:-3]:
        remove_checkpoint(path)
"""


def visible(run: Path) -> list[Path]:
    """The checkpoints as a reader meets them: one that stands aside counts where its successor is not there yet."""
    paths = checkpoint_folders(run)
    return [p for p in paths if p.suffix != ".old" or p.with_suffix("") not in paths]


def test_a_process_killed_at_random_moments_of_saving(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(1)
    safe = midway = 0
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", TRAINER, str(tmp_path), str(safe)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": "."},
        )
        assert child.stdout is not None
        try:
            safe = int(child.stdout.readline())
            time.sleep(rng.uniform(0, 0.05))
        finally:
            child.send_signal(signal.SIGKILL)
            *told, _ = child.stdout.read().split("\n")  # what else it had said when it died
            child.stdout.close()
            child.wait()
        safe = int(told[-1]) if told else safe
        newest = newest_valid(tmp_path)
        assert newest is not None
        step = step_of(newest)
        assert step is not None
        assert step in (safe, safe + 1)
        for path in visible(tmp_path):
            assert read_checkpoint(path) == content(step_of(path) or 0)
        midway += any(p.name.startswith(".tmp-") or p.suffix == ".old" for p in tmp_path.iterdir())
    with capsys.disabled():
        print(
            f"\n{KILLS} kills while saving, {midway} of them in the middle of a save: 0 checkpoints lost"
        )


def test_many_power_cuts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = 0
    for prepare, save, allowed in SCENES.values():
        run, survivor = tmp_path / "run", tmp_path / "survivor"
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        prepare(run)
        before = read_tree(run)
        disk = RecordingDisk()
        save(run, disk)
        for _, tree in power_cuts(before, run, disk, random_cuts=150):
            write_tree(survivor, tree)
            newest = newest_valid(survivor)
            assert (newest is None and not before) or (
                newest is not None and read_checkpoint(newest) in allowed
            )
            for path in visible(survivor):
                read_checkpoint(path)
            cuts += 1
    with capsys.disabled():
        print(f"\n{cuts:,} power cuts: 0 checkpoints lost")


def test_every_bit_of_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_checkpoint(tmp_path, 200, FILES, about=ABOUT, disk=QuickDisk())
    flipped = found = 0
    for file in sorted(path.iterdir()):
        whole = file.read_bytes()
        for bit in range(8 * len(whole)):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            file.write_bytes(damaged)
            flipped += 1
            try:
                read_checkpoint(path)
            except CheckpointError:
                found += 1
        file.write_bytes(whole)
    with capsys.disabled():
        print(f"\n{flipped:,} single flipped bits, each in its own copy: {found:,} found")
    assert found == flipped
