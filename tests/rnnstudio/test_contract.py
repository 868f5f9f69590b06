"""The scripting contract: the real commands, and what they print parsed as a script would.

One training, one sample and one mistake go through a process of their own; the others run in this one.
"""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli import TINY, here, rnnstudio, verse
from tests.warm import Warm


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and a run `small` that is done."""
    folder = tmp_path_factory.mktemp("contract")
    (folder / "verse.txt").write_text(verse(), "utf-8")
    done = rnnstudio(
        "train", "verse.txt", "--name", "small", "--steps", "120", "--seed", "3", *TINY,
        "--sample-length", "40", "--json", cwd=folder,
    )  # fmt: skip
    (folder / "stdout.jsonl").write_text(done.out, "utf-8")
    return folder


def test_train_prints_exactly_the_event_log(place: Path) -> None:
    log = (place / "runs" / "small" / "events.jsonl").read_text("utf-8")
    assert (place / "stdout.jsonl").read_text("utf-8") == log


def test_the_last_event_says_how_it_ended(place: Path) -> None:
    events = [json.loads(line) for line in (place / "stdout.jsonl").read_text("utf-8").splitlines()]
    end = events[-1]
    assert end["type"] == "end"
    assert (end["step"], end["reason"]) == (120, "done")
    assert Path(place, end["run"]).samefile(place / "runs" / "small")
    for name in ("best", "last"):
        assert end[name]["bits_per_char"] == pytest.approx(end[name]["nats_per_char"] / math.log(2))
    assert {
        "start",
        "step",
        "validation",
        "checkpoint",
        "sample_begin",
        "sample_text",
        "sample_end",
    } <= {e["type"] for e in events}


def test_runs_list_and_show(place: Path) -> None:
    (row,) = json.loads(here("runs", "list", "--json", cwd=place).out)
    assert (row["name"], row["state"], row["step"]) == ("small", "done", 120)
    shown = json.loads(here("runs", "show", "small", "--json", cwd=place).out)
    assert shown["record"]["model"]["hidden_size"] == 16
    assert 120 in [c["step"] for c in shown["checkpoints"]]
    plain = here("runs", "show", "small", cwd=place).out
    assert "training loss" in plain
    looked = shown["validation"]
    assert all(0 <= look["dead_memory"] <= 1 for look in looked)
    assert f"{looked[-1]['dead_memory']:.1%}" in plain
    took = shown["seconds"]  # the last look counts too; the log has them to a tenth
    assert took["held_out"] + took["samples"] + took["checkpoints"] <= took["all"] + 0.1
    assert "\x1b" not in plain


def test_the_curve_comes_as_comma_separated_values(place: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(here("runs", "show", "small", "--csv", cwd=place).out)))
    losses = [float(r["train_nats_per_token"]) for r in rows if r["train_nats_per_token"]]
    assert losses[0] > losses[-1] > 0
    assert float(rows[-1]["valid_nats_per_char"]) > 0


def test_samples_shows_what_was_written_at_each_checkpoint(place: Path) -> None:
    found = here("samples", "small", "--temperature", "0.8", "--json", cwd=place).lines
    assert [s["step"] for s in found] == [100, 120]
    assert all(len(s["text"]) == 40 and s["figures"] for s in found)
    kept = (
        (place / "runs" / "small" / "samples" / "step-0000120.jsonl")
        .read_text("utf-8")
        .splitlines()
    )
    assert found[-1]["text"] in [json.loads(line)["text"] for line in kept]


def test_sample_gives_one_object_a_line_and_a_seed_gives_it_again(place: Path) -> None:
    flags = ("--length", "60", "--temperature", "0.7", "--prime", "The ", "--json")
    three = here("sample", "small@last", "-n", "3", "--seed", "11", *flags, cwd=place).lines
    assert [s["seed"] for s in three] == [11, 12, 13]
    for sample in three:
        assert {"text", "prime", "seed", "temperature", "step", "nats_per_char"} <= sample.keys()
        assert (len(sample["text"]), sample["prime"], sample["step"]) == (60, "The ", 120)
    (alone,) = rnnstudio("sample", "small@last", "-n", "1", "--seed", "12", *flags, cwd=place).lines
    assert alone["text"] == three[1]["text"]


def test_eval_reports_tokens_and_characters_under_a_protocol(place: Path) -> None:
    (own,) = here("eval", "small", "--json", cwd=place).lines
    assert own["bits_per_char"] == pytest.approx(own["nats_per_char"] / math.log(2))
    assert own["nats_per_token"] * own["tokens"] == pytest.approx(
        own["nats_per_char"] * own["chars"]
    )
    assert own["protocol"]
    (file,) = here("eval", "small", "verse.txt", "--json", cwd=place).lines
    assert file["chars"] == len(verse())


def test_a_finished_run_says_so_and_how_to_go_on(place: Path) -> None:
    done = here("resume", "small", cwd=place, expect=(2,))
    assert "finished" in done.err
    assert "--steps" in done.err


def test_names_forgive(place: Path) -> None:
    assert here("runs", "show", "sma", "--json", cwd=place).code == 0
    assert "did you mean small" in here("runs", "show", "smoll", cwd=place, expect=(2,)).err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "nothing-here.txt"), "nothing-here.txt"),
        (("train", "verse.txt", "--cell", "lstn"), "lstm"),
        (("train", "verse.txt", "--tokenizer", "chars"), "char"),
        (("train", "verse.txt", "--dropout", "1.5"), "dropout"),
        (("train", "verse.txt", "--temperatures", "hot"), "temperatures"),
        (("train",), "nothing to learn from"),
        (("sample", "small@77"), "77"),
        (("resume", "small", "--runs", "elsewhere"), "elsewhere"),
        (("samples", "small", "--step", "77"), "it wrote at the steps"),
        (("train", "verse.txt", "--runs", "verse.txt"), "a file stands where a folder should be"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else None,
)
def test_what_a_user_gets_wrong_is_one_sentence_and_exit_code_2(
    place: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = here(*arguments, cwd=place, expect=(2,))
    assert said in done.err
    assert done.out == ""
    assert len(done.err.strip().splitlines()) <= 6


def test_a_mistake_is_exit_code_2_for_a_real_shell_too(place: Path) -> None:
    done = rnnstudio("train", "nothing-here.txt", cwd=place, expect=(2,))
    assert "nothing-here.txt" in done.err
    assert done.out == ""


def test_text_from_standard_input_trains(tmp_path: Path) -> None:
    done = here(
        "train",
        "-",
        "--steps",
        "5",
        *TINY,
        "--sample-length",
        "0",
        "--json",
        cwd=tmp_path,
        text=verse(60),
    )
    assert done.lines[-1]["type"] == "end"
    assert (tmp_path / "runs" / "stdin").is_dir()


def test_piped_output_is_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(verse(60), "utf-8")
    done = here("train", "v.txt", "--steps", "20", *TINY, "--sample-length", "30", cwd=tmp_path)
    assert "\x1b" not in done.out + done.err
    assert "\r" not in done.out + done.err
    assert "nats/char" in done.err
    assert "rnnstudio sample v" in done.err
    assert len(done.out) > 30


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
@pytest.mark.parametrize("words", [("runs", "list"), ("sample", "small", "--length", "5")])
def test_output_that_cannot_be_written_is_a_sentence(place: Path, words: tuple[str, ...]) -> None:
    said = place / "full.txt"
    with Path("/dev/full").open("w") as full, said.open("w") as err:
        process = Warm(*words, cwd=place, stdout=full, stderr=err)
    assert process.wait() == 2
    assert "no space is left" in said.read_text("utf-8")
    assert "Traceback" not in said.read_text("utf-8")
    assert "Exception ignored" not in said.read_text("utf-8")


CLOSE = "import os, sys; os.close({number}); sys.std{name} = None\n"


@pytest.mark.parametrize("stream", [(1, "out"), (2, "err")], ids=["stdout", "stderr"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("runs", "list"), 0),
        (("sample", "small", "--length", "5"), 0),
        (("eval", "nosuch"), 2),
        (("train", "verse.txt", "--name", "closed", "--steps", "1", *TINY), 0),
    ],
)
def test_a_closed_stream_changes_nothing_else(
    place: Path, tmp_path: Path, words: tuple[str, ...], code: int, stream: tuple[int, str]
) -> None:
    number, name = stream
    said = tmp_path / "said.txt"
    with said.open("w") as other:
        files: dict[str, Any] = {"stderr" if name == "out" else "stdout": other}
        before = CLOSE.format(number=number, name=name)
        assert Warm(*words, cwd=place, before=before, **files).wait() == code
    assert "Traceback" not in said.read_text("utf-8")


def test_a_full_disk_behind_the_narration_does_not_keep_a_run_from_learning(place: Path) -> None:
    words = ("train", "verse.txt", "--name", "full", "--steps", "1", *TINY)
    with Path("/dev/full").open("w") as full:
        assert Warm(*words, cwd=place, stderr=full, stdout=full).wait() == 0
    assert json.loads((place / "runs/full/events.jsonl").read_text().splitlines()[-1])["step"] == 1


def test_only_a_whole_name_removes_a_run(place: Path) -> None:
    kept = place / "runs" / "small"
    step = next(kept.glob("step-*"))
    for name in ("smal", "small@last", str(step), str(kept / "run.json")):
        assert "whole name" in here("runs", "rm", name, "--yes", cwd=place, expect=(2,)).err
    assert "nothing was removed" in here("runs", "rm", "small", cwd=place, expect=(2,)).err
    assert kept.is_dir()


def test_a_prime_that_is_no_unicode_is_kept_with_the_samples(place: Path) -> None:
    words = ("train", "verse.txt", "--name", "odd", "--steps", "1", "--prime", "\udcff中")
    here(*words, *TINY, "--sample-length", "5", cwd=place)
    (kept,) = (place / "runs" / "odd" / "samples").glob("step-0000001.jsonl")
    assert json.loads(kept.read_text("utf-8").splitlines()[0])["prime"] == "\udcff中"


def test_more_threads_than_any_machine_gains_by_are_refused(place: Path) -> None:
    said = here("train", "verse.txt", "--threads", "99999", cwd=place, expect=(2,)).err
    assert "--threads" in said


def test_a_checkpoint_of_a_newer_version_is_named_and_passed_over(
    place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place / "runs" / "small", tmp_path / "runs" / "small", symlinks=True)
    folders = sorted((tmp_path / "runs" / "small").glob("step-*"))
    manifest = folders[-1] / "MANIFEST.json"
    body = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**body, "format": 99}))
    number = int(folders[-1].name.removeprefix("step-"))
    words = ("sample", "small", "--length", "5")
    assert "newer rnnstudio" in here(*words, cwd=tmp_path).err
    named = here("sample", f"small@{number}", "--length", "5", cwd=tmp_path, expect=(2,)).err
    assert "newer rnnstudio" in named


@pytest.mark.parametrize("told", ["", "abc", "2"])
def test_a_world_without_torchrun_is_none_or_a_sentence(place: Path, told: str) -> None:
    here("runs", "list", cwd=place, WORLD_SIZE=told)
    words = ("train", "verse.txt", "--name", f"alone{told}", "--steps", "1", *TINY)
    done = here(*words, cwd=place, expect=(2,) if told == "2" else (0,), WORLD_SIZE=told)
    assert ("torchrun" in done.err) == (told == "2")


@pytest.mark.parametrize("ends", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_an_encoding_of_two_or_four_bytes_needs_no_mark(tmp_path: Path, ends: str) -> None:
    (tmp_path / "v.txt").write_text(verse(40), ends)
    words = ("train", "v.txt", "--encoding", ends[:6], "--steps", "1", *TINY)
    here(*words, "--name", "r", cwd=tmp_path)
    assert "owl" in "".join(
        p.read_text("utf-8") for p in tmp_path.rglob("*.txt") if p.parent != tmp_path
    )
