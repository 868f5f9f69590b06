"""The Python API on a run that the tests build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints.errors import ConfigError, CorpusError, RunError
from engine.evaluation import score
from engine.load import open_run
from rnnstudio import api


def test_a_loaded_run_writes_and_scores(runs: Path) -> None:
    plays = api.load("plays", runs=runs)
    assert (plays.run, plays.step, plays.genre) == ("plays", 10, "prose")
    first, second = plays.sample("abc", length=60, seed=4, n=2, temperature=1.0)
    assert (first.seed, second.seed, first.prime, first.step) == (4, 5, "abc", 10)
    assert len(first.text) == 60
    assert plays.sample("abc", length=60, seed=5, temperature=1.0) == [second]
    measured = plays.score(first.text, prime="abc")
    assert measured.nats_per_char == pytest.approx(first.nats_per_char, rel=1e-5)
    loaded = open_run("plays", runs)
    expected = score(loaded.model, loaded.tokenizer, "bad head", documents=False)
    found = plays.score("bad head")
    assert found.nats_per_token == pytest.approx(expected.nats_per_token)
    assert (found.chars, found.tokens) == (8, 8)


def test_a_damaged_checkpoint_is_warned_of(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "plays", tmp_path / "plays")
    (tmp_path / "plays" / "step-0000010" / "config.json").write_text("{")
    with pytest.warns(UserWarning, match="step-0000010 is damaged") as warned:
        assert api.load("plays", runs=tmp_path).step == 20
    assert [warning.filename for warning in warned] == [__file__]


def test_a_random_seed_is_stamped(runs: Path) -> None:
    plays = api.load(runs / "plays", runs=runs)
    (one,), (other,) = plays.sample(length=80), plays.sample(length=80)
    assert one.text != other.text
    assert plays.sample(length=80, seed=one.seed) == [one]


def test_a_document_ends_by_itself(runs: Path) -> None:
    tunes = api.load("tunes", runs=runs)
    assert all(len(s.text) < 1000 for s in tunes.sample(length=0, seed=1, n=5))


def test_mistakes_raise_what_the_command_line_says(runs: Path) -> None:
    plays = api.load("plays", runs=runs)
    with pytest.raises(ConfigError, match="temperature"):
        plays.sample(temperature=-1)
    with pytest.raises(ConfigError, match="never ends"):
        plays.sample(length=0)
    with pytest.raises(ConfigError, match="length is -3"):
        plays.sample(length=-3)
    with pytest.raises(CorpusError):
        plays.score("")
    with pytest.raises(RunError):
        api.load("nowhere", runs=runs)


def test_importing_the_api_loads_nothing_heavy() -> None:
    code = "import sys, rnnstudio.api; print({'torch', 'numpy', 'typer'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "set()"
