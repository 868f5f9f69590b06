"""Memory that runs out while a model is built, trained or written with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import events as ev
from checkpoints.errors import ConfigError
from checkpoints.runs import RunFolder
from engine.training import learning
from tests.cli import verse
from tests.engine import checkpoint, tiny
from tests.faults.runs import trained
from tests.warm import Warm


def test_memory_that_runs_out_is_a_sentence_with_the_setting_to_change(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def clip(*_: Any) -> torch.Tensor:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 1 bytes"
        )

    monkeypatch.setattr(learning, "clip", clip)
    run = make_run()
    with pytest.raises(ConfigError, match="memory ran out") as caught:
        trained(run)
    assert "--lanes 2" in caught.value.hint
    assert isinstance(list(run.events())[-1], ev.Ended)


LIMIT = """
import pathlib, resource, torch
torch.ones(64, 64) @ torch.ones(64, 64)  # what its kernels map on first use
used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {megabytes} * 1_000_000,) * 2)
"""


def limited(folder: Path, *arguments: str, megabytes: int) -> str:
    """What the command says, which must end with 2, where it may map only so much beyond what torch itself maps."""
    with (folder / "err.txt").open("w") as err:
        process = Warm(*arguments, cwd=folder, stderr=err, before=LIMIT.format(megabytes=megabytes))
    code, said = process.wait(), (folder / "err.txt").read_text("utf-8")
    assert code == 2, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    "flags",
    [("--hidden", "4096"), ("--hidden", "512", "--lanes", "4000", "--bptt", "16")],
    ids=["build", "step"],
)
def test_training_that_really_runs_out_of_memory_says_what_to_change(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    (tmp_path / "v.txt").write_text(verse(4000), "utf-8")
    said = limited(
        tmp_path, "train", "v.txt", "--steps", "5", "--threads", "1", *flags, megabytes=500
    )
    assert "memory ran out" in said
    assert "--lanes" in said


def test_a_sampler_that_really_runs_out_of_memory_is_a_sentence(tmp_path: Path) -> None:
    letters = tiny.tokenizer()
    model = tiny.model(letters.vocab_size, hidden=1200, layers=1)
    checkpoint.write(tmp_path / "runs" / "r", 1, checkpoint.files(model, letters))
    assert "memory" in limited(tmp_path, "sample", "r", "--length", "20", megabytes=60)
