"""What the studio and the command line read must not cost them torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import checkpoints

MODULES = sorted(path.stem for path in Path(checkpoints.__file__).parent.glob("[a-z]*.py"))


def test_only_the_tensors_load_torch() -> None:
    others = [f"checkpoints.{name}" for name in MODULES if name != "tensors"]
    code = f"import sys, {', '.join(others)}; print({{'torch', 'numpy', 'safetensors'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(others) >= 12
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("name", MODULES)
def test_no_module_names_a_room_above_or_pickle(name: str) -> None:
    text = (Path(checkpoints.__file__).parent / f"{name}.py").read_text()
    for forbidden in ("pickle", "rnnstudio", "tui", "engine", "corpora", "torch.load"):
        assert f"import {forbidden}" not in text
        assert f"from {forbidden}" not in text
        assert forbidden != "torch.load" or forbidden not in text
