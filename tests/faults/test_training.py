"""Faults while a run trains: numbers that are none, memory that is not there, signals, terminals that go away."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import events as ev
from checkpoints.checkpoint import checkpoint_folders, read_checkpoint
from checkpoints.errors import ConfigError, RunError, RunStopped
from checkpoints.lock import TrainerLock
from checkpoints.runs import RunFolder
from checkpoints.tensors import unpack
from engine.training import keeping, snapshot, trainer
from engine.training.distributed import World
from engine.training.prepare import Request, prepare
from engine.training.run import Outcome, train_run
from engine.training.safety import MAX_ROLLBACKS, SPIKE_NATS
from tests.cli import TINY, here, verse
from tests.engine import checkpoint, tiny
from tests.warm import Warm

SETTINGS: dict[str, Any] = {
    "steps": 60, "hidden_size": 12, "num_layers": 1, "embedding_size": 8, "lanes": 4, "bptt": 16,
    "checkpoint_every": 20, "sample_length": 0,
}  # fmt: skip


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")

    def make(**settings: Any) -> RunFolder:
        request = Request(
            corpus=(str(tmp_path / "v.txt"),),
            runs=tmp_path / "runs",
            given={**SETTINGS, **settings},
            threads=1,
        )
        return prepare(request).run

    return make


def trained(run: RunFolder, **more: Any) -> tuple[Outcome, list[ev.Event]]:
    heard: list[ev.Event] = []

    def hear(event: ev.Event, line: str) -> None:
        assert line
        heard.append(event)

    return train_run(run, hear=hear, **more), heard


def spoiled(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[torch.nn.Module, int], None]) -> None:
    """Let `spoil` do something to the model's gradients or weights before each clipping; it gets the call's number."""
    calls = 0

    def clip(model: torch.nn.Module, config: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        spoil(model, calls)
        return real(model, config)

    real = trainer.clip
    monkeypatch.setattr(trainer, "clip", clip)


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
    def spoil(model: torch.nn.Module, call: int) -> None:
        if call == 31:
            with torch.no_grad():
                next(p for p in model.parameters() if p.ndim == 2)[0].fill_(float("nan"))

    spoiled(monkeypatch, spoil)
    outcome, heard = trained(make_run())
    back = [e for e in heard if isinstance(e, ev.Resumed)]
    assert [e.step for e in back] == [20]
    assert outcome.end.reason == "done"
    rates = {e.step: e.lr for e in outcome.run.events() if isinstance(e, ev.Step)}
    whole = trained(make_run())[0].run
    expected = {e.step: e.lr for e in whole.events() if isinstance(e, ev.Step)}
    assert rates[20] == pytest.approx(expected[20])
    assert rates[60] == pytest.approx(expected[60] / 2)


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


def test_a_disk_that_refuses_once_costs_one_checkpoint(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = keeping.write_checkpoint, 0

    def write(*args: Any, **kwargs: Any) -> Path:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RunError("no space left", hint="free some")
        return real(*args, **kwargs)

    monkeypatch.setattr(keeping, "write_checkpoint", write)
    outcome, heard = trained(make_run())
    assert outcome.end.reason == "done"
    assert [e.text for e in heard if isinstance(e, ev.Warned)] == ["no space left"]
    assert [p.name for p in checkpoint_folders(outcome.run.path)] == [
        "step-0000000",
        "step-0000020",
        "step-0000060",
    ]


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


def test_memory_that_runs_out_is_a_sentence_with_the_setting_to_change(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def clip(*_: Any) -> torch.Tensor:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 1 bytes"
        )

    monkeypatch.setattr(trainer, "clip", clip)
    run = make_run()
    with pytest.raises(ConfigError, match="memory ran out") as caught:
        trained(run)
    assert "--lanes 2" in caught.value.hint
    assert isinstance(list(run.events())[-1], ev.Ended)


def test_looking_at_the_model_changes_nothing_about_training(
    make_run: Callable[..., RunFolder],
) -> None:
    often = trained(make_run(checkpoint_every=7, sample_length=20, dropout=0.3))[0].run
    never = trained(make_run(checkpoint_every=1000, dropout=0.3))[0].run
    last = "step-0000060"
    for name in ("model.safetensors", "optimizer.safetensors", "state.safetensors"):
        assert read_checkpoint(often.path / last)[name] == read_checkpoint(never.path / last)[name]


def test_a_second_trainer_is_refused(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    with TrainerLock(run.path), pytest.raises(RunError, match="being trained"):
        trained(run)


LIMIT = """
import pathlib, resource, torch
torch.ones(64, 64) @ torch.ones(64, 64)  # what its kernels map on first use
used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {megabytes} * 1_000_000,) * 2)
"""


def limited(folder: Path, *arguments: str, megabytes: int) -> str:
    """What the command says, which must end with 2, where it may map only so much beyond what torch itself maps."""
    with (folder / "err.txt").open("w") as err:
        process = Warm(*arguments, cwd=folder, stderr=err, before=LIMIT.format(megabytes=megabytes))
    code, said = process.wait(), (folder / "err.txt").read_text("utf-8")
    assert code == 2, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    "flags",
    [("--hidden", "4096"), ("--hidden", "512", "--lanes", "4000", "--bptt", "16")],
    ids=["build", "step"],
)
def test_training_that_really_runs_out_of_memory_says_what_to_change(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    (tmp_path / "v.txt").write_text(verse(4000), "utf-8")
    said = limited(
        tmp_path, "train", "v.txt", "--steps", "5", "--threads", "1", *flags, megabytes=500
    )
    assert "memory ran out" in said
    assert "--lanes" in said


def test_a_sampler_that_really_runs_out_of_memory_is_a_sentence(tmp_path: Path) -> None:
    letters = tiny.tokenizer()
    model = tiny.model(letters.vocab_size, hidden=1200, layers=1)
    checkpoint.write(tmp_path / "runs" / "r", 1, checkpoint.files(model, letters))
    assert "memory" in limited(tmp_path, "sample", "r", "--length", "20", megabytes=60)


LONG = ("--steps", "100000", *TINY, "--sample-length", "0", "--checkpoint-every", "1000000")


def started(folder: Path, *more: str, stdout: int = subprocess.DEVNULL) -> tuple[Warm, Path]:
    """A long run that has begun to train."""
    (folder / "v.txt").write_text(verse(), "utf-8")
    process = Warm("train", "v.txt", "--name", "r", *LONG, *more, cwd=folder, stdout=stdout)
    run = folder / "runs" / "r"
    log = run / "events.jsonl"
    while not (log.exists() and b'"type":"step"' in log.read_bytes()):
        assert process.poll() is None
        time.sleep(0.01)
    return process, run


def last_event(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "events.jsonl").read_text("utf-8").splitlines()[-1]))


def grown(process: Warm, run: Path, size: int) -> None:
    """Wait until the run's log is larger than `size`."""
    while (run / "events.jsonl").stat().st_size <= size:
        assert process.poll() is None
        time.sleep(0.01)


