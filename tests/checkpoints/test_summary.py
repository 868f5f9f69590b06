"""Where a run stands, told from the end of its log with bounded work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoints import summary
from checkpoints.events import (
    CheckpointWritten,
    ControlApplied,
    Ended,
    Event,
    Failed,
    Note,
    Resumed,
    SampleText,
    Started,
    Step,
    Validation,
    encode,
)
from checkpoints.lock import TrainerLock
from checkpoints.runs import RunFolder

NOW = 1_800_000_000.0
STARTED = Started(
    time=NOW - 60, run="r", corpus="c", genre="prose", chars=1, tokens=1, vocab_size=1, parameters=1,
    device="cpu", threads=1,
)  # fmt: skip


def a_step(step: int, loss: float = 2.0) -> Step:
    figures = dict.fromkeys(("loss_min", "loss_max", "lr", "grad_norm", "epoch", "progress"), 1.0)
    rates = {"tokens_per_s": 1.0, "chars_per_s": 1.0}
    return Step(step=step, time=NOW - 1, loss_nats=loss, steps=1, tokens=1, **figures, **rates)


def a_validation(step: int, nats: float) -> Validation:
    return Validation(
        step=step, time=NOW - 1, nats_per_token=nats, nats_per_char=nats, bits_per_char=nats, chars=1, tokens=1,
        protocol="p", best=False,
    )  # fmt: skip


def ended(reason: str) -> Ended:
    return Ended(step=2, time=NOW, run="r", reason=reason)


def control(request: str, *, applied: bool = True) -> ControlApplied:
    return ControlApplied(step=2, time=NOW - 1, request=request, applied=applied)


def write(run: Path, *events: Event) -> None:
    run.mkdir(exist_ok=True)
    with (run / "events.jsonl").open("ab") as file:
        file.writelines(encode(event).encode() + b"\n" for event in events)


DEAD = {
    "new": [],
    "crashed": [STARTED, a_step(1)],
    "crashed after being paused": [STARTED, a_step(1), control("pause")],
    "crashed after being resumed": [STARTED, ended("stopped"), Resumed(step=0, checkpoint="c")],
    "done": [STARTED, ended("done")],
    "done by early stopping": [STARTED, ended("early-stopping")],
    "stopped": [STARTED, ended("stopped")],
    "stopped by an interrupt": [STARTED, ended("interrupted")],
    "failed": [STARTED, Failed(step=1, time=NOW, text="no space"), ended("failed")],
    "failed for good": [STARTED, ended("diverged")],
    "failed without an end": [STARTED, Failed(step=1, time=NOW, text="no space")],
}


@pytest.mark.parametrize("case", DEAD)
def test_the_state_of_a_run_without_a_process(case: str, tmp_path: Path) -> None:
    write(tmp_path / "r", *DEAD[case])
    assert RunFolder(tmp_path / "r").state(now=NOW) == case.split()[0]


LIVE = {
    "running": [STARTED, a_step(1)],
    "running, nothing said yet": [],
    "running again": [STARTED, ended("done"), Resumed(time=NOW - 1, step=0, checkpoint="c")],
    "running after a pause": [STARTED, control("pause"), control("resume")],
    "running, the pause refused": [STARTED, a_step(1), control("pause", applied=False)],
    "running, resumed after a pause and a kill": [
        STARTED, a_step(1), control("pause"), Resumed(time=NOW - 1, step=2, checkpoint="c"),
    ],
    "paused": [STARTED, a_step(1), control("pause")],
    "paused, asked for a sample": [STARTED, control("pause"), control("sample")],
    "quiet": [STARTED],
}  # fmt: skip


@pytest.mark.parametrize("case", LIVE)
def test_the_state_of_a_run_with_a_process(case: str, tmp_path: Path) -> None:
    write(tmp_path / "r", *LIVE[case])
    with TrainerLock(tmp_path / "r"):
        now = NOW + 1000 if case == "quiet" else NOW
        assert RunFolder(tmp_path / "r").state(now=now).rstrip(",") == case.split()[0].rstrip(",")


def test_the_latest_figures(tmp_path: Path) -> None:
    saved = CheckpointWritten(step=2, time=NOW - 1, path="step-0000002", reason="time")
    write(
        tmp_path / "r",
        STARTED,
        a_step(1),
        a_validation(1, 3.0),
        a_step(2),
        saved,
        a_validation(2, 2.5),
    )
    write(tmp_path / "r", Note(step=2, time=NOW, text="bye"))
    found = RunFolder(tmp_path / "r").summary(now=NOW)
    assert found == summary.Summary(
        state="crashed", started=STARTED, step=2, last_step=a_step(2), validation=a_validation(2, 2.5),
        checkpoint=saved, updated=NOW,
    )  # fmt: skip


def test_what_a_resumed_run_did_again_does_not_count(tmp_path: Path) -> None:
    write(tmp_path / "r", STARTED, a_step(1), a_validation(1, 3.0), a_step(2), a_validation(2, 2.5))
    write(tmp_path / "r", Resumed(step=1, time=NOW, checkpoint="step-0000001"))
    found = RunFolder(tmp_path / "r").summary(now=NOW)
    assert (found.step, found.last_step, found.validation) == (1, a_step(1), a_validation(1, 3.0))


def test_an_error_counts_until_the_run_is_resumed(tmp_path: Path) -> None:
    failed = Failed(step=1, time=NOW, text="no space")
    write(tmp_path / "r", STARTED, a_step(1), failed)
    assert RunFolder(tmp_path / "r").summary(now=NOW).failure == failed
    write(tmp_path / "r", Resumed(step=1, time=NOW, checkpoint="step-0000001"), a_step(2))
    assert RunFolder(tmp_path / "r").summary(now=NOW).failure is None


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 lines, 30 MB."""
    run = tmp_path_factory.mktemp("runs") / "long"
    line = encode(a_step(7)).encode() + b"\n"
    run.mkdir()
    head = b"".join(encode(e).encode() + b"\n" for e in (STARTED, a_validation(0, 4.0)))
    tail = b"".join(
        encode(e).encode() + b"\n" for e in (a_validation(99_000, 1.5), a_step(100_000))
    )
    (run / "events.jsonl").write_bytes(head + line * 99_996 + tail)
    return run


