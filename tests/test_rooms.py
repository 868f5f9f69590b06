"""Imports point down only: each room, loaded whole in a fresh interpreter, brings in no room above it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli import ROOT, environment

FRONT_ENDS = {"textual", "rich", "typer"}

NEVER = {
    "checkpoints": {"rnnstudio", "tui", "engine", "corpora", "music21", *FRONT_ENDS},
    "corpora": {"rnnstudio", "tui", "engine", "torch", "music21", "verovio", *FRONT_ENDS},
    "engine": {"rnnstudio", "tui", "music21", *FRONT_ENDS},
    "tui": {"rnnstudio", "torch", "music21"},
}

LOAD_ALL = """
import importlib, pkgutil, sys
room = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(room.__path__, sys.argv[1] + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("room", NEVER)
def test_a_room_brings_in_nothing_from_above(room: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, room],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert room in done.stdout.split()
    assert not NEVER[room] & set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["engine", "engine.config", "engine.sizes", "checkpoints.runs", "corpora.figures"]
)
def test_what_the_studio_reads_loads_neither_torch_nor_numpy(module: str) -> None:
    code = f"import sys, {module}; print({{'torch', 'numpy'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
