"""Calibration takes the number of threads that is fastest, and leaves torch set to it."""

from __future__ import annotations

import pytest
import torch

from engine.config import ModelConfig, TrainConfig
from engine.training import calibration
from engine.training.plan import Measured

CPU = torch.device("cpu")
SMALL = ModelConfig(hidden_size=8, num_layers=1, embedding_size=4)
FEW = TrainConfig(lanes=2, bptt=8, lr=0.01)


def test_the_faster_number_of_threads_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {2: 10.0, 1: 30.0}

    def measure(*_: object, **__: object) -> Measured:
        return Measured(tokens_per_s=speeds[torch.get_num_threads()], weights=100)

    monkeypatch.setattr(calibration, "measure", measure)
    before = torch.get_num_threads()
    try:
        chosen, measured = calibration.fastest(SMALL, FEW, vocab_size=9, device=CPU, threads=(2, 1))
        assert (chosen, measured.tokens_per_s, torch.get_num_threads()) == (1, 30.0, 1)
    finally:
        torch.set_num_threads(before)


def test_a_measurement_is_of_real_steps() -> None:
    now = iter(range(1000))
    found = calibration.measure(
        SMALL, FEW, vocab_size=9, device=CPU, clock=lambda: float(next(now))
    )
    # The clock moves one second at each look: it is read once to begin, once before each step, and once at the end.
    steps = found.tokens_per_s / (FEW.lanes * FEW.bptt)
    assert 0.2 < steps < 1
    assert found.weights > 0
