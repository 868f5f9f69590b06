"""The trainer's numbers survive JSON exactly, and damage is refused."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError
from engine.training.state import Pending, TrainerState

finite = st.floats(-1e30, 1e30)
counts = st.integers(1, 2**50)
figures = st.fixed_dictionaries({"step": counts, "nats_per_char": finite, "protocol": st.just("p")})
VALUES = {
    "int": counts,
    "float": finite.filter(lambda number: number not in (0.0, 1.0)),
    "str": st.just("é\n"),
    "list[float]": st.lists(finite, min_size=1, max_size=3),
    "dict[str, Any] | None": figures,
}


@st.composite
def states(draw: st.DrawFn) -> TrainerState:
    """States in which every field is another one than in a new run."""
    values = {
        f.name: draw(VALUES[str(f.type)]) for f in fields(TrainerState) if f.type != "Pending"
    }
    state = TrainerState(**values)
    for loss in draw(st.lists(finite, min_size=1, max_size=5)):
        state.pending.add(loss)
    return state


@given(states())
def test_what_was_stored_comes_back_bit_for_bit(state: TrainerState) -> None:
    new = TrainerState()
    assert not [f.name for f in fields(state) if getattr(state, f.name) == getattr(new, f.name)]
    assert TrainerState.from_json(json.loads(json.dumps(state.to_json(), allow_nan=False))) == state


def test_the_state_of_a_new_run_comes_back_though_json_has_no_such_numbers() -> None:
    back = TrainerState.from_json(json.loads(json.dumps(TrainerState().to_json(), allow_nan=False)))
    assert math.isnan(back.loss_average)
    assert math.isnan(back.loss_logged)
    known = {"loss_average": 0.0, "loss_logged": 0.0}
    assert replace(back, **known) == TrainerState(**known)


def test_the_loss_now_is_what_was_logged_last() -> None:
    state = TrainerState()
    assert math.isnan(state.loss_now)
    for loss in (4.0, 2.0):
        state.pending.add(loss)
    assert state.loss_now == 3.0
    state.loss_logged = 2.5
    assert state.loss_now == 2.5
    older = state.to_json() | {"loss_average": 2.7}
    del older["loss_logged"]
    assert TrainerState.from_json(older).loss_now == 2.7


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
