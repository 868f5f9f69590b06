"""Samples that are written beside training: the same run, nothing lost and nothing told twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from checkpoints import control
from checkpoints import events as ev
from checkpoints.checkpoint import read_checkpoint
from checkpoints.runs import RunFolder
from engine.sampling.sampler import Sampler
from engine.training import aside, learning
from engine.training.aside import Aside
from engine.training.budget import Stopwatch
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from tests.cli import verse

CLOCKS = {"time", "seconds", "tokens_per_s", "chars_per_s", "eta_s", "size_bytes", "run"}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")

    def make(**settings: Any) -> RunFolder:
        given = {
            "steps": 30, "hidden_size": 12, "num_layers": 1, "embedding_size": 8, "lanes": 4, "bptt": 16,
            "checkpoint_every": 10, "sample_length": 40, "temperatures": (0.8,), "dropout": 0.2, "ema": 0.9,
            **settings,
        }  # fmt: skip
        request = Request(
            corpus=(str(tmp_path / "v.txt"),), runs=tmp_path / "runs", given=given, threads=1
        )
        return prepare(request).run

    return make


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an accelerator."""
    monkeypatch.setattr(aside, "pays", lambda _: True)


def told(run: RunFolder) -> list[str]:
    """The log as views read it but for clocks, by steps: beside training, samples are told some steps late."""
    kept = [e for e in run.events() if not isinstance(e, ev.Started)]
    bodies = [json.loads(ev.encode(e)) for e in sorted(kept, key=lambda e: e.step)]
    return [json.dumps({k: v for k, v in body.items() if k not in CLOCKS}) for body in bodies]


def learned(run: RunFolder) -> dict[str, bytes]:
    files = read_checkpoint(run.path / "step-0000030")
    body = json.loads(files["trainer.json"])
    body["state"]["seconds"] = 0
    return {**files, "trainer.json": json.dumps(body).encode()}


def samples(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.samples_path.iterdir()}


