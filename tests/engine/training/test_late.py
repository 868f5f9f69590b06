"""Steps whose verdict comes one step late do what steps do that wait for it: run here on the CPU, as a GPU would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from checkpoints import events as ev
from checkpoints.checkpoint import read_checkpoint
from checkpoints.runs import RunFolder
from engine.config import ModelConfig, TrainConfig
from engine.ema import EMA
from engine.model import Model
from engine.optimizers import CAN_SKIP, build
from engine.training import late, learning
from engine.training.late import Numbers, fed
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from tests.cli import verse

CLOCKS = {"time", "seconds", "tokens_per_s", "chars_per_s", "eta_s", "size_bytes", "run"}
Spoil = Callable[[nn.Module, int], None]


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")

    def make(**settings: Any) -> RunFolder:
        given = {
            "steps": 40, "hidden_size": 12, "num_layers": 1, "embedding_size": 8, "lanes": 4, "bptt": 16,
            "checkpoint_every": 20, "sample_length": 0, "dropout": 0.2, "ema": 0.9, "schedule": "constant",
            **settings,
        }  # fmt: skip
        request = Request(
            corpus=(str(tmp_path / "v.txt"),), runs=tmp_path / "runs", given=given, threads=1
        )
        return prepare(request).run

    return make


def trained(run: RunFolder, spoil: Spoil, *, lags: bool, **more: Any) -> RunFolder:
    """Train with `spoil` called before each clipping, with its number."""
    calls = 0
    real = learning.clip

    def clip(model: Model, config: TrainConfig) -> torch.Tensor:
        nonlocal calls
        calls += 1
        spoil(model, calls)
        return real(model, config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "clip", clip)
        patch.setattr(late, "pays", lambda _: lags)
        train_run(run, **more)
    return run


def learned(run: RunFolder, step: int) -> dict[str, bytes]:
    files = read_checkpoint(run.path / f"step-{step:07d}")
    body = json.loads(files["trainer.json"])
    body["state"]["seconds"] = 0
    return {**files, "trainer.json": json.dumps(body).encode()}


def told(run: RunFolder) -> list[str]:
    kept = [json.loads(ev.encode(e)) for e in run.events() if not isinstance(e, ev.Started)]
    return [json.dumps({k: v for k, v in e.items() if k not in CLOCKS}) for e in kept]


def gradients(value: float, *calls: int) -> Spoil:
    def spoil(model: nn.Module, call: int) -> None:
        if call in calls:
            next(p for p in model.parameters() if p.ndim == 2).grad[0].fill_(value)  # type: ignore[index]

    return spoil


def weights(*calls: int) -> Spoil:
    def spoil(model: nn.Module, call: int) -> None:
        if call in calls:
            with torch.no_grad():
                next(p for p in model.parameters() if p.ndim == 2)[0].fill_(float("nan"))

    return spoil


before_the_end = weights(39)  # then step 40 is never kept


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize(
    "spoil",
    [
        gradients(float("nan"), 7, 13),
        gradients(3e38, 20),
        gradients(float("inf"), 20, 21, 40),
        weights(27),
        before_the_end,
    ],
    ids=["skipped", "at a look", "around a look and at the end", "rolled back", "before the end"],
)
def test_a_late_verdict_is_the_same_verdict(
    make_run: Callable[..., RunFolder], optimizer: str, spoil: Spoil
) -> None:
    waits = trained(make_run(optimizer=optimizer), spoil, lags=False)
    goes_on = trained(make_run(optimizer=optimizer), spoil, lags=True)
    assert told(goes_on) == told(waits)
    last = 20 if spoil is before_the_end else 40
    assert learned(goes_on, last) == learned(waits, last)


def test_a_run_with_late_verdicts_goes_on_to_the_bit(make_run: Callable[..., RunFolder]) -> None:
    whole = trained(make_run(), gradients(float("nan"), 20, 30), lags=True)
    # It ends where no look is due, and before a step event was.
    parts = trained(make_run(steps=25), gradients(float("nan"), 20), lags=True)
    more = {"resuming": True, "budget": {"steps": 40}}
    trained(parts, gradients(float("nan"), 5), lags=True, **more)
    for name in ("model.safetensors", "optimizer.safetensors", "state.safetensors"):
        assert learned(parts, 40)[name] == learned(whole, 40)[name]
    losses = [
        [(e.step, e.steps, e.loss_nats) for e in run.events() if isinstance(e, ev.Step)]
        for run in (parts, whole)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", sorted(CAN_SKIP))
def test_a_step_that_the_device_skips_changes_nothing(name: str) -> None:
    model = Model(ModelConfig(hidden_size=8, embedding_size=4), 7, rng=torch.Generator().manual_seed(0))  # fmt: skip
    optimizer = build(model, TrainConfig(optimizer=name))
    average = EMA(model, 0.5)

    def step(value: float, *, unless: bool | None) -> dict[str, torch.Tensor]:
        for p in model.parameters():
            p.grad = torch.full_like(p, value)
        bad = None if unless is None else torch.tensor(unless)
        optimizer.step(lr=0.01, unless=bad)
        average.update(step=1, unless=bad)
        averages = {f"ema.{name}": w for name, w in average.weights().items()}
        return {**model.weights(), **optimizer.state()[0], **averages}

    before = step(0.1, unless=False)
    after = step(float("nan"), unless=True)
    assert all(torch.equal(before[key], after[key]) for key in before)
    moved = step(0.1, unless=False)
    assert not torch.equal(moved["output_bias"], before["output_bias"])


def test_numbers_and_windows_come_as_they_are() -> None:
    assert Numbers(torch.tensor([1.5, float("inf")])).read() == [1.5, float("inf")]
    window = torch.arange(6).view(2, 3).numpy()
    assert fed(window[:, 1:], torch.device("cpu")).tolist() == [[1, 2], [4, 5]]
