"""Training and writing on a CUDA device, which is a pretended one: see `pretended_cuda`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine import compiler
from tests.cli import ROOT, environment

FOLDER = Path(__file__).parent / "pretended_cuda"
# Their headers are known to have all that device.cpp takes from them.
TRIED = ("2.13",)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The device, compiled."""
    if not sys.platform.startswith("linux") or torch.version.cuda:
        pytest.skip("pretends a CUDA device only on Linux, where torch is built without CUDA")
    if not compiler.command():
        pytest.skip("needs a C++ compiler to build the pretended device")
    root = Path(torch.__file__).parent
    made = tmp_path_factory.mktemp("device") / "device.so"
    include = [f"-I{root / 'include'}", f"-I{root / 'include/torch/csrc/api/include'}"]
    done = subprocess.run(
        [*compiler.command(), "-std=c++20", "-O0", "-fPIC", "-shared", "-w", *include, str(FOLDER / "device.cpp"),
         "-o", str(made), f"-L{root / 'lib'}", "-lc10", "-ltorch_cpu"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode and not torch.__version__.startswith(TRIED):
        pytest.skip(
            f"the pretended device is not made for torch {torch.__version__}: {done.stderr[:300]}"
        )
    assert done.returncode == 0, done.stderr
    return made


def test_what_holds_on_cuda(device: Path) -> None:
    """In a process of its own, as torch is told of the device before it is loaded."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.engine.pretended_cuda.device",
         "-p", "tests.engine.pretended_cuda.torch_cuda", "-p", "no:xdist", "-p", "no:cacheprovider",
         str(FOLDER / "cases.py")],
        cwd=ROOT, env=environment(RNNSTUDIO_PRETENDED_CUDA=str(device), RNNSTUDIO_COMPILE="0"),
        capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout, done.stdout[-500:]
    assert "skipped" not in done.stdout, done.stdout[-500:]
