"""Numbers that are none while a run trains: gradients, weights, losses that explode."""

from __future__ import annotations

import itertools
import math
import random
import string
from collections.abc import Callable
from functools import partial

import pytest
import torch

from checkpoints import control
from checkpoints import events as ev
from checkpoints.checkpoint import checkpoint_folders, read_checkpoint, read_manifest
from checkpoints.errors import RunStopped
from checkpoints.runs import RunFolder
from checkpoints.tensors import unpack
from engine.training import snapshot
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from engine.training.safety import MAX_ROLLBACKS, SPIKE_NATS
from tests.cli import verse
from tests.faults.runs import spoiled, trained


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_a_bad_gradient_is_skipped_and_the_run_goes_on(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    def spoil(model: torch.nn.Module, call: int) -> None:
        if call == 31:
            next(p for p in model.parameters() if p.ndim == 2).grad[0].fill_(value)  # type: ignore[index]

    spoiled(monkeypatch, spoil)
    outcome, heard = trained(make_run())
    assert (outcome.end.reason, outcome.end.step) == ("done", 60)
    assert [e.step for e in heard if isinstance(e, ev.Warned)] == [31]
    for path in checkpoint_folders(outcome.run.path):
        weights = unpack(read_checkpoint(path)["model.safetensors"])
        assert all(torch.isfinite(w).all() for w in weights.values())


def test_a_weight_that_is_no_number_takes_the_run_back_to_its_checkpoint(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice to the same one: the rate is halved each time, and no time is given back."""

    def spoil(model: torch.nn.Module, call: int) -> None:
        if call in (31, 40):
            with torch.no_grad():
                next(p for p in model.parameters() if p.ndim == 2)[0].fill_(float("nan"))

    def seconds(run: RunFolder) -> float:
        return snapshot.state_of(read_checkpoint(run.path / "step-0000060")).seconds

    def went(run: RunFolder) -> list[ev.Event]:
        outcome, heard = trained(run, clock=partial(next, itertools.count()))  # a second a step
        assert outcome.end.reason == "done"
        return heard

    whole, broken = (make_run(checkpoint_seconds=0) for _ in range(2))
    assert went(whole)
    spoiled(monkeypatch, spoil)
    assert [e.step for e in went(broken) if isinstance(e, ev.Resumed)] == [20, 20]
    rates, expected = (
        {e.step: e.lr for e in run.events() if isinstance(e, ev.Step)} for run in (broken, whole)
    )
    assert rates[20] == pytest.approx(expected[20])
    assert rates[60] == pytest.approx(expected[60] / 4)
    assert seconds(broken) > seconds(whole) + 15  # at least so many steps were undone


def test_a_run_that_keeps_exploding_gives_up_and_keeps_its_checkpoint(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model: torch.nn.Module, call: int) -> None:
        if call > 25:
            for p in model.parameters():
                assert p.grad is not None
                p.grad.fill_(float("nan"))

    spoiled(monkeypatch, spoil)
    run = make_run()
    with pytest.raises(RunStopped, match="exploded") as caught:
        trained(run)
    assert caught.value.exit_code == 3
    events = list(run.events())
    assert isinstance(events[-1], ev.Ended)
    assert events[-1].reason == "diverged"
    log = (run.path / "events.jsonl").read_text("utf-8")
    assert log.count('"type":"resume"') == MAX_ROLLBACKS
    assert read_checkpoint(run.path / "step-0000020")


def test_weights_that_are_no_numbers_are_never_kept_nor_end_the_run(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go bad just before a look: it must neither save them nor fail over a loss that is no number."""

    def spoil(model: torch.nn.Module, call: int) -> None:
        if call == 40:
            with torch.no_grad():
                next(p for p in model.parameters() if p.ndim == 2)[0].fill_(float("nan"))

    spoiled(monkeypatch, spoil)
    outcome, heard = trained(make_run())
    assert (outcome.end.reason, outcome.end.step) == ("done", 60)
    assert [e.step for e in heard if isinstance(e, ev.Resumed)] == [20]
    assert any("no checkpoint at step 40" in e.text for e in heard if isinstance(e, ev.Warned))
    for path in checkpoint_folders(outcome.run.path):
        weights = unpack(read_checkpoint(path)["model.safetensors"])
        assert all(torch.isfinite(w).all() for w in weights.values()), path


def test_a_long_run_may_go_back_more_often_than_six_times_as_long_as_it_improves(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count of roll-backs starts anew at each better validation."""
    times = 0

    def spoil(model: torch.nn.Module, call: int) -> None:
        nonlocal times
        # 20 good steps, a better look, then one weight is lost: 3 bad steps, and back to that look.
        if call == 21 + 24 * times and times <= MAX_ROLLBACKS:
            times += 1
            with torch.no_grad():
                next(p for p in model.parameters() if p.ndim == 2)[0].fill_(float("nan"))

    spoiled(monkeypatch, spoil)
    outcome, heard = trained(make_run(steps=20 * (MAX_ROLLBACKS + 2), lr=0.0005))
    back = [e for e in heard if isinstance(e, ev.Resumed)]
    assert len(back) == MAX_ROLLBACKS + 1
    assert outcome.end.reason == "done"


def test_a_checkpoint_saved_amid_bad_steps_is_not_what_the_run_goes_back_to(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model: torch.nn.Module, call: int) -> None:
        if (
            31 <= call <= 56
        ):  # the checkpoint of step 40 falls among these; the 25th bad loss is step 56's
            with torch.no_grad():
                dict(model.named_parameters())["output_bias"][0] = 60.0

    spoiled(monkeypatch, spoil)
    outcome, heard = trained(make_run())
    assert [e.step for e in heard if isinstance(e, ev.Resumed)] == [20]
    saved = [e.step for e in heard if isinstance(e, ev.CheckpointWritten)]
    assert saved == [
        0,
        20,
        40,
        40,
        60,
    ]  # the first of step 40 is gone, the second was made after the way back
    assert outcome.end.reason == "done"
    assert snapshot.state_of(read_checkpoint(outcome.run.path / "step-0000040")).calm


def test_a_hard_passage_of_the_text_takes_no_run_back(
    make_run: Callable[..., RunFolder],
) -> None:
    """What is read there cannot be foreseen; the network is well, as the held-out text shows."""
    letters = string.ascii_letters + string.digits
    noise = "".join(random.Random(1).choices(letters, k=3000))
    text = verse(200) + noise + verse(200)
    run = make_run(text=text, steps=500, lanes=1, bptt=32, hidden_size=24, checkpoint_every=100)
    outcome, heard = trained(run)
    assert (outcome.end.reason, outcome.end.step) == ("done", 500)
    assert not [e for e in heard if isinstance(e, ev.Resumed)]
    warned = [e.text for e in heard if isinstance(e, ev.Warned)]
    assert warned
    assert all("is unlike the rest" in text for text in warned)


def test_a_fork_may_begin_worse_than_knowing_nothing(make_run: Callable[..., RunFolder]) -> None:
    """It is sure of what it learned elsewhere, and has to unlearn that first."""
    parent = make_run(steps=300, hidden_size=32, grams=0, lr=0.05)
    trained(parent)
    other = str.maketrans(string.ascii_lowercase, "".join(map(chr, range(0x430, 0x44A))))
    (parent.path.parent / "other.txt").write_text(verse(300).translate(other), "utf-8")
    fork = prepare(
        Request(
            corpus=(str(parent.path.parent / "other.txt"),),
            runs=parent.path.parent,
            given={"steps": 200, "warmup": 0.5, "lanes": 4, "bptt": 16, "sample_length": 0},
            parent=parent.name,
            threads=1,
        )
    )
    outcome, heard = trained(fork.run, weights=fork.weights)
    steps = [e for e in outcome.run.events() if isinstance(e, ev.Step)]
    assert steps[0].loss_nats > math.log(fork.run.record()["vocab_size"]) + SPIKE_NATS
    assert not [e for e in heard if isinstance(e, ev.Resumed)]
    assert outcome.end.reason == "done"


def test_a_broken_network_is_never_the_best(make_run: Callable[..., RunFolder]) -> None:
    run = make_run(steps=12, optimizer="sgd", lr=3000.0, clip=0.0, checkpoint_every=6)
    outcome, _ = trained(run)
    assert outcome.end.best is None
    assert all(read_manifest(path).nats_per_char is None for path in checkpoint_folders(run.path))


def test_a_rate_that_was_raised_and_explodes_is_taken_back(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run(steps=150, optimizer="adam", lr=0.01, checkpoint_seconds=0)

    def ask(event: ev.Event, _: str) -> None:
        heard.append(event)
        if isinstance(event, ev.CheckpointWritten) and event.step == 40 and not asked:
            asked.append(True)
            control.request(run.path, "set", name="lr", value=30)
            control.request(run.path, "set", name="temperatures", value=[0.3])

    asked: list[bool] = []
    heard: list[ev.Event] = []
    # Requests are looked for by the clock, here before each step.
    outcome = train_run(run, hear=ask, clock=partial(next, itertools.count()))
    assert (outcome.end.reason, outcome.end.step) == ("done", 150)
    (back,) = [e for e in heard if isinstance(e, ev.Resumed)]
    warned, told = heard[heard.index(back) - 1], heard[heard.index(back) + 1 :]
    assert isinstance(told[0], ev.ControlApplied)
    assert (told[0].request, told[0].value) == ("set temperatures", [0.3])
    assert isinstance(warned, ev.Warned)
    assert "with a rate of 0.01 as there" in warned.text
    assert all(e.lr <= 0.01 for e in told if isinstance(e, ev.Step))


def test_relu_units_that_start_as_the_identity_learn_500_steps_without_a_spike(
    make_run: Callable[..., RunFolder],
) -> None:
    """The state is carried all the way: as published, with nothing to hold it, |h| had passed 10^9."""
    outcome, heard = trained(make_run(cell="rnn_relu", steps=500, checkpoint_every=500))
    assert outcome.end.reason == "done"
    assert not [e for e in heard if isinstance(e, ev.Warned)]
    steps = [e for e in outcome.run.events() if isinstance(e, ev.Step)]
    assert sum(e.steps for e in steps) == 500
    learned = [e for e in steps if e.step > 50]
    assert max(e.loss_max for e in learned) < learned[0].loss_nats + SPIKE_NATS
    assert steps[-1].loss_nats < steps[0].loss_nats / 2
    carried = unpack(read_checkpoint(outcome.run.path / "step-0000500")["state.safetensors"])
    assert 0 < float(carried["carried.0.0"].square().mean(dim=-1).sqrt().max()) <= 1.001
