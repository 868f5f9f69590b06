"""Training in fp16: the loss is scaled as far as its gradients bear, and a resumed run knows how far that was."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import events as ev
from checkpoints.checkpoint import read_checkpoint
from checkpoints.errors import ConfigError
from checkpoints.runs import RunFolder
from checkpoints.tensors import unpack
from engine.training import late, scaling, snapshot
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from engine.training.state import TrainerState
from tests.cli import verse


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")

    def make(**settings: Any) -> RunFolder:
        given = {
            "cell": "rnn", "steps": 40, "hidden_size": 12, "num_layers": 1, "embedding_size": 8, "lanes": 4,
            "bptt": 16, "checkpoint_every": 20, "sample_length": 0, "precision": "fp16", "schedule": "constant",
            **settings,
        }  # fmt: skip
        request = Request(
            corpus=(str(tmp_path / "v.txt"),), runs=tmp_path / "runs", given=given, threads=1
        )
        return prepare(request).run

    return make


def test_the_scale_is_halved_by_what_it_alone_broke() -> None:
    state = TrainerState(loss_scale=1024.0, scaled_steps=7)

    def overflowed(loss: float = 2.0, grad_norm: float = math.inf, scale: float = 1024.0) -> bool:
        return scaling.overflowed(state, scale=scale, loss=loss, grad_norm=grad_norm)

    assert not overflowed(grad_norm=1.0)
    assert not overflowed(loss=math.nan)
    assert (state.loss_scale, state.scaled_steps) == (1024, 7)
    assert overflowed()
    assert overflowed()  # the next step was under way at the same scale
    assert (state.loss_scale, state.scaled_steps) == (512, 0)
    assert not overflowed(scale=1.0)


def test_a_run_that_goes_on_in_something_else_begins_its_scale_anew() -> None:
    state = TrainerState(loss_scale=1024.0, scaled_steps=7)
    scaling.go_on(state, torch.float16)
    assert (state.loss_scale, state.scaled_steps) == (1024, 7)
    scaling.go_on(state, torch.bfloat16)
    assert (state.loss_scale, state.scaled_steps) == (1, 0)
    scaling.go_on(state, torch.float32)
    assert state.loss_scale == 1
    scaling.go_on(state, torch.float16)
    assert state.loss_scale == scaling.FIRST


def test_the_scale_grows_after_many_good_steps_to_a_bound() -> None:
    state = TrainerState(loss_scale=scaling.MOST / 2)
    for expected in (scaling.MOST / 2, scaling.MOST, scaling.MOST):
        assert state.loss_scale == expected
        for _ in range(scaling.PATIENCE_STEPS):
            scaling.went_well(state)
    plain = TrainerState()
    scaling.went_well(plain)
    assert plain == TrainerState()


@pytest.mark.parametrize("lags", [False, True])
def test_a_run_in_fp16_finds_its_scale_learns_and_goes_on_to_the_bit(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, lags: bool
) -> None:
    monkeypatch.setattr(late, "pays", lambda _: lags)
    monkeypatch.setattr(scaling, "FIRST", 2.0**24)  # too high by far
    whole, parts = make_run(), make_run(steps=20)
    train_run(whole)
    train_run(parts)
    train_run(parts, resuming=True, budget={"steps": 40})
    last = [read_checkpoint(run.path / "step-0000040") for run in (whole, parts)]
    for name in ("model.safetensors", "optimizer.safetensors", "state.safetensors"):
        assert last[0][name] == last[1][name]
    state = snapshot.state_of(last[1])
    assert 1 < state.loss_scale < 2.0**24
    assert 0 < state.scaled_steps < 40
    events = list(whole.events())
    assert not [e for e in events if isinstance(e, ev.Warned)]
    steps = [e for e in events if isinstance(e, ev.Step)]
    assert steps[-1].loss_nats < steps[0].loss_nats - 0.2
    assert all(e.grad_norm < 10 for e in steps)  # told, and clipped, without the scale
    weights = unpack(last[0]["model.safetensors"]).values()
    assert {w.dtype for w in weights if w.is_floating_point()} == {torch.float32}
    assert all(torch.isfinite(w).all() for w in weights)


def test_what_the_cpu_cannot_compute_is_told_before_anything_is_made(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no fp16 kernel"):
        make_run(cell="lstm")
    assert not [path for path in (tmp_path / "runs").glob("*") if path.name != ".cache"]
