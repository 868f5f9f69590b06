"""`rnnstudio export` and `rnnstudio tune`: what a person types and what a script reads."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rnnstudio
from checkpoints.errors import ConfigError, RunError, RunStopped, UserError
from checkpoints.files import FileSystem
from corpora.abc.augmenting import Rewriting
from rnnstudio.cli import app
from tests.corpora.abc.samples import DUET, JIG, WALTZ

run = CliRunner()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.abc"
    path.write_text(f"{JIG}\n{WALTZ}\n{DUET}\nX:4\nT:Nothing here\nK:C\n")
    return path


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_file_a_tune_and_one_object_a_tune(book: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run.invoke(app, ["export", str(book), "--to", "mid,abc", "--out", str(out), "--json"])
    assert done.exit_code == 0
    found = objects(done.stdout)
    assert [tune["title"] for tune in found] == [
        "The Test Bench",
        "Ninth Rebuild Waltz",
        "Two Processes",
        "Nothing here",
    ]
    assert sorted(p.name for p in out.iterdir()) == [
        *("004-nothing-here.bad.abc", "007-the-test-bench.abc", "007-the-test-bench.mid"),
        *("008-ninth-rebuild-waltz.abc", "008-ninth-rebuild-waltz.mid"),
        *("009-two-processes.abc", "009-two-processes.mid"),
    ]
    assert found[0]["notes"] == 89
    assert found[3]["problems"] == ["not exported: there is no note in it"]


def test_standard_input_and_a_summary(tmp_path: Path) -> None:
    done = run.invoke(app, ["export", "-", "--out", str(tmp_path)], input=JIG)
    assert done.exit_code == 0
    assert done.stdout.strip() == str(tmp_path / "007-the-test-bench.mid")
    assert "1 tune exported" in done.stderr


def test_files_that_are_there_are_left_and_the_hint_says_how_not_to(tmp_path: Path) -> None:
    words = ["export", "-", "--to", "mid,abc", "--out", str(tmp_path)]
    assert run.invoke(app, words, input=JIG).exit_code == 0
    again = run.invoke(app, words, input=JIG)
    assert isinstance(again.exception, UserError)
    assert str(again.exception) == "nothing was exported: 2 files are there already"
    assert "--force" in again.exception.hint
    assert run.invoke(app, [*words, "--force"], input=JIG).exit_code == 0


def test_where_nothing_was_exported_no_folder_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "verovio", None)  # as where it is not installed
    there = tmp_path / "there"
    there.mkdir()
    for out in (tmp_path / "new", there):
        done = run.invoke(app, ["export", "-", "--to", "svg", "--out", str(out)], input=JIG)
        assert isinstance(done.exception, UserError)
        assert "above" in done.exception.hint
        assert "verovio, which is not installed" in done.stderr
    assert list(tmp_path.iterdir()) == [there], "a folder of the user's stays"


def test_a_runs_samples_are_exported(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "folk"
    (folder / "samples").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    head, _, rest = JIG.partition("T:")
    for step in (100, 200):
        line = json.dumps(
            {
                "prime": head + "T:",
                "text": rest.replace("Test Bench", f"Step {step}") + "%\u2028\x85",
            },
            ensure_ascii=False,
        )
        (folder / "samples" / f"step-{step:07d}.jsonl").write_text(line + "\n", "utf-8")
    (folder / "samples" / "step-old.jsonl").write_text("{}\n")  # somebody's copy
    out = tmp_path / "out"
    done = run.invoke(app, ["export", "folk", "--runs", str(tmp_path / "runs"), "--out", str(out)])
    assert done.exit_code == 0
    assert [p.name for p in out.iterdir()] == ["007-the-step-200.mid"]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["--to", "mp3"], ConfigError, "no format"),
        (["--instrument", "kazoo"], ConfigError, "no instrument"),
        (["--instrument", "²"], ConfigError, "no instrument"),
        (["--instrument", "1" * 5000], ConfigError, "no instrument"),
        (["--tempo", "5"], ConfigError, "--tempo"),
        (["--key", "H"], ConfigError, "names no key"),
        (["--transpose", "99"], ConfigError, "--transpose"),
        (["--meter", "6/8"], UserError, "--best-of"),
    ],
)
def test_what_cannot_be_is_said(book: Path, arguments: list[str], error: type, says: str) -> None:
    done = run.invoke(app, ["export", str(book), *arguments])
    assert isinstance(done.exception, error)
    assert says in str(done.exception) + done.exception.hint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--best-of", "-2"], "--best-of"),
        (["--best-of", "3", "--keep", "0"], "--keep"),
        (["--best-of", "3", "--keep", "-1"], "--keep"),
    ],
)
def test_numbers_of_fresh_tunes_are_checked_before_a_run_is_opened(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = run.invoke(app, ["export", "folk", "--runs", str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert f"Invalid value for '{says}'" in done.stderr


def test_a_full_disk_ends_the_export_and_is_named(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, out = FileSystem.write, tmp_path / "out"

    def full_after_one(disk: FileSystem, path: Path, data: bytes) -> None:
        if any(out.glob("*.mid")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(disk, path, data)

    monkeypatch.setattr(FileSystem, "write", full_after_one)
    done = run.invoke(app, ["export", str(book), "--out", str(out)])
    assert isinstance(done.exception, RunStopped)
    assert done.exception.exit_code == 3
    assert "no space is left on the disk" in done.exception.message
    assert "1 tune exported before" in done.exception.message
    assert "free some space" in done.exception.hint
    assert [path.name for path in out.iterdir()] == ["007-the-test-bench.mid"]


def test_no_file_no_run_no_tune(tmp_path: Path) -> None:
    for where, error in [("missing.abc", UserError), ("nosuchrun", RunError)]:
        done = run.invoke(app, ["export", where, "--runs", str(tmp_path)])
        assert isinstance(done.exception, error)
    done = run.invoke(
        app, ["export", "-", "--out", str(tmp_path)], input="Dear reader,\nno tunes today.\n"
    )
    assert isinstance(done.exception, UserError)
    assert "holds no tune" in str(done.exception)
    assert "rnnstudio train abc-tunes" in done.exception.hint


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_book_in_any_unicode_is_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "book.abc"
    path.write_text(JIG, encoding=encoding)
    done = run.invoke(app, ["export", str(path), "--out", str(tmp_path / "o"), "--json"])
    (found,) = objects(done.stdout)
    assert (found["title"], found["notes"], found["findings"]) == ("The Test Bench", 89, [])
    assert ("read as UTF-16" in done.stderr) == ("16" in encoding)


@pytest.mark.parametrize("title", ["Böhmischer Ländler", "Ó Súilleabháin", "L’été à Besançon"])
def test_an_old_books_code_page_is_guessed_and_said(title: str, tmp_path: Path) -> None:
    path = tmp_path / "book.abc"
    path.write_text(JIG.replace("The Test Bench", title), encoding="cp1252")
    done = run.invoke(app, ["export", str(path), "--out", str(tmp_path / "o"), "--json"])
    (found,) = objects(done.stdout)
    assert (found["title"], found["notes"]) == (title, 89)
    assert "read as cp1252, a guess (it is not UTF-8)" in done.stderr
    assert "--encoding" not in done.stderr


@pytest.mark.parametrize("command", ["export", "tune"])
def test_what_is_no_text_is_no_tune(command: str, tmp_path: Path) -> None:
    path = tmp_path / "noise.abc"
    path.write_bytes(random.Random(1).randbytes(60_000))
    done = run.invoke(app, [command, str(path)])
    assert isinstance(done.exception, UserError)
    assert "is not text" in str(done.exception)
    assert "--tokenizer" not in done.exception.hint


def test_a_book_in_utf_16_that_is_cut_is_read_but_for_its_end(tmp_path: Path) -> None:
    (tmp_path / "cut.abc").write_bytes(JIG.encode("utf-16")[:-1])
    done = run.invoke(app, ["export", str(tmp_path / "cut.abc"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "left out" in done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["007-the-test-bench.mid"]


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs names for open files")
def test_a_pipe_is_read_as_a_file_is() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, JIG.encode())
    os.close(theirs)
    done = run.invoke(app, ["tune", f"/dev/fd/{ours}"])  # as a shell's <(…) is
    os.close(ours)
    assert "The Test Bench" in done.stdout


def test_a_folder_of_a_books_name_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "x.abc").mkdir()
    done = run.invoke(app, ["tune", str(tmp_path / "x.abc")])
    assert isinstance(done.exception, RunError)
    assert "there is no run" in str(done.exception)


def test_too_large_a_book_is_refused_wherever_it_comes_from(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnstudio.tunes.MAX_BYTES", 20)
    for done in (run.invoke(app, ["tune", str(book)]), run.invoke(app, ["tune", "-"], input=JIG)):
        assert isinstance(done.exception, UserError)
        assert "more than" in str(done.exception)


def test_a_zero_byte_costs_no_tune(tmp_path: Path) -> None:
    path = tmp_path / "book.abc"
    path.write_bytes(10 * JIG.encode() + JIG.replace("Bench", "Ben\0ch").encode())
    done = run.invoke(app, ["export", str(path), "--out", str(tmp_path / "o"), "--json"])
    assert [tune["title"] for tune in objects(done.stdout)] == ["The Test Bench"] * 11
    assert "1 zero byte; they are left out" in done.stderr


def test_a_broken_byte_costs_no_tune(tmp_path: Path) -> None:
    path = tmp_path / "book.abc"
    path.write_bytes(JIG.replace("The Test Bench", "Tír na nÓg @").encode().replace(b"@", b"\xff"))
    done = run.invoke(app, ["export", str(path), "--out", str(tmp_path / "o"), "--json"])
    (found,) = objects(done.stdout)
    assert (found["title"], found["notes"]) == ("Tír na nÓg", 89)
    assert "FF is not UTF-8" in done.stderr


@pytest.mark.parametrize("option", [("--width", "-5"), ("--width", "11"), ("--most", "0")])
def test_nothing_to_show_cannot_be_asked_for(book: Path, option: tuple[str, str]) -> None:
    done = run.invoke(app, ["tune", str(book), *option])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert option[0] in done.stderr


def test_a_run_without_tunes_has_no_nearest_and_says_so(book: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "prose.txt"
    corpus.write_text(40 * "It was a bright cold day, and the clocks struck.\n")
    rnnstudio.train(
        corpus, runs=tmp_path / "runs", name="prose", steps=1, threads=1, hidden_size=4, num_layers=1, lanes=1,
        bptt=16, sample_length=0,
    )  # fmt: skip
    near = ["--near", "prose", "--runs", str(tmp_path / "runs")]
    done = run.invoke(app, ["tune", str(book), "-n", "7", *near])
    assert done.exit_code == 0
    assert done.stderr == "! prose learned no tunes, so none can be the nearest\n"


def test_a_tune_is_shown_with_its_report(book: Path) -> None:
    done = run.invoke(app, ["tune", str(book), "--number", "7", "--width", "80"])
    assert done.exit_code == 0
    assert "T:The Test Bench" in done.stdout
    assert "100% of the bars fill 6/8" in done.stdout
    assert "▄" in done.stdout


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    """As `| head -1` does, with more tunes than a pipe holds."""
    path = tmp_path / "long.abc"
    path.write_text(200 * f"{JIG}\n")
    words = [sys.executable, "-m", "rnnstudio", "tune", str(path), "--most", "200"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tune:
        assert tune.stdout is not None
        assert tune.stderr is not None
        assert tune.stdout.readline() == b"X:7\n"
        tune.stdout.close()
        said = tune.stderr.read()
    assert (tune.returncode, said) == (0, b"")


def test_a_tunes_report_as_json(book: Path) -> None:
    (found,) = objects(run.invoke(app, ["tune", str(book), "-n", "8", "--json"]).stdout)
    assert found["title"] == "Ninth Rebuild Waltz"
    assert found["bars_full"] == 1


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "bad.abc"
    path.write_text("X:1\nT:\x1b]0;owned\x07\nK:C\nC\x1b[2J|\n")
    for command in (["tune", str(path)], ["export", str(path), "--out", str(tmp_path)]):
        done = run.invoke(app, command)
        assert "\x1b" not in done.stdout + done.stderr


def test_playing_says_what_is_missing(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("sys.platform", "linux")
    done = run.invoke(app, ["tune", str(book), "-n", "7", "--play"])
    assert isinstance(done.exception, UserError)
    assert "aplay" in done.exception.hint


def test_the_nearest_tune_that_a_run_learned_from_is_named(tmp_path: Path) -> None:
    tokens = tmp_path / "runs" / "jigs"
    corpus = tmp_path / "corpus.abc"
    corpus.write_text(3 * (JIG + "\n") + 3 * (WALTZ + "\n"))
    learned = rnnstudio.train(
        corpus, runs=tokens.parent, name="jigs", transpose="all", steps=1, threads=1, hidden_size=4,
        num_layers=1, lanes=1, bptt=16, sample_length=0, valid_fraction=0.0, test_fraction=0.0,
    )  # fmt: skip
    assert learned == tokens
    mine = tmp_path / "mine.abc"
    mine.write_text("".join(Rewriting(transpose="F", titles=False, chords=True)(JIG, False)))
    near = ["--near", "jigs", "--runs", str(tokens.parent)]
    (found,) = objects(run.invoke(app, ["tune", str(mine), *near, "--json"]).stdout)
    assert found["nearest"] == {"title": "The Test Bench", "distance": 0}
    assert (
        "The Test Bench (100% of the contour alike, human 48%)"
        in run.invoke(app, ["tune", str(mine), *near]).stdout
    )
    (alone,) = objects(run.invoke(app, ["tune", str(mine), "--json"]).stdout)
    assert alone["nearest"] is None


def test_a_checkpoint_that_is_passed_over_is_named_with_nothing_a_terminal_obeys(
    runs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "odd\x1b[31m"
    shutil.copytree(runs / "plays", folder / "plays")
    (folder / "plays" / "step-0000010" / "config.json").write_text("{")
    words = ("export", "plays", "--runs", str(folder), "--best-of", "1", "--out", str(tmp_path))
    said = run.invoke(app, words).stderr
    assert "step-0000010 is damaged" in said
    assert "\x1b" not in said
