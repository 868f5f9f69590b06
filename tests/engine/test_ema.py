"""The running average of the weights."""

from __future__ import annotations

import contextlib

import pytest
import torch

from checkpoints.errors import CheckpointError
from engine.config import ModelConfig
from engine.ema import EMA
from engine.model import Model


def build(seed: int = 0) -> Model:
    return Model(ModelConfig(hidden_size=6), 9, rng=torch.Generator().manual_seed(seed))


def wander(model: Model, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=rng))


def test_average_is_the_weighted_sum_of_all_weights_so_far() -> None:
    model = build()
    ema = EMA(model, 0.9)
    seen = [model.weights()]
    for seed in range(3):
        wander(model, seed)
        ema.update(step=10**6)
        seen.append(model.weights())
    shares = [0.9**3, 0.1 * 0.9**2, 0.1 * 0.9, 0.1]
    for name, average in ema.weights().items():
        expected = sum(share * w[name] for share, w in zip(shares, seen, strict=True))
        torch.testing.assert_close(average, expected)


def test_with_the_step_the_average_is_short_at_first() -> None:
    model = build()
    ema = EMA(model, 0.999)
    start = model.weights()
    wander(model, 0)
    ema.update(step=0)
    for name, average in ema.weights().items():
        torch.testing.assert_close(average, 0.1 * start[name] + 0.9 * model.weights()[name])
    before = ema.weights()
    ema.update(step=10**6)
    for name, average in ema.weights().items():
        expected = 0.999 * before[name] + 0.001 * model.weights()[name]
        torch.testing.assert_close(average, expected)


def test_swapped_in_the_model_has_the_average_and_afterwards_its_own_weights() -> None:
    model = build()
    ema = EMA(model, 0.5)
    wander(model, 0)
    ema.update(step=10**6)
    own, average = model.weights(), ema.weights()
    with contextlib.suppress(ValueError), ema.swapped_in():
        torch.testing.assert_close(model.weights(), average, rtol=0, atol=0)
        raise ValueError  # what fails inside must not leave the average behind
    torch.testing.assert_close(model.weights(), own, rtol=0, atol=0)
    torch.testing.assert_close(ema.weights(), average, rtol=0, atol=0)


def test_average_survives_a_checkpoint_and_another_models_is_refused() -> None:
    model = build()
    ema = EMA(model, 0.5)
    wander(model, 0)
    ema.update(step=10**6)
    again = EMA(build(1), 0.5)
    again.load_weights(ema.weights())
    torch.testing.assert_close(again.weights(), ema.weights(), rtol=0, atol=0)
    other = Model(ModelConfig(hidden_size=7), 9, rng=torch.Generator().manual_seed(0))
    with pytest.raises(CheckpointError):
        EMA(other, 0.5).load_weights(ema.weights())
