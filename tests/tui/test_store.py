"""The store tells of a run what its log tells, in bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints import events as ev
from tests.tui import recorded
from tui import telling
from tui.store import RunView


def view_of(events: list[ev.Event], **limits: int) -> RunView:
    view = RunView("plays", **limits)
    view.feed(events)
    return view


def test_a_finished_run_is_told_whole() -> None:
    view = view_of(recorded.finished())
    assert view.ended is not None
    assert view.ended.reason == "done"
    assert view.step == 2000
    assert view.checkpoints == [100, 300, 500, 700, 1200, 2000]
    assert view.sample_steps() == [100, 300, 500, 700, 1200, 2000]
    assert [s.temperature for s in view.latest_samples()] == [0.5, 0.8, 1.0]
    assert all(s.step == 2000 and s.done for s in view.latest_samples())
    assert view.best is not None
    assert view.best.step == 2000
    assert view.valid.buckets[-1].mean == pytest.approx(recorded.validation(2000).bits_per_char)
    assert [m.text for m in view.milestones] == ["first real words"]
    assert view.figures["valid"][-1] == (2000, 0.9)


def test_losses_of_subword_models_are_drawn_per_character() -> None:
    start = recorded.started()
    four_chars_a_token = ev.Started(
        **{
            **{f: getattr(start, f) for f in start.__slots__},
            "step": 0,
            "time": 0.0,
            "tokens": 250_000,
        }
    )
    step = recorded.step_event(10, 100)
    view = view_of([four_chars_a_token, step])
    assert view.train.buckets[-1].mean == pytest.approx(step.loss_nats / 4 / math.log(2))


def test_a_resumed_log_reads_like_an_uninterrupted_one() -> None:
    before = recorded.history(until=700)
    resumed = ev.Resumed(step=500, checkpoint="step-0000500")
    again = [e for e in recorded.history(until=1200) if e.step > 500]
    log = [*before, ev.Failed(step=700, text="killed"), resumed, *again]
    told, expected = view_of(log), view_of(list(ev.effective(log)))
    for name in ("train", "valid", "rate", "grad", "speed"):
        pairs = zip(getattr(told, name).points(), getattr(expected, name).points(), strict=True)
        assert all(mine == pytest.approx(theirs) for mine, theirs in pairs)
    assert told.samples == expected.samples
    assert told.figures == expected.figures
    assert told.checkpoints == expected.checkpoints
    assert told.bests == expected.bests
    assert told.failed is None
    assert told.milestones == expected.milestones


def test_a_log_that_goes_on_from_before_its_first_figures_has_none() -> None:
    view = view_of(recorded.history(until=300))
    assert telling.figures(view)
    assert view.figures
    view.feed([ev.Resumed(step=0, checkpoint="its beginning")])
    assert not view.figures
    assert not any("human" in text for text, _ in telling.figures(view))


@settings(max_examples=30)
@given(st.permutations(recorded.history(until=300)))
def test_events_in_any_order_never_raise(events: list[ev.Event]) -> None:
    view = view_of(events)
    view.latest_samples()
    assert view.news


def test_a_sample_grows_as_it_is_written() -> None:
    begun, piece, *_ = recorded.samples(100)
    assert isinstance(piece, ev.SampleText)
    view = view_of([recorded.started(), begun, piece])
    (sample,) = view.latest_samples()
    assert (sample.text, sample.done) == (piece.text, False)
    view.feed([piece])
    assert view.latest_samples()[0].text == piece.text * 2


def test_steering_shows_in_temperatures_pause_and_log() -> None:
    view = view_of([recorded.started()])
    view.feed([ev.ControlApplied(step=4, request="pause"), ev.Note(text="of no step")])
    assert (view.step, view.paused) == (4, True), "the step at which it waits, not the last told"
    assert view.temperatures() == [0.5, 0.8, 1.0]
    view.feed(
        [ev.ControlApplied(step=5, request="set temperatures", value=[0.3, 0.9], text="so be it")]
    )
    assert view.temperatures() == [0.3, 0.9]
    view.feed(
        [
            ev.ControlApplied(
                step=5, request="set temperatures", value=["x"], applied=False, text="no"
            )
        ]
    )
    assert view.temperatures() == [0.3, 0.9]
    assert view.log[-1].kind == "warning"
    view.feed([ev.ControlApplied(step=6, request="pause")])
    assert view.paused
    view.feed([ev.ControlApplied(step=6, request="resume")])
    assert not view.paused


def test_a_very_long_run_takes_little_memory() -> None:
    view = RunView("long", sample_chars=20_000)
    view.feed([recorded.started()])
    step = recorded.step_event(10, 100)
    for i in range(100_000):
        view.feed(
            [
                ev.Step(
                    **{f: getattr(step, f) for f in ev.Step.__slots__ if f != "step"},
                    time=0.0,
                    step=i,
                )
            ]
        )
        if i % 500 == 0:
            view.feed(recorded.samples(i))
            view.feed([ev.Note(text="on and on")])
    assert len(view.train) <= 2000
    assert len(view.log) <= 2000
    assert sum(len(s.text) for g in view.samples.values() for s in g) <= 20_000
    steps = view.sample_steps()
    assert steps[0] == 0
    assert steps[-1] == 99_500
