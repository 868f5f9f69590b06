"""`rnnstudio sample` of tunes: a header that is asked for, and bars that fill the metre."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from checkpoints.errors import ConfigError, CorpusError, UserError
from corpora.abc import read_tune
from corpora.abc.judging import judge
from engine.tokenizers.abc import AbcTokenizer
from rnnstudio.cli import app
from tests.engine import checkpoint, tiny

TUNE = "X:1\nT:Jig\nR:jig\nM:6/8\nL:1/8\nK:Ador\nA2B c3|B3 A3:|\n"
ASKED = ("--meter", "6/8", "--key", "Ador", "--rhythm", "jig")
HEADER = "X:1\nT:Jig\nR:jig\nM:6/8\nL:1/8\nK:Ador\n"


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dance` writes notes, lengths and bar lines at random."""
    folder = tmp_path_factory.mktemp("runs")
    tokenizer = AbcTokenizer.learn([TUNE] * 4)
    model = tiny.model(tokenizer.vocab_size, seed=1)
    with torch.no_grad():
        model.output_bias.fill_(-60.0)
        model.output_bias[[int(tokenizer.encode(sign)[0]) for sign in ("A", "B", "2", "|")]] = 0.0
    files = checkpoint.files(model, tokenizer, documents=True, genre="abc_tunes")
    checkpoint.write(folder / "dance", 5, files)
    return folder


def run(runs: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sample", *arguments, "--seed", "1", "--runs", str(runs)])


def line(runs: Path, *arguments: str) -> dict[str, Any]:
    result = run(runs, *arguments, "--length", "200", "--json")
    if result.exception is not None:
        raise result.exception
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def full(found: dict[str, Any]) -> float:
    """The share of its bars that fill the metre, up to its last bar line."""
    whole = found["prime"] + found["text"].rpartition("|")[0] + "|\n"
    assert whole.count("|") > 10
    return judge(read_tune(whole)).bars_full


def test_a_header_is_the_prime_and_exact_bars_fill_its_metre(tunes: Path) -> None:
    free = line(tunes, "dance", *ASKED, "--temperature", "1.0")
    exact = line(tunes, "dance", *ASKED, "--temperature", "1.0", "--bars-exact")
    assert free["prime"] == exact["prime"] == HEADER
    assert (free["bars_exact"], exact["bars_exact"]) == (False, True)
    assert full(free) < 0.6
    assert full(exact) == 1


def test_standard_error_says_what_was_on(tunes: Path) -> None:
    exact = run(tunes, "dance", *ASKED, "--bars-exact", "--length", "20")
    assert exact.stdout.startswith(HEADER)
    assert "exact bars" in exact.stderr
    assert "the header is given: X:1 T:Jig R:jig M:6/8 L:1/8 K:Ador" in exact.stderr
    free = run(tunes, "dance", "--length", "20")
    assert "exact bars" not in free.stderr
    assert "header" not in free.stderr


def test_other_kinds_of_text_have_neither_metre_nor_bars(runs: Path) -> None:
    with pytest.raises(CorpusError, match="only tunes have a metre"):
        line(runs, "plays", "--meter", "6/8")
    with pytest.raises(ConfigError, match="run plays writes prose"):
        line(runs, "plays", "--bars-exact")


def test_what_does_not_go_together_is_said(tunes: Path) -> None:
    with pytest.raises(UserError, match="so does a prime"):
        line(tunes, "dance", "--meter", "6/8", "--prime", "X:1")
    with pytest.raises(ConfigError, match="--beam searches"):
        line(tunes, "dance", "--bars-exact", "--beam", "2")
