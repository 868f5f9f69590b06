"""`runs`, `samples`, `watch` and `resume` on run folders written by hand."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result
from rich.cells import cell_len
from typer.testing import CliRunner

from checkpoints import events as ev
from checkpoints.checkpoint import write_checkpoint
from checkpoints.errors import RunError, UserError
from checkpoints.eventlog import EventLog, EventReader
from checkpoints.runs import RunFolder
from rnnstudio.cli import app
from rnnstudio.curve import BOTTOM, HEIGHT, MOST_POINTS, RIGHT, WIDTH, svg_curves
from tests.cli import command, environment
from tests.faults.crashdisk import QuickDisk

END = ev.Ended(step=20, run="runs/plays", reason="done")


def sample(step: int, text: str) -> ev.SampleFinished:
    return ev.SampleFinished(
        step=step, sample=f"{step}.0", prime="", text=text, temperature=0.8, seed=1, nats_per_char=None,
        chars=len(text), metrics={"valid": math.nan},
    )  # fmt: skip


def look(step: int) -> ev.Validation:
    return ev.Validation(
        step=step, nats_per_token=math.nan, nats_per_char=math.nan, bits_per_char=math.nan, chars=1, tokens=1,
        protocol="carried", best=False,
    )  # fmt: skip


def make(runs: Path, name: str, *events: ev.Event) -> RunFolder:
    run = RunFolder.create(runs, name, {}, disk=QuickDisk())
    with EventLog(run.events_path) as log:
        for event in events:
            log.write(event)
    return run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """`plays` with two looks, a checkpoint at the first one's step, and an end."""
    told = (sample(10, "ten"), look(10), sample(20, "twenty"), look(20), END)
    run = make(tmp_path / "runs", "plays", *told)
    write_checkpoint(run.path, 10, {"a": b"1"}, about={"nats_per_char": 1.5}, disk=QuickDisk())
    return tmp_path / "runs"


