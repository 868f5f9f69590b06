"""Pruning never takes the checkpoint that a run would go on from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checkpoints.checkpoint import newest_valid, write_checkpoint
from checkpoints.runs import RunFolder
from engine.training import snapshot
from engine.training.distributed import World
from engine.training.keeping import Keeper
from tests.faults.crashdisk import QuickDisk


def test_a_run_that_went_back_over_a_damaged_checkpoint_keeps_what_it_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.create(tmp_path, "r", {}, disk=QuickDisk())
    for step in (100, 200):
        write_checkpoint(run.path, step, {"a": b"whole"}, disk=QuickDisk())
    (run.path / "step-0000200" / "a").write_bytes(b"damag")
    monkeypatch.setattr(snapshot, "take", lambda *_, **__: {"a": b"new"})
    session: Any = SimpleNamespace(
        run=run,
        settings=SimpleNamespace(
            training=SimpleNamespace(keep=0, precision="float32"),
            model=SimpleNamespace(cell="lstm", hidden_size=8),
        ),
        model=SimpleNamespace(weights=dict),
        world=World(),
    )
    state: Any = SimpleNamespace(step=150, last=None)
    keeper = Keeper([].append)
    moment = keeper.take(session, state, all_lanes=(), reason="time")
    assert moment is not None
    assert keeper.keep(session, moment)
    assert newest_valid(run.path) == run.path / "step-0000150"
    assert not (run.path / "step-0000100").exists()  # with --keep 0 the older one did go
