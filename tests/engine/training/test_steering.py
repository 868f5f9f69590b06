"""Requests, signals and the budget become orders for the next step."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from checkpoints import control
from checkpoints.events import ControlApplied, Event
from engine.config import TrainConfig
from engine.sampling.prime import familiar
from engine.tokenizers.char import CharTokenizer
from engine.training.budget import Budget, Stopwatch
from engine.training.signals import Interrupts
from engine.training.state import TrainerState
from engine.training.steering import FIRST_CHECKPOINT_S, STOPS, Orders, Steering


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.on_sleep: list[Any] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.on_sleep:
            self.on_sleep.pop(0)()


class Desk:
    """A run folder, a steering and what it told."""

    def __init__(self, run: Path, **settings: Any) -> None:
        self.run, self.clock, self.told = run, Clock(), list[Event]()
        self.interrupts = Interrupts()
        self.state = TrainerState(lr=0.1, temperatures=[0.8])
        self.steering = Steering(
            control.ControlReader(run),
            budget=Budget.of(TrainConfig(**settings), 1000),
            patience=3,
            watch=Stopwatch(),
            interrupts=self.interrupts,
            safety_seconds=100.0,
            optimizer="muon",
            tell=self.told.append,
            familiar=partial(familiar, CharTokenizer.learn(["Once upon a time"])),
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def decide(self, *, after: float = 1.0) -> Orders:
        self.clock.now += after
        return self.steering.decide(self.state)

    def ask(self, what: str, **rest: Any) -> None:
        control.request(self.run, what, **rest)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, steps=100)


def test_orders_survive_being_told_as_numbers() -> None:
    orders = Orders(progress=0.5, lr=0.01, stop=2, save=True, save_by_request=True, sample=False)
    assert Orders.of(orders.numbers()) == orders


def test_a_spent_budget_stops_the_run(desk: Desk) -> None:
    assert desk.decide().stop == 0
    desk.state.step = 100
    assert STOPS[desk.decide().stop] == "done"


def test_patience_that_ran_out_stops_the_run(desk: Desk) -> None:
    desk.state.waited = 3
    assert STOPS[desk.decide().stop] == "early-stopping"


def test_a_request_to_stop_is_answered_and_obeyed(desk: Desk) -> None:
    desk.ask("stop")
    assert STOPS[desk.decide().stop] == "stopped"
    assert [type(e) for e in desk.told] == [ControlApplied]


def test_the_rate_is_what_a_person_set_times_what_roll_backs_left(desk: Desk) -> None:
    desk.state.rate_factor = 0.5
    desk.ask("set", name="lr", value=0.03)
    assert desk.decide().lr == pytest.approx(0.015)


def test_a_rate_that_suits_another_optimizer_is_taken_and_said(desk: Desk) -> None:
    desk.ask("set", name="lr", value=30)
    desk.decide()
    (answer,) = desk.told
    assert isinstance(answer, ControlApplied)
    assert "very high for muon" in answer.text
    assert desk.state.lr == 30


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", -1),
        ("lr", 0),
        ("lr", "fast"),
        ("lr", True),
        ("temperatures", [float("inf")]),
        ("temperature", "hot"),
        ("temperatures", []),
        ("prime", 7),
        ("cell", "gru"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_a_reason(
    desk: Desk, name: str, value: Any
) -> None:
    before = (desk.state.lr, list(desk.state.temperatures), desk.state.prime)
    desk.ask("set", name=name, value=value)
    desk.decide()
    (answer,) = desk.told
    assert isinstance(answer, ControlApplied)
    assert not answer.applied
    assert answer.text
    assert (desk.state.lr, desk.state.temperatures, desk.state.prime) == before


def test_temperatures_and_prime_change_what_samples_use(desk: Desk) -> None:
    desk.ask("set", name="temperature", value=0.5)
    desk.decide()
    assert desk.state.temperatures == [0.5]
    desk.ask("set", name="temperatures", value=[0.2, 1.5])
    desk.ask("set", name="prime", value="Once")
    desk.decide()
    assert desk.state.temperatures == [0.2, 1.5]
    assert desk.state.prime == "Once"


def test_a_prime_that_is_read_otherwise_says_so_when_it_is_set(desk: Desk) -> None:
    desk.ask("set", name="prime", value="Oncé 世")
    desk.decide()
    assert desk.state.prime == "Once 世"
    (answer,) = desk.told
    assert isinstance(answer, ControlApplied)
    assert answer.applied
    assert "samples go on from 'Once 世'" in answer.text
    assert "'e' for 'é'" in answer.text
    assert "never saw '世'" in answer.text


def test_a_paused_run_waits_until_it_is_asked_to_go_on_and_counts_no_time(desk: Desk) -> None:
    desk.decide()
    desk.ask("pause")
    seconds = desk.state.seconds
    desk.clock.on_sleep = [lambda: None] * 50 + [lambda: desk.ask("resume")]
    orders = desk.decide()
    assert (orders.stop, orders.rest) == (0, False)
    assert [e.request for e in desk.told if isinstance(e, ControlApplied)] == ["pause", "resume"]
    desk.decide()
    assert desk.state.seconds < seconds + 3


def test_after_a_pause_clock_and_speed_begin_when_it_ends(desk: Desk) -> None:
    desk.decide()
    desk.ask("pause")
    desk.clock.on_sleep = [lambda: None] * 5 + [lambda: desk.ask("resume")]
    desk.clock.now += 1
    began: list[float] = []
    desk.steering.decide(desk.state, meanwhile=lambda: began.append(desk.clock()))
    assert began[-1] == desk.clock()
    seconds = desk.state.seconds
    desk.decide(after=2.0)
    assert desk.state.seconds == seconds + 2


def test_a_paused_run_still_saves_samples_and_stops_when_asked(desk: Desk) -> None:
    desk.ask("pause")
    desk.clock.on_sleep = [
        lambda: desk.ask("checkpoint"),
        lambda: desk.ask("sample"),
        lambda: desk.ask("stop"),
    ]
    saves = desk.decide()
    assert saves.save_by_request
    assert saves.rest  # no step is taken for it
    assert desk.decide().sample
    assert STOPS[desk.decide().stop] == "stopped"


def test_the_first_safety_checkpoint_comes_early_then_at_its_interval(desk: Desk) -> None:
    assert not desk.decide().save
    assert desk.decide(after=FIRST_CHECKPOINT_S).save
    desk.steering.saved()
    assert not desk.decide(after=FIRST_CHECKPOINT_S).save
    assert desk.decide(after=100.0).save


def test_what_was_asked_of_an_earlier_trainer_is_void(tmp_path: Path) -> None:
    control.request(tmp_path, "stop")
    assert Desk(tmp_path, steps=100).decide().stop == 0


def test_the_first_signal_is_noted_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.received == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGHUP)
            assert interrupts.received is None
    finally:
        signal.signal(signal.SIGHUP, before)
