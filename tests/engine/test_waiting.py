"""How torch's threads wait for each other is settled before torch is loaded, and left to the user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine import waiting
from tests.cli import environment as child


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def test_threads_stay_awake_for_a_moment() -> None:
    waiting.settle()
    # Sleeping at once loses three fifths of two cores.
    assert 1000 <= int(os.environ["GOMP_SPINCOUNT"]) <= 10_000
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("name", ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"])
def test_what_the_user_says_stays(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "7")
    before = dict(os.environ)
    waiting.settle()
    assert dict(os.environ) == before


ASKS = """
import sys
from engine import waiting
waiting.settle = lambda: print("loaded" if "torch" in sys.modules else "not yet")
"""


@pytest.mark.parametrize("program", ["rnnstudio", "benchmarks"])
def test_it_is_settled_before_torch_is_loaded(program: str, tmp_path: Path) -> None:
    runs = {
        "rnnstudio": "sys.argv = ['rnnstudio', 'doctor']; from rnnstudio.__main__ import main; main()",
        "benchmarks": "from benchmarks.__main__ import main; main(['cells', '--help'])",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASKS + runs[program]],
        env=child(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("not yet\n")
