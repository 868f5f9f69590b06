"""The trainer's numbers survive JSON exactly, and damage is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError
from engine.training.state import Pending, TrainerState

finite = st.floats(-1e30, 1e30)
counts = st.integers(0, 2**50)


@given(
    step=counts,
    seconds=finite,
    average=st.one_of(finite, st.just(math.nan)),
    losses=st.lists(finite, max_size=5),
)
def test_what_was_stored_comes_back_bit_for_bit(
    step: int, seconds: float, average: float, losses: list[float]
) -> None:
    state = TrainerState(
        step=step, seconds=seconds, loss_average=average, temperatures=[0.5], prime="é\n"
    )
    for loss in losses:
        state.pending.add(loss)
    back = TrainerState.from_json(json.loads(json.dumps(state.to_json(), allow_nan=False)))
    assert math.isnan(back.loss_average) == math.isnan(average)
    if math.isnan(average):
        back.loss_average = state.loss_average = 0.0
    assert back == state


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", -1),
        ("step", 1.5),
        ("tokens", None),
        ("best", 3),
        ("best", {}),
        ("pending", []),
        ("temperatures", "x"),
    ],
)
def test_damage_is_refused(name: str, value: object) -> None:
    body = TrainerState().to_json()
    body[name] = value
    with pytest.raises(CheckpointError):
        TrainerState.from_json(body)
    del body[name]
    with pytest.raises(CheckpointError):
        TrainerState.from_json(body)


def test_pending_steps_keep_mean_and_extremes() -> None:
    pending = Pending()
    for loss in (3.0, 1.0, 2.0):
        pending.add(loss)
    assert (pending.loss_sum / pending.steps, pending.loss_min, pending.loss_max) == (2.0, 1.0, 3.0)
