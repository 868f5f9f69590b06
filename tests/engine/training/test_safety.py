"""One bad step is skipped, a bad run goes back."""

from __future__ import annotations

import math

import pytest

from engine.training.safety import MOST_NON_FINITE, MOST_SPIKES, Verdict, Watchdog, running_mean

KNOWING_NOTHING = math.log(65)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_single_step_without_finite_numbers_is_skipped(loss: float) -> None:
    dog = Watchdog(KNOWING_NOTHING)
    assert dog.judge(loss=loss, grad_norm=1.0, average=2.0) is Verdict.SKIP
    assert dog.judge(loss=2.0, grad_norm=math.inf, average=2.0) is Verdict.SKIP
    assert dog.judge(loss=2.0, grad_norm=1.0, average=2.0) is Verdict.APPLY


def test_several_in_a_row_go_back_and_the_count_starts_anew() -> None:
    dog = Watchdog(KNOWING_NOTHING)
    verdicts = [
        dog.judge(loss=math.nan, grad_norm=1.0, average=2.0) for _ in range(2 * MOST_NON_FINITE)
    ]
    once = [Verdict.SKIP] * (MOST_NON_FINITE - 1) + [Verdict.ROLL_BACK]
    assert verdicts == once * 2


def test_a_spike_is_applied_but_a_loss_that_stays_up_is_doubted() -> None:
    dog = Watchdog(KNOWING_NOTHING)
    assert dog.judge(loss=9.0, grad_norm=1.0, average=2.0) is Verdict.APPLY
    assert dog.judge(loss=2.0, grad_norm=1.0, average=2.0) is Verdict.APPLY
    verdicts = [dog.judge(loss=9.0, grad_norm=1.0, average=2.0) for _ in range(MOST_SPIKES)]
    assert verdicts == [Verdict.APPLY] * (MOST_SPIKES - 1) + [Verdict.DOUBT]


def test_a_network_that_is_worse_than_knowing_nothing_is_doubted_whatever_it_was_before() -> None:
    for average in (math.nan, 600.0):
        dog = Watchdog(KNOWING_NOTHING)
        for _ in range(100):
            found = dog.judge(loss=KNOWING_NOTHING + 0.9, grad_norm=1.0, average=average)
            assert found is Verdict.APPLY
        verdicts = [
            dog.judge(loss=99.0, grad_norm=1.0, average=average) for _ in range(MOST_SPIKES)
        ]
        assert verdicts == [Verdict.APPLY] * (MOST_SPIKES - 1) + [Verdict.DOUBT]


def test_the_running_mean_starts_at_the_first_loss_and_ignores_what_is_no_number() -> None:
    assert running_mean(math.nan, 4.0) == 4.0
    assert running_mean(4.0, math.nan) == 4.0
    mean = 4.0
    for _ in range(1000):
        mean = running_mean(mean, 2.0)
    assert mean == pytest.approx(2.0, abs=1e-3)


def test_a_watchdog_that_is_told_its_counts_goes_on_where_another_stopped() -> None:
    before = Watchdog(KNOWING_NOTHING)
    before.judge(loss=math.nan, grad_norm=1.0, average=2.0)
    before.judge(loss=math.nan, grad_norm=1.0, average=2.0)
    after = Watchdog(KNOWING_NOTHING, non_finite=before.non_finite, spikes=before.spikes)
    assert after.judge(loss=math.nan, grad_norm=1.0, average=2.0) is Verdict.ROLL_BACK
