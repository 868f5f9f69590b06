"""Run folders: made without treading on another, found however they are named, removed only when idle."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.checkpoint import write_checkpoint
from checkpoints.errors import RunError, UserError
from checkpoints.eventlog import EventLog
from checkpoints.events import Note, Resumed, Step
from checkpoints.lock import TrainerLock
from checkpoints.runs import (
    RunFolder,
    default_runs,
    find_run,
    list_runs,
    remove,
    safe_name,
)
from tests.faults.crashdisk import FailingDisk, QuickDisk

QUICK = QuickDisk()


def make(runs: Path, name: str, *, touched: float = 0.0, **losses: float) -> RunFolder:
    """A run; `s100=1.5` is a checkpoint of step 100 with that validation loss (below 0: none was measured)."""
    run = RunFolder.create(runs, name, {"seed": 1}, disk=QUICK)
    for step, loss in losses.items():
        about = {"nats_per_char": loss} if loss >= 0 else {}
        write_checkpoint(run.path, int(step[1:]), {"a": b"12345"}, about=about, disk=QUICK)
    run.events_path.touch()
    os.utime(run.events_path, (touched, touched))
    return run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_a_new_run_never_shares_a_folder(runs: Path) -> None:
    made = [RunFolder.create(runs, "tunes", {"seed": i}, disk=QUICK) for i in range(3)]
    assert [run.name for run in made] == ["tunes", "tunes-2", "tunes-3"]
    assert [run.record()["seed"] for run in made] == [0, 1, 2]
    (runs / "tunes-4").write_text("a file of that name")
    assert RunFolder.create(runs, "tunes", {}, disk=QUICK).name == "tunes-5"


def test_a_record_is_replaced(runs: Path) -> None:
    run = make(runs, "r")
    run.write_record({"corpus": "ä\ud800"})
    assert run.record() == {"corpus": "ä\ud800"}


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"[" * 100_000])
def test_a_damaged_record_is_a_sentence(content: bytes, runs: Path) -> None:
    run = make(runs, "r")
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json cannot be read"):
        run.record()
    (run.path / "run.json").unlink()
    with pytest.raises(RunError, match="no such file"):
        run.record()


def test_a_run_whose_record_does_not_fit_on_the_disk_is_not_begun(runs: Path) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    for at in range(1, 4):  # the folder is made; then the record's write, sync or rename fails
        with pytest.raises(UserError, match="no space left"):
            RunFolder.create(runs, "r", {}, disk=FailingDisk(at, full, once=True))
        assert list(runs.iterdir()) == []


def test_a_place_where_nothing_can_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"no run can be made in .*: not a directory"):
        RunFolder.create(tmp_path / "file" / "runs", "r", {})


@given(
    st.text(max_size=80)
    | st.sampled_from(["..", "a/b", "CON", "nul.txt", "-x", "Müller", "a@b", "~"])
)
def test_a_safe_name_is_one_folder_that_every_system_takes(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name) <= 64
    assert not set(name) & set('/\\:*?"<>|@ \n\0')
    assert name[0] not in ".-"
    assert name[-1] not in ". "
    assert name.split(".")[0].upper() not in {"CON", "NUL", "PRN", "AUX", "COM1", "LPT1"}
    assert safe_name(name) == name


def test_good_names_stay_as_they_are() -> None:
    assert [safe_name(n) for n in ("war_and-peace.2", "Müller", "音楽", "my text!")] == [
        "war_and-peace.2",
        "Müller",
        "音楽",
        "my-text",
    ]


def test_checkpoints_with_their_losses_the_best_and_the_last(runs: Path) -> None:
    run = make(runs, "r", s100=2.0, s300=1.5, s200=1.5, s400=-1)
    listed = [(c.step, c.nats_per_char, c.size_bytes) for c in run.checkpoints()]
    assert listed == [(100, 2.0, 5), (200, 1.5, 5), (300, 1.5, 5), (400, None, 5)]
    best = run.best()
    assert best is not None
    assert best.step == 200
    steps = {
        spec: run.checkpoint(spec).name for spec in ("", "best", "last", "300", "step-0000300")
    }
    assert steps == {
        "": "step-0000200",
        "best": "step-0000200",
        "last": "step-0000400",
        "300": "step-0000300",
        "step-0000300": "step-0000300",
    }


def test_the_last_checkpoint_is_the_last_whole_one(runs: Path) -> None:
    run = make(runs, "r", s100=-1, s200=-1)
    (run.path / "step-0000200" / "a").write_bytes(b"1234x")
    assert run.checkpoint("last").name == run.checkpoint("").name == "step-0000100"
    (run.path / "step-0000100" / "a").write_bytes(b"1234x")
    with pytest.raises(RunError, match="no checkpoint of run r is whole"):
        run.checkpoint("last")


def test_checkpoints_without_a_whole_manifest_are_not_taken_for_none(runs: Path) -> None:
    run = make(runs, "r", s100=2.0)
    (run.path / "step-0000100" / "MANIFEST.json").write_text("{")
    for spec in ("", "best", "last", "100"):
        with pytest.raises(RunError, match="no checkpoint of run r is whole"):
            run.checkpoint(spec)


def test_what_is_damaged_is_listed_down_to_the_newest_whole_checkpoint(runs: Path) -> None:
    run = make(runs, "r", s100=2.0, s200=2.0, s300=2.0, s400=2.0)
    (run.path / "step-0000100" / "MANIFEST.json").write_text("{")
    for step in (200, 400):
        (run.path / f"step-0000{step}" / "a").write_bytes(b"1234x")
    assert [path.name for path in run.damaged()] == ["step-0000100", "step-0000400"]


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("250", "keeps no checkpoint of step 250", "nearest is r@300; it has 100, 300"),
        ("bets", "'bets' names no checkpoint", "r@best, r@last or a step, for example r@300"),
        ("-1", "'-1' names no checkpoint", "r@best"),
        ("9" * 5000, "names no checkpoint", "r@best"),
        ("best", "measured no validation loss", "r@last"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_a_sentence(
    spec: str, message: str, hint: str, runs: Path
) -> None:
    run = make(runs, "r", s100=-1, s300=-1)
    with pytest.raises(RunError, match=message) as caught:
        run.checkpoint(spec)
    assert hint in caught.value.hint


def test_a_run_without_checkpoints_says_so(runs: Path) -> None:
    with pytest.raises(RunError, match="run r has no checkpoint yet"):
        make(runs, "r").checkpoint("best")


@pytest.fixture
def three(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(runs.parent)
    make(runs, "shakespeare", touched=10, s100=2.0)
    make(runs, "shanties", touched=30, s100=2.0)
    make(runs, "tunes", touched=20, s100=2.0)
    return runs


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("shakespeare", "shakespeare", ""),
        (" tunes ", "tunes", ""),
        ("tunes@best", "tunes", "best"),
        ("t@100", "tunes", "100"),
        ("SHAK", "shakespeare", ""),
        ("runs/tunes", "tunes", ""),
        ("runs/tunes@last", "tunes", "last"),
        ("./runs/tunes/", "tunes", ""),
        ("runs/tunes/events.jsonl", "tunes", ""),
        ("runs/tunes/step-0000100", "tunes", "100"),
        ("runs/tunes/step-0000100/a", "tunes", "100"),
        ("runs/tunes/step-0000100@best", "tunes", "best"),
        ("", "shanties", ""),
        ("@last", "shanties", "last"),
    ],
)
def test_a_run_is_found_by_what_people_type(text: str, name: str, spec: str, three: Path) -> None:
    found = find_run(text, three)
    assert (found.run.name, found.spec) == (name, spec)
    assert found.run.record() == {"seed": 1}


def test_a_run_is_found_from_elsewhere_by_its_path(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = three.parent / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)
    assert find_run(str(three / "tunes"), Path("runs")).run.name == "tunes"
    assert find_run("runs/tunes", three).run.name == "tunes"
    monkeypatch.chdir(three / "tunes")
    assert find_run(".", Path("runs")).run.name == "tunes"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sh", "2 runs begin with 'sh'", "shanties, shakespeare"),
        ("shakspeare", "there is no run 'shakspeare' in ", "did you mean shakespeare?"),
        ("zebra", "there is no run 'zebra'", "rnnstudio runs list"),
        ("../../etc", "there is no run", ""),
        ("a\0b", "there is no run", ""),
        ("x" * 5000, "there is no run", ""),
        ("~nobody-of-this-name/x", "there is no run", ""),
        ("tunes@", "tunes@ names no checkpoint", "best, last or a step"),
    ],
)
def test_a_run_that_is_not_there_is_a_sentence(
    text: str, message: str, hint: str, three: Path
) -> None:
    with pytest.raises(RunError, match=message) as caught:
        find_run(text, three)
    assert hint in caught.value.hint


def test_without_any_run_the_way_to_one_is_told(runs: Path) -> None:
    with pytest.raises(RunError, match="there are no runs in ") as caught:
        find_run("", runs)
    assert "rnnstudio train" in caught.value.hint
    assert list_runs(runs) == []


def test_runs_are_listed_newest_first_and_nothing_else(three: Path) -> None:
    (three / "notes").mkdir()
    (three / "file.txt").touch()
    make(three, "hidden").path.rename(three / ".removed-hidden-ab")
    assert [run.name for run in list_runs(three)] == ["shanties", "tunes", "shakespeare"]


def test_a_folder_that_nobody_may_look_into_hides_no_other(three: Path) -> None:
    (three / "closed").symlink_to("x" * 300)  # what root may not look at either
    assert len(list_runs(three)) == 3
    assert find_run("tunes", three).run.name == "tunes"


def test_a_run_is_called_by_its_name_or_where_runs_are_not_looked_for_by_its_path(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RunFolder(three / "tunes").called == RunFolder(Path("runs/tunes")).called == "tunes"
    monkeypatch.setenv("RNNSTUDIO_RUNS", "others")
    assert RunFolder(Path("runs/tunes")).called == "runs/tunes"
    assert RunFolder(Path("my runs/tunes")).called == "'my runs/tunes'"


def test_a_log_is_read_without_its_steps_where_they_are_not_wanted(runs: Path) -> None:
    run = make(runs, "r")
    figures = dict.fromkeys(("loss_nats", "loss_min", "loss_max", "lr", "grad_norm", "epoch"), 1.0)
    rest = {"tokens": 1, "tokens_per_s": 1.0, "chars_per_s": 1.0, "progress": 0.5}
    with EventLog(run.events_path) as log:
        for step in (1, 2):
            log.write(Step(step=step, steps=1, **figures, **rest))
            log.write(Note(step=step, text="x"))
        log.write(Resumed(step=1, checkpoint="step-0000001"))
        log.write(Note(step=2, text="y"))
    told = [(e.type, e.step) for e in run.events()]
    assert told == [("step", 1), ("note", 1), ("note", 2)]
    assert [(e.type, e.step) for e in run.events(steps=False)] == told[1:]


def test_the_size_is_that_of_every_file(three: Path) -> None:
    run = RunFolder(three / "tunes")
    (run.path / "loop").symlink_to(run.path)
    files = [p for p in run.path.rglob("*") if p.is_file() and not p.is_symlink()]
    expected = sum(p.stat().st_size for p in files) + (run.path / "loop").lstat().st_size
    assert run.size_bytes() == expected


def test_a_removed_run_is_gone_with_all_that_it_holds(three: Path) -> None:
    remove(RunFolder(three / "tunes"))
    assert sorted(p.name for p in three.iterdir()) == ["shakespeare", "shanties"]


def test_a_run_that_is_trained_is_not_removed(three: Path) -> None:
    run = RunFolder(three / "tunes")
    with TrainerLock(run.path):
        with pytest.raises(RunError, match=f"being trained by process {os.getpid()}"):
            remove(run)
        assert run.live() == os.getpid()
    assert run.checkpoint("best").is_dir()


def test_only_runs_are_removed(three: Path) -> None:
    other = three / "precious"
    other.mkdir()
    (three / "link").symlink_to(three / "tunes")
    for path in (other, three / "link", three / "gone"):
        with pytest.raises(RunError, match="no run folder of its own"):
            remove(RunFolder(path))
    assert other.is_dir()
    assert (three / "tunes" / "run.json").is_file()


def test_where_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNSTUDIO_RUNS", raising=False)
    assert default_runs() == Path("runs")
    monkeypatch.setenv("RNNSTUDIO_RUNS", "/elsewhere")
    assert default_runs() == Path("/elsewhere")
