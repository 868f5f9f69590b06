"""When a run ends, and what it says of the time to go."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from engine.config import TrainConfig
from engine.training.budget import SUSPENDED_S, Budget, Stopwatch
from engine.training.milestones import is_milestone, log_spaced


@pytest.mark.parametrize(
    ("limits", "spent", "expected"),
    [
        ({"steps": 200}, {"step": 50, "tokens": 0, "seconds": 0.0}, 0.25),
        ({"epochs": 4.0}, {"step": 9, "tokens": 2000, "seconds": 0.0}, 0.5),
        ({"minutes": 2.0}, {"step": 9, "tokens": 9, "seconds": 30.0}, 0.25),
        ({"steps": 100, "minutes": 1.0}, {"step": 10, "tokens": 0, "seconds": 45.0}, 0.75),
        ({"steps": 10}, {"step": 99, "tokens": 0, "seconds": 0.0}, 1.0),
        ({}, {"step": 99, "tokens": 99, "seconds": 99.0}, 0.0),
    ],
)
def test_progress_is_that_of_the_nearest_limit(
    limits: dict[str, float], spent: dict[str, float], expected: float
) -> None:
    budget = Budget.of(TrainConfig(**limits), 1000)  # type: ignore[arg-type]
    assert budget.progress(**spent) == pytest.approx(expected)  # type: ignore[arg-type]


def test_minutes_end_when_they_end_however_fast_the_machine_is() -> None:
    budget = Budget.of(TrainConfig(minutes=2), 1000)
    assert budget.eta_s(progress=0.25, seconds=30.0, recent_rate=99.0) == pytest.approx(90.0)


def test_steps_are_extrapolated_from_the_recent_rate() -> None:
    budget = Budget.of(TrainConfig(steps=100), 1000)
    assert budget.eta_s(progress=0.5, seconds=30.0, recent_rate=0.01) == pytest.approx(50.0)
    assert budget.eta_s(progress=0.5, seconds=30.0, recent_rate=0.0) is None


def test_the_stopwatch_leaves_out_pauses_sleep_and_clocks_that_jump() -> None:
    watch = Stopwatch(5.0, computed=lambda: 0.0)
    assert watch.tick(100.0) == 5.0
    assert watch.tick(102.0) == 7.0
    watch.pause()
    assert watch.tick(110.0) == 7.0
    assert watch.tick(110.0 + SUSPENDED_S + 1) == 7.0
    assert watch.tick(50.0) == 7.0
    assert watch.tick(51.0) == 8.0


def test_a_step_of_minutes_is_training_where_the_process_computed() -> None:
    busy = 0.0
    watch = Stopwatch(computed=lambda: busy)
    watch.tick(0.0)
    for now in (100.0, 200.0):
        busy += 10.0  # others have the machine too
        watch.tick(now)
    assert watch.seconds == 200.0


def test_milestones_are_the_classic_figures_then_grow_evenly() -> None:
    steps = list(islice(log_spaced(), 40))
    assert steps[:6] == [100, 300, 500, 700, 1200, 2000]
    ratios = [b / a for a, b in pairwise(steps[5:])]
    assert all(1.1 < ratio < 1.3 for ratio in ratios)


def test_a_step_is_a_milestone_by_its_number_alone() -> None:
    assert [s for s in range(2100) if is_milestone(s, every=0)] == [100, 300, 500, 700, 1200, 2000]
    assert [s for s in range(100) if is_milestone(s, every=40)] == [40, 80]
