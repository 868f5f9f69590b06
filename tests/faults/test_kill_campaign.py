"""The long campaign of kills: at least a hundred SIGKILLs at random instants of training, resuming and saving."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_kill import learned, logged, rounds_of_killing, uninterrupted

__all__ = ["uninterrupted"]  # the fixture

KILLS = 100
PER_RUN = 20


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_a_hundred_kills_lose_nothing(uninterrupted: Path, tmp_path: Path) -> None:
    kills = runs = 0
    while kills < KILLS:
        folder = tmp_path / str(runs)
        folder.mkdir()
        kills += rounds_of_killing(folder, seed=100 + runs, most=PER_RUN)
        runs += 1
        run = folder / "runs" / "r"
        assert learned(run) == learned(uninterrupted)
        assert logged(run) == logged(uninterrupted)
    print(
        f"{kills} kills over {runs} runs: every run ended equal to the uninterrupted one, bit for bit"
    )
