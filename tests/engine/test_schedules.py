"""The learning rate's course, against the peers' scripts told as loops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TrainConfig
from engine.schedules import Schedule


def test_cosine_rises_falls_and_ends_where_it_says() -> None:
    schedule = Schedule(TrainConfig(warmup=0.1, lr_final=0.2))
    assert schedule.factor(0.0, 0) == pytest.approx(0.2)
    assert schedule.factor(0.05, 0) == pytest.approx(0.6)
    assert schedule.factor(0.1, 0) == pytest.approx(1.0)
    assert schedule.factor(0.55, 0) == pytest.approx(0.6)
    assert schedule.factor(1.0, 0) == pytest.approx(0.2)
    assert schedule.factor(7.0, 0) == pytest.approx(0.2)
    assert Schedule(TrainConfig(warmup=0.0)).factor(0.0, 0) == 1.0


@given(
    progress=st.floats(0, 2),
    warmup=st.floats(0, 0.99),
    final=st.floats(0.001, 1),
)
def test_cosine_stays_between_its_end_and_the_full_rate(
    progress: float, warmup: float, final: float
) -> None:
    factor = Schedule(TrainConfig(warmup=warmup, lr_final=final)).factor(progress, 0)
    assert final * (1 - 1e-12) <= factor <= 1 + 1e-12


@pytest.mark.parametrize(
    ("every", "after", "decay"),
    [(1.0, 10.0, 0.97), (5.0, 0.0, 0.5), (1.0, 0.0, 0.9), (0.1, 0.3, 0.9)],
)
def test_step_decay_is_what_the_peers_loop_does(every: float, after: float, decay: float) -> None:
    """char-rnn and torch-rnn multiply once at the end of an epoch, if enough epochs are over."""
    schedule = Schedule(
        TrainConfig(schedule="step", lr_decay=decay, lr_decay_after=after, lr_decay_every=every)
    )
    factor, steps_an_epoch = 1.0, 100
    for step in range(1, 30 * steps_an_epoch):
        epoch = step / steps_an_epoch
        if step % round(every * steps_an_epoch) == 0 and epoch >= after:
            factor *= decay
        assert schedule.factor(0.0, epoch) == pytest.approx(factor, rel=1e-9)
    assert schedule.factor(0.0, 0.0) == 1.0


def test_step_decay_can_be_switched_off() -> None:
    config = TrainConfig(schedule="step", lr_decay_every=0.0, lr_decay=0.5)
    assert Schedule(config).factor(0.5, 100.0) == 1.0


def test_constant_and_plateau_do_not_move_by_themselves() -> None:
    for name in ("constant", "plateau"):
        schedule = Schedule(TrainConfig(schedule=name))
        assert {schedule.factor(p / 10, p) for p in range(11)} == {1.0}


def test_plateau_decays_after_a_validation_in_vain() -> None:
    schedule = Schedule(TrainConfig(schedule="plateau", lr_decay=0.5))
    assert schedule.after_validation(improved=True) == 1.0
    assert schedule.after_validation(improved=False) == 0.5
    assert Schedule(TrainConfig(schedule="cosine")).after_validation(improved=False) == 1.0
