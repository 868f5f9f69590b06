"""`rnnstudio sample --best-of`: a run that really trained, its texts ranked with reasons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkpoints.errors import UserError
from rnnstudio.cli import app
from rnnstudio.narration import Narrator
from tests.corpora.genres.samples import PLAY


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on plays."""
    folder = tmp_path_factory.mktemp("best")
    (folder / "plays.txt").write_text(PLAY * 40)
    arguments = [
        "train",
        str(folder / "plays.txt"),
        "--name",
        "plays",
        "--runs",
        str(folder / "runs"),
    ]
    arguments += [
        "--steps",
        "30",
        "--hidden",
        "32",
        "--layers",
        "1",
        "--lanes",
        "4",
        "--bptt",
        "32",
    ]
    arguments += ["--sample-length", "0", "--threads", "1", "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "runs"


def sample(run: Path, *arguments: str) -> tuple[str, str]:
    """What was written to standard output and to standard error."""
    command = ["sample", "plays", "--runs", str(run), "--length", "120", "--seed", "5", *arguments]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_the_best_come_first_with_their_figures_and_why(run: Path) -> None:
    out, err = sample(run, "--best-of", "6", "-n", "6", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert [f["place"] for f in found] == [1, 2, 3, 4, 5, 6]
    assert [f["score"] for f in found] == sorted((f["score"] for f in found), reverse=True)
    assert sorted(f["seed"] for f in found) == [5, 6, 7, 8, 9, 10]
    for f in found:
        assert {"valid", "copied", "words_known"} <= set(f["figures"])
        assert f"seed {f['seed']}: {f['why']}" in err
        alone, _ = sample(run, "--seed", str(f["seed"]), "--json")
        assert json.loads(alone)["text"] == f["text"]


def test_how_far_the_texts_are_is_told_as_they_grow(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int, int]] = []
    monkeypatch.setattr(Narrator, "written", lambda _, *numbers: told.append(numbers))
    sample(run, "--best-of", "3")
    assert {done for _, done, _ in told} == {0, 1, 2, 3}
    assert len({chars for chars, done, _ in told if not done}) > 3
    assert told[-1] == (3 * 120, 3, 3)


def test_only_the_best_is_shown_unless_more_are_asked_for(run: Path) -> None:
    best = json.loads(sample(run, "--best-of", "6", "--json")[0])
    out, err = sample(run, "--best-of", "6")
    assert best["text"].strip() in out
    assert f"  1. seed {best['seed']}" in err
    assert "  6. seed" in err
    assert "characters/s" not in err  # they come when all are written, and their speed is not known


@pytest.mark.parametrize("arguments", [["--beam", "2"], ["--raw"], ["-n", "9"]])
def test_what_does_not_go_together_is_a_sentence(run: Path, arguments: list[str]) -> None:
    with pytest.raises(UserError, match="--best-of 4"):
        sample(run, "--best-of", "4", *arguments)


def test_a_run_without_its_text_is_a_sentence(runs: Path) -> None:
    with pytest.raises(UserError, match="no training text beside it"):
        sample(runs, "--best-of", "4")
