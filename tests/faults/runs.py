"""Small real runs for the fault tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from checkpoints import events as ev
from checkpoints.runs import RunFolder
from engine.training import learning
from engine.training.run import Outcome, train_run

SETTINGS: dict[str, Any] = {
    "steps": 60, "hidden_size": 12, "num_layers": 1, "embedding_size": 8, "lanes": 4, "bptt": 16,
    "checkpoint_every": 20, "sample_length": 0,
}  # fmt: skip


def trained(run: RunFolder, **more: Any) -> tuple[Outcome, list[ev.Event]]:
    heard: list[ev.Event] = []

    def hear(event: ev.Event, line: str) -> None:
        assert line
        heard.append(event)

    return train_run(run, hear=hear, **more), heard


def spoiled(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[torch.nn.Module, int], None]) -> None:
    """Let `spoil` do something to the model's gradients or weights before each clipping; it gets the call's number."""
    calls = 0

    def clip(model: torch.nn.Module, config: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        spoil(model, calls)
        return real(model, config)

    real = learning.clip
    monkeypatch.setattr(learning, "clip", clip)
