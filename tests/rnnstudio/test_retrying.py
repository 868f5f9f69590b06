"""`--retry`: what a device's error ended goes on in a new process, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpoints.errors import ConfigError
from engine.training.run import Outcome
from engine.training.trainer import Trainer
from rnnstudio import retrying
from tests.cli import TINY, here


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words of each process that would have taken this one's place."""
    words: list[list[str]] = []

    def become(_: str, told: list[str]) -> None:
        words.append(told[4:])
        raise SystemExit

    monkeypatch.setattr("os.execv", become)
    return words


def test_a_run_goes_on_after_an_error_of_the_driver(
    begun: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    (tmp_path / "v.txt").write_text("the owl sat in the old oak tree\n" * 60)
    words = ("train", "v.txt", "--steps", "2", *TINY, "--sample-length", "0", "--json")
    with monkeypatch.context() as broken:
        broken.setattr(Trainer, "_step", fail)
        assert "launch failure" in here(*words, cwd=tmp_path, expect=(1,)).err
        here(*words, "--retry", "3", cwd=tmp_path)
    assert begun == [["resume", "runs/v-2", "--retry", "2", "--json"]]
    events = here(*begun[0], cwd=tmp_path).lines
    assert (events[0]["type"], events[-1]["type"], events[-1]["step"]) == ("resume", "end", 2)


@pytest.mark.parametrize(
    ("cause", "goes_on"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (None, False),
    ],
)
def test_only_the_device_is_tried_again(
    cause: Exception | None, goes_on: bool, begun: list[list[str]]
) -> None:
    def train(_: object) -> Outcome:
        raise ConfigError("the run ended", hint="") from cause

    def again(times: int) -> None:
        retrying.retrying(train, hear=lambda *_: None, times=times, run="r", options=["--json"])

    with pytest.raises(ConfigError):
        again(0)
    if goes_on:
        with pytest.raises(SystemExit):
            again(2)
        assert begun[0] == ["resume", "r", "--retry", "1", "--json"]
    else:
        with pytest.raises(ConfigError):
            again(2)
    with pytest.raises(ConfigError, match="retry is -1"):
        again(-1)
