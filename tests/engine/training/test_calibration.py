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


@pytest.mark.parametrize(
    ("speeds", "chosen", "speed"),
    [
        ({2: [10.0, 10.0], 1: [30.0, 30.0]}, 1, 30.0),
        ({2: [10.0, 40.0], 1: [30.0, 30.0]}, 2, 40.0),  # at first something else ran
        ({8: [10.0, 9.0], 4: [25.0, 26.0], 2: [20.0, 24.0], 1: [15.0, 8.0]}, 4, 26.0),
        ({3: [7.0]}, 3, 7.0),
    ],
)
def test_the_fastest_number_of_threads_is_taken(
    monkeypatch: pytest.MonkeyPatch, speeds: dict[int, list[float]], chosen: int, speed: float
) -> None:
    left = {count: [*measured] for count, measured in speeds.items()}

    def measure(*_: object, **__: object) -> Measured:
        return Measured(tokens_per_s=left[torch.get_num_threads()].pop(0), weights=100)

    monkeypatch.setattr(calibration, "measure", measure)
    before = torch.get_num_threads()
    try:
        found, measured = calibration.fastest(
            SMALL, FEW, vocab_size=9, device=CPU, threads=[*speeds]
        )
        assert (found, measured.tokens_per_s, torch.get_num_threads()) == (chosen, speed, chosen)
        assert not any(left.values())
    finally:
        torch.set_num_threads(before)


def test_threads_are_halved() -> None:
    assert [calibration.halvings(n) for n in (1, 2, 3, 6, 8)] == [
        [1],
        [2, 1],
        [3, 1],
        [6, 3, 1],
        [8, 4, 2, 1],
    ]


def test_a_measurement_is_of_real_steps() -> None:
    now = iter(range(1000))
    found = calibration.measure(
        SMALL, FEW, vocab_size=9, device=CPU, clock=lambda: float(next(now))
    )
    # The clock moves one second at each look: it is read once to begin, once before each step, and once at the end.
    steps = found.tokens_per_s / (FEW.lanes * FEW.bptt)
    assert 0.2 < steps < 1
    assert found.weights > 0
