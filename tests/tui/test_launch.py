"""Trainers as the studio starts them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

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