def saves_and_leaves(process: Warm, run: Path, number: int) -> None:
    process.send_signal(number)
    assert process.wait(timeout=240) == 130
    end = last_event(run)
    assert (end["type"], end["reason"]) == ("end", "interrupted")
    assert (run / f"step-{end['step']:07d}").is_dir()


def test_a_stopped_process_goes_on_when_continued_and_a_shutdown_saves_its_last_step(
    tmp_path: Path,
) -> None:
    process, run = started(tmp_path)
    process.send_signal(signal.SIGSTOP)
    size = (run / "events.jsonl").stat().st_size
    process.send_signal(signal.SIGCONT)
    grown(process, run, size)
    saves_and_leaves(process, run, signal.SIGTERM)


def test_a_reader_that_leaves_does_not_end_the_run_and_a_closed_terminal_saves_it(
    tmp_path: Path,
) -> None:
    process, run = started(tmp_path, "--json", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    grown(process, run, (run / "events.jsonl").stat().st_size + 2000)
    saves_and_leaves(process, run, signal.SIGHUP)


def test_a_second_interrupt_leaves_at_once(tmp_path: Path) -> None:
    process, run = started(tmp_path)
    process.send_signal(signal.SIGSTOP)  # so that both are there before the first can be obeyed
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert process.returncode == 130
    assert here("resume", "r", "--steps", "1", cwd=tmp_path, expect=(0, 2)).code in (0, 2)
    assert checkpoint_folders(run)


def test_while_one_process_trains_a_second_is_refused_and_views_see_it_live(tmp_path: Path) -> None:
    process, run = started(tmp_path)
    try:
        refused = here("resume", "r", cwd=tmp_path, expect=(2,))
        assert str(process.pid) in refused.err
        assert RunFolder(run).state() == "running"
        (row,) = json.loads(here("runs", "list", "--json", cwd=tmp_path).out)
        assert row["state"] == "running"
        assert "being trained" in here("runs", "rm", "r", "--yes", cwd=tmp_path, expect=(2,)).err
    finally:
        process.kill()
        process.wait()
    assert RunFolder(run).state() == "crashed"


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


def test_a_run_that_was_killed_before_its_first_word_says_it_when_resumed(
    make_run: Callable[..., RunFolder],
) -> None:
    run = make_run()  # prepared, and nothing logged yet
    outcome, _ = trained(run, resuming=True)
    assert outcome.end.reason == "done"
    started = run.summary().started
    assert started is not None
    assert started.training["steps"] == 60


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
    assert f"rnnstudio sample {run.name};" in caught.value.hint


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
    assert {w.dtype for w in weights.values()} == {torch.float32}
    plain = make_run(**{**how, "precision": "float32"})
    trained(plain)
    exact = unpack(read_checkpoint(plain.path / "step-0000020")["model.safetensors"])
    assert any(not torch.equal(exact[name], weights[name]) for name in weights)
