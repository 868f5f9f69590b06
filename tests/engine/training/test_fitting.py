"""The network that was chosen is measured itself, and chosen again if it is faster or slower than foreseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from checkpoints.errors import ConfigError
from engine.config import ModelConfig, TrainConfig
from engine.training import fitting
from engine.training.fitting import Fitted, fit
from engine.training.plan import Measured, working_weights

TOKENS = 1_000_000
VOCAB = 82


def fitted(
    monkeypatch: pytest.MonkeyPatch,
    work_per_s: Callable[[int], float],
    *,
    threads: int = 2,
    free: bool = True,
    **given: Any,
) -> tuple[Fitted, list[int]]:
    """What is chosen where a network of so many units does so much work (tokens times weights) in a second."""
    widths: list[int] = []

    def fastest(
        model: ModelConfig, training: TrainConfig, *, threads: list[int], **_: object
    ) -> tuple[int, Measured]:
        assert training.lanes == 16
        widths.append(model.hidden_size)
        weights = working_weights(model, VOCAB)
        return threads[-1], Measured(work_per_s(model.hidden_size) / weights, weights)

    monkeypatch.setattr(fitting, "fastest", fastest)
    model = ModelConfig(hidden_size=given.get("hidden_size", 128))
    found = fit(
        model,
        TrainConfig(minutes=3.0),
        given=given,
        vocab_size=VOCAB,
        tokens=TOKENS,
        documents=False,
        device=torch.device("cpu"),
        threads=threads,
        free_threads=free,
    )
    return found, widths


def test_a_machine_that_computes_wide_layers_faster_has_wider_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    even, widths = fitted(monkeypatch, lambda _: 1.2e10)
    assert widths == [128, even.model.hidden_size]
    better, widths = fitted(monkeypatch, lambda units: 1.2e10 * units / 128)
    assert even.model.hidden_size < better.model.hidden_size == widths[-1]
    assert len(widths) <= fitting.ROUNDS


def test_passes_are_told_by_the_speed_of_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_if_wide(units: int) -> float:
        return 1.2e10 if units <= 128 else 0.9e10

    found, widths = fitted(monkeypatch, slow_if_wide)
    weights = working_weights(found.model, VOCAB)
    assert widths[-1] == found.model.hidden_size
    assert f"about {0.9e10 / weights * 180 / TOKENS:.1f} passes" in found.why


def test_it_ends_where_each_speed_asks_for_another_width(monkeypatch: pytest.MonkeyPatch) -> None:
    _, widths = fitted(monkeypatch, lambda units: 5e10 if units <= 128 else 1e8)
    assert len(widths) == fitting.ROUNDS


def test_a_width_that_was_given_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found, widths = fitted(monkeypatch, lambda _: 1e10, hidden_size=64)
    assert (found.model.hidden_size, widths) == (64, [64])


def test_threads_are_the_users_if_they_gave_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = fitted(monkeypatch, lambda _: 1e10)
    assert found.threads == 1
    assert found.why.endswith("1 thread, the fastest here")
    found, _ = fitted(monkeypatch, lambda _: 1e10, free=False)
    assert found.threads == 2
    assert "thread" not in found.why


def test_memory_that_runs_out_with_the_chosen_width_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(units: int) -> float:
        if units > 128:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return 1.2e10

    with pytest.raises(ConfigError, match="memory ran out: 16 lanes"):
        fitted(monkeypatch, work)