def invoke(runs: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--runs", str(runs)])


def test_json_is_utf_8_and_json_whatever_the_locale(runs: Path) -> None:
    make(runs, "odd", sample(10, "ten 😀"), sample(20, "half \ud83d"))
    words = command("samples", "odd", "--json", "--runs", str(runs))
    done = subprocess.run(
        words, env=environment(PYTHONIOENCODING="cp1252"), capture_output=True, check=True
    )
    found = [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]
    assert [f["text"] for f in found] == ["ten 😀", "half \ud83d"]
    assert "😀".encode() in done.stdout
    assert found[0]["figures"] == {"valid": None}


def test_what_was_no_number_is_null(runs: Path) -> None:
    shown = invoke(runs, "runs", "show", "plays", "--json").stdout
    body = json.loads(shown, parse_constant=pytest.fail)
    assert [v["nats_per_char"] for v in body["validation"]] == [None, None]


def test_held_out_figures_come_in_both_units_under_their_protocol(runs: Path) -> None:
    (row,) = json.loads(invoke(runs, "runs", "list", "--json").stdout)
    best = {"nats_per_char": 1.5, "bits_per_char": 1.5 / math.log(2), "protocol": "carried"}
    assert row["best"] == {"step": 10, **best}
    body = json.loads(invoke(runs, "runs", "show", "plays", "--json").stdout)
    assert best.items() <= body["checkpoints"][0].items()
    assert best.keys() <= body["validation"][0].keys()
    listed = invoke(runs, "runs", "list").stdout.split()
    assert listed[3:7:2] + listed[6:7] == ["2.164", "1.500", "carried"]
    shown = invoke(runs, "runs", "show", "plays").stdout
    assert "1.5000 nats/char = 2.164 bits/char at step 10  [carried]" in shown


def test_show_says_what_the_time_went_into(runs: Path) -> None:
    told = (dataclasses.replace(look(10), seconds=2.0), dataclasses.replace(END, seconds=50.0))
    make(runs, "timed", *told)
    shown = invoke(runs, "runs", "show", "timed").stdout
    assert "  time       50s: 96% learning, 4% held-out text, 0% samples, 0% checkpoints\n" in shown
    body = json.loads(invoke(runs, "runs", "show", "timed", "--json").stdout)
    assert body["seconds"] == {
        "all": 50.0, "held_out": 2.0, "samples": 0.0, "checkpoints": 0.0, "learning": 48.0,
    }  # fmt: skip
    assert "  time  " not in invoke(runs, "runs", "show", "plays").stdout


def test_show_draws_the_loss_in_plain_characters(runs: Path) -> None:
    steps = [
        ev.Step(
            step=i, loss_nats=4 - i / 25, loss_min=0, loss_max=4, lr=1, grad_norm=1, steps=1, epoch=0, tokens=i,
            tokens_per_s=1, chars_per_s=1, progress=0,
        )
        for i in range(1, 51)
    ]  # fmt: skip
    make(runs, "falling", *steps)
    shown = invoke(runs, "runs", "show", "falling").stdout
    assert shown.isascii()
    chart = shown.partition("training loss, nats per token\n")[2].splitlines()
    height = {x: y for y, row in enumerate(chart) for x, sign in enumerate(row) if sign == "*"}
    assert len(height) > 50
    assert [height[x] for x in sorted(height)] == sorted(height.values())


def test_show_says_what_is_wrong_with_damaged_checkpoints(runs: Path) -> None:
    write_checkpoint(runs / "plays", 20, {"a": b"1"}, disk=QuickDisk())
    (runs / "plays" / "step-0000020" / "a").write_bytes(b"2")
    shown = invoke(runs, "runs", "show", "plays").stdout
    assert f"! the checkpoint {runs / 'plays' / 'step-0000020'} is damaged: a is not" in shown
    (runs / "plays" / "step-0000010" / "MANIFEST.json").write_text("{")
    body = json.loads(invoke(runs, "runs", "show", "plays", "--json").stdout)
    assert [Path(one["path"]).name for one in body["damaged"]] == ["step-0000010", "step-0000020"]
    assert "its MANIFEST.json" in body["damaged"][0]["why"]


def test_several_runs_are_removed_at_once_or_none(runs: Path) -> None:
    make(runs, "old")
    assert invoke(runs, "runs", "rm", "old", "nosuch", "--yes").exit_code != 0
    assert (runs / "old").is_dir()
    assert "Remove all 2?" in invoke(runs, "runs", "rm", "old", "plays").stderr
    assert invoke(runs, "runs", "rm", "old", str(runs / "plays"), "old", "--yes").exit_code == 0
    assert list(runs.iterdir()) == []


def test_a_log_that_comes_in_parts_is_watched_to_its_end(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = functools.partialmethod(EventReader.poll, max_bytes=400)
    monkeypatch.setattr(EventReader, "poll", part)
    watched = invoke(runs, "watch", "plays", "--json")
    assert watched.exception is None
    assert watched.stdout.splitlines()[-1].startswith('{"type":"end"')


def test_the_curve_is_a_picture_of_both_losses_per_character(runs: Path) -> None:
    def step(step: int) -> ev.Step:
        return ev.Step(
            step=step, loss_nats=8.0 / step, loss_min=0.0, loss_max=9.0, lr=0.1, grad_norm=1.0, steps=1, epoch=0.1,
            tokens=step, tokens_per_s=1.0, chars_per_s=1.0, progress=0.5, eta_s=None,
        )  # fmt: skip

    seen = dataclasses.replace(look(2), nats_per_token=3.0, nats_per_char=1.5)
    make(runs, "words", step(1), step(2), seen, step(4), look(4))
    done = invoke(runs, "runs", "show", "words", "--svg")
    assert done.exception is None
    picture = ElementTree.fromstring(done.stdout)
    lines = [line.get("points", "").split() for line in picture.iterfind(".//{*}polyline")]
    assert [len(points) for points in lines] == [3, 1], "what is no number is no point"
    told = [text.text for text in picture.iterfind(".//{*}text")]
    assert {"words", "training, nats/char: 1", "held-out, nats/char: 1.5"} <= set(told)
    error = invoke(runs, "runs", "show", "words", "--svg", "--csv").exception
    assert isinstance(error, UserError)


def test_curves_fill_their_plane_and_leave_out_what_is_no_number() -> None:
    falling = [(float(x), 4.0 - x / 1000) for x in range(2000)] + [(2000.0, math.nan)]
    picture = svg_curves("<a & b>", {"training": falling, "held-out": []}, unit="nats/char")
    ElementTree.fromstring(picture)
    assert "&lt;a &amp; b&gt;" in picture
    assert "training, nats/char: 2.001" in picture
    assert "held-out: none" in picture
    training = re.search(r'points="([^"]+)"', picture)
    assert training is not None
    points = [tuple(map(float, point.split(","))) for point in training[1].split()]
    assert len(points) <= MOST_POINTS
    (left, top), (right, bottom) = points[0], points[-1]
    assert left < 65
    assert right > WIDTH - RIGHT - 5
    assert top < 55
    assert bottom > HEIGHT - BOTTOM - 5
    ElementTree.fromstring(svg_curves("no step yet", {"training": []}, unit="nats/char"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("resume",), "train --from {path}@10"),
        (("runs", "show"), "leave out the @"),
        (("watch",), "leave out the @"),
        (("tui",), "leave out the @"),
    ],
)
def test_one_checkpoint_is_not_the_whole_run(words: tuple[str, ...], hint: str, runs: Path) -> None:
    error = invoke(runs, *words, "plays@10").exception
    assert isinstance(error, RunError)
    assert "plays@10 is one checkpoint" in error.message
    assert hint.format(path=runs / "plays") in error.hint


@pytest.mark.parametrize("which", ["plays@10", "plays@best"])
def test_samples_of_a_checkpoint_are_those_of_its_step(which: str, runs: Path) -> None:
    (line,) = invoke(runs, "samples", which, "--json").stdout.splitlines()
    assert json.loads(line)["step"] == 10


def test_what_to_do_next_names_a_run_that_lies_elsewhere_by_its_path(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(runs, "torn").path
    assert f"write:   rnnstudio sample {runs / 'plays'} " in invoke(runs, "watch", "plays").stderr
    monkeypatch.chdir(runs.parent)
    assert "write:   rnnstudio sample plays " in invoke(runs, "watch", "plays").stderr
    monkeypatch.setenv("RNNSTUDIO_RUNS", "others")
    error = invoke(runs, "watch", "torn").exception
    assert isinstance(error, RunError)
    assert error.hint.endswith(f"rnnstudio resume {folder}")


def test_a_record_that_somebody_wrote_otherwise_hides_no_run(runs: Path) -> None:
    odd = {"model": [], "data": 7, "corpus": {"paths": 5, "genre": []}, "training": "x"}
    RunFolder(runs / "plays").write_record(odd, disk=QuickDisk())
    make(runs, "other", END)
    assert {row["name"] for row in json.loads(invoke(runs, "runs", "list", "--json").stdout)} == {
        "plays",
        "other",
    }
    assert "plays: done" in invoke(runs, "runs", "show", "plays").stdout


def test_fewer_samples_than_none_cannot_be_shown(runs: Path) -> None:
    assert invoke(runs, "runs", "show", "plays", "--samples", "-1").exit_code == 2


def test_doctor_tells_of_a_place_that_nobody_may_look_at(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    told = invoke(tmp_path / "loop" / "runs", "doctor")
    assert told.exit_code in (0, 2)
    assert str(tmp_path / "loop") in told.stdout


def test_the_list_has_a_line_for_each_run_and_fits_a_terminal(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(runs, "a" * 60, END).write_record({"corpus": {"paths": ["new\nline" + "x" * 200]}})
    lines = invoke(runs, "runs", "list").stdout.splitlines()
    assert len(lines) == 2
    assert any(line.startswith("a" * 60) and line.endswith("␤line" + "x" * 200) for line in lines)
    monkeypatch.setattr("rnnstudio.commands.runs._columns", lambda: 80)
    lines = invoke(runs, "runs", "list").stdout.splitlines()
    assert len(lines) == 2
    assert all(cell_len(line) <= 80 for line in lines)
    assert any(line.startswith("a" * 19 + "…  done") for line in lines)