def test_a_run_that_writes_beside_training_is_the_same_run(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    inline, overlapped = make_run(), make_run()
    train_run(inline)
    monkeypatch.setattr(aside, "pays", lambda _: True)
    train_run(overlapped)
    assert learned(overlapped) == learned(inline)
    assert samples(overlapped) == samples(inline)
    assert told(overlapped) == told(inline)
    assert len(samples(inline)) == 3


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Samples are not written before it is open."""
    opened = threading.Event()
    real = Sampler.stream

    def stream(self: Sampler, *arguments: Any, **named: Any) -> Any:
        assert opened.wait(60)
        return real(self, *arguments, **named)

    monkeypatch.setattr(Sampler, "stream", stream)
    return opened


@pytest.mark.usefixtures("beside")
def test_training_goes_on_while_samples_are_written(
    make_run: Callable[..., RunFolder], gate: threading.Event
) -> None:
    heard: list[ev.Event] = []

    def hear(event: ev.Event, line: str) -> None:
        del line
        heard.append(event)
        if isinstance(event, ev.Step) and event.step == 20:
            gate.set()

    run = make_run()
    train_run(run, hear=hear)
    first = next(i for i, e in enumerate(heard) if isinstance(e, ev.SampleFinished))
    assert heard[first].step == 10
    assert any(isinstance(e, ev.Step) and e.step == 20 for e in heard[:first])
    # Kept when its samples are told, and before the next look's.
    kept = [(i, e.step) for i, e in enumerate(heard) if isinstance(e, ev.CheckpointWritten)]
    assert [step for _, step in kept] == [0, 10, 20, 30]
    assert kept[1][0] > first


@pytest.mark.usefixtures("beside")
def test_a_run_that_dies_while_it_writes_leaves_no_sample_out_and_none_twice(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    class Died(BaseException):
        pass

    calls = 0
    real = learning.clip

    def clip(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 25:
            raise Died
        return real(*arguments)

    whole, broken = make_run(), make_run()
    with monkeypatch.context() as patch:
        patch.setattr(learning, "clip", clip)
        gate.set()

        def hear(event: ev.Event, line: str) -> None:
            del line
            if isinstance(event, ev.CheckpointWritten) and event.step == 10:
                gate.clear()  # the samples of step 20 are under way when it dies

        with pytest.raises(Died):
            train_run(broken, hear=hear)
    gate.set()
    assert not (broken.path / "step-0000020").exists()
    train_run(broken, resuming=True)
    train_run(whole)
    assert learned(broken) == learned(whole)
    assert samples(broken) == samples(whole)
    assert told(broken) == told(whole)


@pytest.mark.usefixtures("beside")
def test_a_sample_asked_for_while_the_run_is_paused_is_told_at_once(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run(steps=100_000, checkpoint_every=100_000)
    asked, answered = False, False

    def hear(event: ev.Event, line: str) -> None:
        nonlocal asked, answered
        del line
        if isinstance(event, ev.Step) and not asked:
            asked = True
            control.request(run.path, "pause")
            control.request(run.path, "sample")
        if isinstance(event, ev.SampleFinished):
            answered = True
            control.request(run.path, "stop")

    gives_up = threading.Timer(60, control.request, (run.path, "stop"))
    gives_up.start()
    train_run(run, hear=hear)
    gives_up.cancel()
    assert answered


def test_a_paused_run_takes_no_step_for_what_is_asked_of_it(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run(steps=100_000, checkpoint_every=100_000)
    answers: list[ev.ControlApplied] = []
    asked = False

    def hear(event: ev.Event, line: str) -> None:
        nonlocal asked
        del line
        if isinstance(event, ev.Step) and not asked:
            asked = True
            for request in ("pause", "sample", "checkpoint"):
                control.request(run.path, request)
        if isinstance(event, ev.CheckpointWritten) and event.reason == "request":
            control.request(run.path, "stop")
        if isinstance(event, ev.ControlApplied):
            answers.append(event)

    gives_up = threading.Timer(60, control.request, (run.path, "stop"))
    gives_up.start()
    outcome = train_run(run, hear=hear)
    gives_up.cancel()
    assert [e.request for e in answers] == ["pause", "sample", "checkpoint", "stop"]
    assert {e.step for e in answers} == {outcome.end.step}


def test_a_pause_counts_for_no_speed(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that shows a millisecond later whenever it is read, and an hour later while the run is paused."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.001
        return now

    def pause(self: Stopwatch) -> None:
        nonlocal now
        now += 3600.0
        self._last = None
        if not resumed_at:
            control.request(run.path, "resume")

    clocks = SimpleNamespace(monotonic=clock, perf_counter=lambda: 0.0)
    monkeypatch.setattr("engine.training.trainer.time", clocks)
    monkeypatch.setattr(Stopwatch, "pause", pause)
    run = make_run(steps=100_000, checkpoint_every=100_000)
    speeds: list[float] = []
    resumed_at = 0

    def hear(event: ev.Event, line: str) -> None:
        nonlocal resumed_at
        del line
        if isinstance(event, ev.Step):
            speeds.append(event.tokens_per_s)
            if len(speeds) == 2:
                control.request(run.path, "pause")
            if resumed_at and len(speeds) == resumed_at + 2:
                control.request(run.path, "stop")
        if isinstance(event, ev.ControlApplied) and event.request == "resume":
            resumed_at = len(speeds)

    gives_up = threading.Timer(60, control.request, (run.path, "stop"))
    gives_up.start()
    train_run(run, hear=hear)
    gives_up.cancel()
    assert now > 3600
    assert resumed_at
    assert min(speeds[1:]) > max(speeds) / 100


def test_an_error_of_the_work_is_raised_where_it_is_waited_for() -> None:
    side = Aside([].append, overlaps=True)

    def fails(tell: aside.Tell) -> None:
        tell(ev.Note(text="so far"))
        raise MemoryError

    done: list[str] = []
    side.begin(fails, then=lambda: done.append("then"))
    with pytest.raises(MemoryError):
        side.finish()
    side.begin(lambda tell: tell(ev.Note(text="and on")), then=lambda: done.append("next"))
    side.finish()
    assert done == ["next"]
