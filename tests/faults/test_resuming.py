"""Disks that refuse, damaged tokens and records, and what a run does with them when it goes on."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import events as ev
from checkpoints.checkpoint import checkpoint_folders, read_checkpoint
from checkpoints.errors import ConfigError, RunError, RunStopped
from checkpoints.eventlog import EventReader
from checkpoints.lock import TrainerLock
from checkpoints.runs import RunFolder
from checkpoints.tensors import unpack
from engine import devices
from engine.training import keeping
from engine.training.distributed import World
from engine.training.run import train_run
from engine.training.steering import FIRST_CHECKPOINT_S
from tests.faults.runs import spoiled, trained


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the disk refuse the checkpoint of this number, and no other."""

    def refusing(number: int) -> None:
        real, calls = keeping.write_checkpoint, itertools.count(1)

        def write(*args: Any, **kwargs: Any) -> Path:
            if next(calls) == number:
                raise RunError("no space left", hint="free some")
            return real(*args, **kwargs)

        monkeypatch.setattr(keeping, "write_checkpoint", write)

    return refusing


def test_a_disk_that_refuses_once_costs_one_checkpoint(
    make_run: Callable[..., RunFolder], refuse: Callable[[int], None]
) -> None:
    refuse(3)
    outcome, heard = trained(make_run())
    assert outcome.end.reason == "done"
    assert [e.text for e in heard if isinstance(e, ev.Warned)] == ["no space left"]
    assert [p.name for p in checkpoint_folders(outcome.run.path)] == [
        "step-0000000",
        "step-0000020",
        "step-0000060",
    ]


def test_the_last_checkpoint_is_tried_again(
    make_run: Callable[..., RunFolder], refuse: Callable[[int], None]
) -> None:
    refuse(4)
    outcome, _ = trained(make_run())
    assert read_checkpoint(outcome.run.path / "step-0000060")


def test_a_disk_that_goes_on_refusing_ends_the_run_with_exit_code_3(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: Any, **__: Any) -> Path:
        raise RunError("no space left", hint="free some")

    run = make_run(steps=200)
    monkeypatch.setattr(keeping, "write_checkpoint", write)
    with pytest.raises(RunStopped, match="no space left") as caught:
        trained(run)
    assert caught.value.exit_code == 3
    end = run.summary().end
    assert end is not None
    assert end.reason == "failed"  # and not "diverged": the loss was well


def test_looking_at_the_model_changes_nothing_about_training(
    make_run: Callable[..., RunFolder],
) -> None:
    often = trained(make_run(checkpoint_every=7, sample_length=20, dropout=0.3))[0].run
    never = trained(make_run(checkpoint_every=1000, dropout=0.3))[0].run
    last = "step-0000060"
    for name in ("model.safetensors", "optimizer.safetensors", "state.safetensors"):
        assert read_checkpoint(often.path / last)[name] == read_checkpoint(never.path / last)[name]


def test_the_first_safety_checkpoint_comes_early(make_run: Callable[..., RunFolder]) -> None:
    run = make_run(checkpoint_every=1000, checkpoint_seconds=1000)
    _, heard = trained(run, clock=partial(next, itertools.count()))
    saved = [(e.step, e.reason) for e in heard if isinstance(e, ev.CheckpointWritten)]
    (step, reason) = saved[1]
    assert reason == "time"
    assert 0 < step < FIRST_CHECKPOINT_S