def count_work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts the lines that are read and those that are decoded."""
    work = {"read": 0, "decoded": 0}
    read, decode = summary.lines_backwards, summary.decode_bytes

    def reading(path: Path, *, max_bytes: int) -> Iterator[bytes]:
        for line in read(path, max_bytes=max_bytes):
            work["read"] += 1
            yield line

    def decoding(line: bytes) -> Event | None:
        work["decoded"] += 1
        return decode(line)

    monkeypatch.setattr(summary, "lines_backwards", reading)
    monkeypatch.setattr(summary, "decode_bytes", decoding)
    return work


def test_a_log_of_100_000_lines_is_summed_up_from_its_ends(
    long_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = count_work(monkeypatch)
    found = RunFolder(long_log).summary(now=NOW)
    assert (found.state, found.started, found.step) == ("crashed", STARTED, 100_000)
    assert found.validation == a_validation(99_000, 1.5)
    assert work["read"] < 40_000  # no checkpoint was ever logged: the search ends after 8 MiB of 26
    assert work["decoded"] == 3  # the first line, a step and a validation


def test_a_tail_full_of_samples_is_passed_over_undecoded_but_not_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = SampleText(step=2, time=NOW, sample="s", text="x" * 100)
    write(
        tmp_path / "r", STARTED, a_step(1), a_validation(2, 2.5), control("pause"), *[piece] * 1000
    )
    work = count_work(monkeypatch)
    with TrainerLock(tmp_path / "r"):
        found = RunFolder(tmp_path / "r").summary(now=NOW)
    assert (found.last_step, found.validation) == (a_step(1), a_validation(2, 2.5))
    assert (found.state, found.step, found.updated) == ("paused", 2, NOW)
    assert work["decoded"] <= 6
    monkeypatch.setattr(summary, "_SEARCHED_BYTES", 64 * 1024)
    found = RunFolder(tmp_path / "r").summary(now=NOW)
    assert (found.last_step, found.validation, found.step) == (None, None, 2)


def test_a_whole_log_reads_as_an_uninterrupted_one(tmp_path: Path) -> None:
    write(tmp_path / "many", *map(a_step, range(2000)))  # more than is read at once
    assert [e.step for e in RunFolder(tmp_path / "many").events()] == [*range(2000)]
    write(
        tmp_path / "r",
        STARTED,
        a_step(1),
        a_step(2),
        Resumed(step=1, checkpoint="c"),
        a_step(2, 2.5),
    )
    assert list(RunFolder(tmp_path / "r").events()) == [STARTED, a_step(1), a_step(2, 2.5)]
