"""A run that goes on elsewhere says that its last bits will differ; one that goes on where it was does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import events as ev
from checkpoints.runs import RunFolder
from engine import compiler
from engine.training import circumstances, looks
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from engine.windows import compiled
from tests.cli import verse


@pytest.fixture
def stopped(tmp_path: Path) -> RunFolder:
    """A run of ten steps, which has more."""
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")
    given = {"steps": 10, "hidden_size": 32, "num_layers": 1, "embedding_size": 8, "lanes": 4, "bptt": 16,
             "sample_length": 0}  # fmt: skip
    request = Request(
        corpus=(str(tmp_path / "v.txt"),), runs=tmp_path / "runs", given=given, threads=1
    )
    run = prepare(request).run
    train_run(run)
    return run


def warnings(run: RunFolder, **given: Any) -> list[str]:
    train_run(run, resuming=True, budget={"steps": 20}, **given)
    return [event.text for event in run.events() if isinstance(event, ev.Warned)]


def test_a_run_that_goes_on_where_it_was_says_nothing(stopped: RunFolder) -> None:
    assert not warnings(stopped)


def test_another_torch_is_told(stopped: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    was = torch.__version__
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    assert warnings(stopped) == [
        f"the run goes on from the same weights, but not bit for bit: torch 9.9.9 instead of {was}"
    ]


def test_another_number_of_threads_is_told(stopped: RunFolder) -> None:
    (text,) = warnings(stopped, threads=2)
    assert text.endswith("bit for bit: threads 2 instead of 1")


@pytest.mark.skipif(
    not torch.cpu.get_capabilities().get("avx512_bf16"), reason="no CPU with units for bf16"
)
def test_other_kernels_are_told(stopped: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiler.OFF, "0")
    (text,) = warnings(stopped)
    assert f"products bf16, kernels by torch: {compiler.OFF}=0 instead of" in text


def test_another_library_is_told(stopped: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    library = compiled.serves("lstm", 32, torch.bfloat16)
    if library is None:
        pytest.skip("nothing is compiled here")
    was = library.digest
    monkeypatch.setattr(library, "digest", "another")
    (text,) = warnings(stopped)
    assert text.endswith(f"bit for bit: compiled library another instead of {was}")


def test_looks_in_another_arithmetic_are_told(
    stopped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "in_int8", lambda *_: True)
    monkeypatch.setattr(looks, "validate", lambda *_, **__: None)
    (text,) = warnings(stopped)
    assert text.endswith("bit for bit: looks in int8 instead of as training")


@pytest.mark.parametrize("said", [None, "nonsense", {}, {"weather": "fine"}])
def test_a_checkpoint_that_does_not_say_is_no_error(said: object) -> None:
    assert not circumstances.changed(said, {"torch": "2.13.0", "threads": "1"})