def test_a_second_trainer_is_refused(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    with TrainerLock(run.path), pytest.raises(RunError, match="being trained"):
        trained(run)


def test_refusing_to_resume_a_finished_run_leaves_its_log_and_its_state(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()
    trained(run)
    log = run.events_path.read_bytes()
    with pytest.raises(RunError, match="finished"):
        trained(run, resuming=True)
    assert run.events_path.read_bytes() == log
    assert run.state() == "done"


def test_a_new_budget_is_remembered_when_the_resumed_run_is_interrupted(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(model: torch.nn.Module, call: int) -> None:
        del model
        if call == 25:
            signal.raise_signal(signal.SIGINT)

    run = make_run()
    trained(run)
    with monkeypatch.context() as patch:
        spoiled(patch, interrupt)
        outcome, _ = trained(run, resuming=True, budget={"steps": 120})
    assert (outcome.end.reason, outcome.end.step) == ("interrupted", 85)
    outcome, _ = trained(run, resuming=True)
    assert (outcome.end.reason, outcome.end.step) == ("done", 120)


def test_only_the_budget_can_be_changed_on_resuming(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    trained(run)
    with pytest.raises(ConfigError, match="hidden_size cannot be changed"):
        trained(run, resuming=True, budget={"hidden_size": 24})


def test_a_run_that_was_killed_before_its_first_word_says_it_when_resumed(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()  # prepared, and nothing logged yet
    outcome, _ = trained(run, resuming=True)
    assert outcome.end.reason == "done"
    started = run.summary().started
    assert started is not None
    assert started.training["steps"] == 60


def test_damaged_tokens_are_encoded_anew_and_the_run_goes_on_to_the_bit(
    make_run: Callable[..., RunFolder],
) -> None:
    def finished(damage: Callable[[Path], object]) -> tuple[RunFolder, list[str]]:
        run = make_run()
        trained(run)
        damage(run.tokens_path / "tokens.bin")
        _, heard = trained(run, resuming=True, budget={"steps": 80})
        return run, [e.text for e in heard if isinstance(e, ev.Warned)]

    def flip(path: Path) -> None:  # in the cache too, whose file it is
        body = bytearray(path.read_bytes())
        body[7] ^= 1
        with path.open("r+b") as file:
            file.write(body)

    expected, warned = finished(lambda path: path)
    assert warned == []
    weights = read_checkpoint(expected.path / "step-0000080")["model.safetensors"]
    for damage in (flip, Path.unlink):
        run, warned = finished(damage)
        assert "encoded anew" in warned[0]
        assert read_checkpoint(run.path / "step-0000080")["model.safetensors"] == weights


def test_ids_that_no_token_has_are_told_in_files_too_large_for_a_checksum(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.tokens.CHECKED_BYTES", 100)
    run = make_run()
    trained(run)
    path = run.tokens_path / "tokens.bin"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xff" * (size // 3))
    with pytest.raises(RunError, match="missing or damaged") as caught:
        trained(run, resuming=True, budget={"steps": 80})
    assert "--from" in caught.value.hint
    assert (run.path / "step-0000060" / "model.safetensors").is_file()


def test_damaged_tokens_of_changed_pieces_are_changed_again(
    make_run: Callable[..., RunFolder],
) -> None:
    book = "".join(
        f"X:{i}\nT:Tune {i}\nM:4/4\nL:1/8\nK:{('C', 'Gm', 'Ador')[i % 3]}\nCDEF G{'ABcdefg'[i % 7]}2|e8|]\n\n"
        for i in range(1, 60)
    )
    run = make_run(text=book, suffix="abc", transpose="all", titles=False)
    kept = (run.tokens_path / "tokens.bin").read_bytes()
    trained(run)
    for path in (run.tokens_path, *(run.path.parent / ".cache" / "tokens").iterdir()):
        (path / "tokens.bin").unlink()
    trained(run, resuming=True, budget={"steps": 80})
    assert (run.tokens_path / "tokens.bin").read_bytes() == kept


def test_a_run_of_another_device_goes_on_where_there_is_none(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    trained(run)
    run.write_record({**run.record(), "device": "cuda"})
    monkeypatch.setattr(devices, "_available", lambda _: False)
    outcome, heard = trained(run, resuming=True, budget={"steps": 80})
    assert outcome.end.reason == "done"
    (warned,) = [e.text for e in heard if isinstance(e, ev.Warned)]
    assert "cuda cannot be used" in warned
    assert "goes on with cpu" in warned
    with pytest.raises(ConfigError, match="cuda cannot be used"):
        trained(run, resuming=True, budget={"steps": 90}, device="cuda")


@pytest.mark.parametrize("threads", [-1, 100_000])
def test_threads_that_cannot_be_are_a_sentence(
    make_run: Callable[..., RunFolder], threads: int
) -> None:
    run = make_run()
    with pytest.raises(ConfigError, match="threads is"):
        trained(run, resuming=True, threads=threads)


def test_a_run_that_is_stopped_leaves_a_sample_of_where_it_stands(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(model: torch.nn.Module, call: int) -> None:
        del model
        if call == 25:
            signal.raise_signal(signal.SIGINT)

    spoiled(monkeypatch, interrupt)
    outcome, heard = trained(make_run(sample_length=10))
    assert outcome.end.step == 25
    said = [type(e) for e in heard if e.step == 25]
    assert said.index(ev.CheckpointWritten) < said.index(ev.SampleFinished)


def test_patience_and_a_plateaus_rate_outlast_an_interrupt(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate that moves nothing only the first look finds an improvement."""

    def interrupt(model: torch.nn.Module, call: int) -> None:
        del model
        if call == 12:
            signal.raise_signal(signal.SIGINT)

    run = make_run(lr=1e-12, schedule="plateau", lr_decay=0.5, patience=3, checkpoint_every=5)
    with monkeypatch.context() as patch:
        spoiled(patch, interrupt)
        outcome, _ = trained(run)
    assert (outcome.end.reason, outcome.end.step) == ("interrupted", 12)
    outcome, _ = trained(run, resuming=True)
    assert (outcome.end.reason, outcome.end.step) == ("early-stopping", 20)
    rates = {e.step: e.lr for e in run.events() if isinstance(e, ev.Step)}
    assert rates == {10: 1e-12, 20: 0.25e-12}


def test_damaged_tokens_without_the_text_are_a_sentence_with_a_way_out(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()
    trained(run)
    log = run.events_path.read_bytes()
    (run.tokens_path / "tokens.bin").unlink()
    for path in (run.path.parent / ".cache" / "text").glob("*.txt"):
        path.write_bytes(path.read_bytes().swapcase())
    with pytest.raises(RunError, match="missing or damaged") as caught:
        trained(run, resuming=True, budget={"steps": 80})
    assert "--from" in caught.value.hint
    assert run.events_path.read_bytes() == log


@pytest.mark.parametrize("name", ["steps", "epochs", "minutes"])
def test_a_budget_of_nothing_is_a_sentence(make_run: Callable[..., RunFolder], name: str) -> None:
    with pytest.raises(ConfigError, match=f"--{name} is 0, which is no budget"):
        make_run(**{"steps": 0, name: 0})
    run = make_run()
    trained(run)
    with pytest.raises(ConfigError, match="no budget"):
        trained(run, resuming=True, budget={name: 0})


@pytest.mark.parametrize("damage", ["{", '{"format": 1}', None])
def test_a_damaged_record_says_what_still_works(
    make_run: Callable[..., RunFolder], damage: str | None
) -> None:
    run = make_run()
    record = (run.path / "run.json").read_text("utf-8")
    (run.path / "run.json").write_text(
        damage or record.replace('"lanes": 4', '"lanes": "x"'), "utf-8"
    )
    with pytest.raises(RunError, match=r"run\.json") as caught:
        trained(run, resuming=True)
    assert "rnnstudio sample " in caught.value.hint
    assert f"{run.name};" in caught.value.hint


def test_dropout_draws_from_the_stream_that_is_the_processs_own(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(seed: int) -> bytes:
        own = torch.Generator().manual_seed(seed)
        monkeypatch.setattr(World, "own_stream", lambda *_: own)
        run = make_run(steps=4, dropout=0.5)
        trained(run)
        return read_checkpoint(run.path / "step-0000004")["model.safetensors"]

    assert learned(5) == learned(5)
    assert learned(5) != learned(6)


@pytest.mark.parametrize("cell", ["lstm", "mut1"])
def test_a_run_in_bf16_goes_on_to_the_bit(make_run: Callable[..., RunFolder], cell: str) -> None:
    """The path that a GPU takes: arithmetic in bf16, weights and their checkpoints in float32."""
    how = {"cell": cell, "precision": "bf16", "schedule": "constant", "dropout": 0.2, "steps": 20}
    whole = make_run(**how)
    trained(whole)
    parts = make_run(**{**how, "steps": 10})
    trained(parts)
    trained(parts, resuming=True, budget={"steps": 20})
    last = [read_checkpoint(run.path / "step-0000020") for run in (whole, parts)]
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert last[0][name] == last[1][name]
    weights = unpack(last[0]["model.safetensors"])
    assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float32}
    plain = make_run(**{**how, "precision": "float32"})
    trained(plain)
    exact = unpack(read_checkpoint(plain.path / "step-0000020")["model.safetensors"])
    assert any(not torch.equal(exact[name], weights[name]) for name in weights)


def test_large_matrices_rest_after_resuming_as_they_would_have(
    make_run: Callable[..., RunFolder],
) -> None:
    """At 64 tokens a step Muon's products for 72 units are more than half of the network's."""
    how = {"hidden_size": 72, "schedule": "constant", "checkpoint_every": 7}
    whole = make_run(**how, steps=15)
    trained(whole)
    parts = make_run(**how, steps=11)
    trained(parts)
    trained(parts, resuming=True, budget={"steps": 15})
    saved = [read_checkpoint(run.path / "step-0000015") for run in (whole, parts)]
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert saved[0][name] == saved[1][name]
    # They move at the 13th step and the 16th.
    before, after = (
        unpack(read_checkpoint(whole.path / f"step-00000{step}")["model.safetensors"])
        for step in (14, 15)
    )
    matrix = "cells.0.kernel.weight_hh_l0"
    assert torch.equal(before[matrix], after[matrix])
    assert not torch.equal(before["output_weight"], after["output_weight"])


def test_a_damaged_checkpoint_that_was_passed_over_is_no_best_one_any_more(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()
    trained(run)
    best = run.best()
    assert best is not None
    assert best.step == 60
    weights = best.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    trained(run, resuming=True, budget={"steps": 50})
    assert (run.path / "damaged-step-0000060" / "model.safetensors").is_file()
    best = run.best()
    assert best is not None
    assert read_checkpoint(best.path)


def test_a_record_and_a_log_that_were_removed_meanwhile_are_put_back(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()
    record = run.record()
    heard: list[ev.Event] = []

    def hear(event: ev.Event, line: str) -> None:
        assert line
        heard.append(event)
        if isinstance(event, ev.CheckpointWritten) and event.step == 20:
            run.events_path.unlink()
            (run.path / "run.json").unlink()

    train_run(run, hear=hear)
    warned = [event for event in heard if isinstance(event, ev.Warned)]
    assert [(event.step, event.text) for event in warned] == [
        (40, "events.jsonl and run.json had been removed while the run trained; written again")
    ]
    assert run.record() == record
    assert [type(event) for event in run.events()] == [type(event) for event in heard]


def test_a_run_whose_folder_was_removed_stops_and_says_so(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()

    def hear(event: ev.Event, line: str) -> None:
        assert line
        if isinstance(event, ev.CheckpointWritten) and event.step == 20:
            shutil.rmtree(run.path)

    with pytest.raises(RunStopped, match="was removed while it trained"):
        train_run(run, hear=hear)
    assert not run.path.exists()


def test_a_last_checkpoint_that_cannot_be_saved_is_no_good_end(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = keeping.write_checkpoint

    def write(run: Path, step: int, *args: Any, **more: Any) -> Path:
        if step == 60:
            raise RunError("no space left", hint="free some")
        return real(run, step, *args, **more)

    monkeypatch.setattr(keeping, "write_checkpoint", write)
    run = make_run()
    with pytest.raises(RunStopped, match="no space left"):
        trained(run)
    end = run.summary().end
    assert end is not None
    assert end.reason == "failed"
    monkeypatch.undo()
    outcome, _ = trained(run, resuming=True)
    assert outcome.end.reason == "done"


def test_a_resumed_run_says_the_loss_that_the_log_has(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    trained(run)
    trained(run, resuming=True, budget={"steps": 80})
    logged = [e.loss_nats for e in run.events() if isinstance(e, ev.Step) and e.step == 60]
    told = [e.loss_nats for e in EventReader(run.events_path).poll() if isinstance(e, ev.Resumed)]
    assert told == logged


def test_a_text_that_was_changed_meanwhile_is_said(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    trained(run)
    _, heard = trained(run, resuming=True, budget={"steps": 70})
    assert not [e for e in heard if isinstance(e, ev.Warned)]
    (text,) = run.record()["corpus"]["paths"]
    later = time.time() + 10
    os.utime(text, (later, later))
    _, heard = trained(run, resuming=True, budget={"steps": 80})
    (warned,) = [e.text for e in heard if isinstance(e, ev.Warned)]
    assert f"{text} was changed after the run began" in warned


def test_two_streams_at_one_temperature_write_two_texts(make_run: Callable[..., RunFolder]) -> None:
    _, heard = trained(make_run(sample_length=40, temperatures=(0.8, 1.0, 0.8)))
    last = [e for e in heard if isinstance(e, ev.SampleFinished) and e.step == 60]
    first, warmer, second = sorted(last, key=lambda e: e.sample)
    assert (first.seed, warmer.seed, second.seed) == (first.seed, first.seed, first.seed + 1)
    assert first.text != second.text
