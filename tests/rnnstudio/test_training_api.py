"""Training from Python, and the README's example."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import rnnstudio
from checkpoints.errors import CheckpointError, ConfigError, CorpusError, RunError
from checkpoints.events import Ended, Event, Note, Started
from checkpoints.runs import RunFolder
from engine.load import open_model
from engine.measure import measure_part
from tests.cli import ROOT, verse
from tests.engine import checkpoint, tiny

SMALL = {
    "hidden_size": 12,
    "num_layers": 1,
    "embedding_size": 8,
    "lanes": 4,
    "bptt": 16,
    "sample_length": 0,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "verse.txt").write_text(verse(), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_example_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    (place / "verse.txt").rename("mine.txt")
    exec(compile(example, "README.md", "exec"), {})
    text, nats = capsys.readouterr().out.rsplit("\n", 2)[:2]
    assert len(text) == 80
    assert 0 < float(nats) < 5
    assert (place / "runs" / "mine").is_dir()


def test_events_are_heard_and_a_run_goes_on_with_more(place: Path) -> None:
    heard: list[Event] = []
    run = rnnstudio.train("verse.txt", steps=10, threads=1, hear=heard.append, **SMALL)
    assert isinstance(heard[0], Started)
    assert isinstance(heard[-1], Ended)
    assert run.samefile(place / "runs" / "verse")
    with pytest.raises(RunError, match="finished"):
        rnnstudio.resume(run)
    rnnstudio.resume("verse", steps=20, hear=heard.append)
    assert isinstance(heard[-1], Ended)
    assert heard[-1].step == 20


@pytest.mark.usefixtures("place")
def test_a_misspelt_setting_is_told() -> None:
    with pytest.raises(ConfigError, match="hiden_size") as caught:
        rnnstudio.train("verse.txt", steps=1, hiden_size=3)
    assert "hidden_size" in caught.value.hint


@pytest.mark.usefixtures("place")
def test_a_budget_of_ages_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="more than a year") as caught:
        rnnstudio.train("verse.txt", minutes=1e20)
    assert "--steps" in caught.value.hint


def test_fine_tuning_adds_characters_and_keeps_what_was_known(place: Path) -> None:
    rnnstudio.train("verse.txt", steps=60, threads=1, seed=2, **SMALL)
    before = rnnstudio.load("verse")
    (place / "other.txt").write_text(verse().replace("owl", "ÖWL§") * 2, "utf-8")
    heard: list[Event] = []
    rnnstudio.train(
        "other.txt", parent="verse", steps=1, lr=1e-9, sample_length=0, threads=1, hear=heard.append
    )
    after = rnnstudio.load("other")
    known = "The cat sang to the dog, and it was dark.\n"
    assert after.score(known).nats_per_char == pytest.approx(
        before.score(known).nats_per_char, abs=0.02
    )
    assert after.score("ÖWL§").nats_per_char < 20
    assert isinstance(heard[0], Started)
    with pytest.raises(ConfigError, match="hidden_size"):
        rnnstudio.train("other.txt", parent="verse", steps=1, hidden_size=99)


@pytest.mark.usefixtures("place")
def test_a_fork_of_the_same_corpus_needs_no_corpus_named() -> None:
    rnnstudio.train("verse.txt", steps=20, threads=1, **SMALL)
    run = rnnstudio.train(parent="verse@20", steps=5, threads=1, sample_length=0)
    assert run.name == "verse-2"
    assert rnnstudio.load(run).step == 5


def test_tunes_are_learned_in_all_keys_and_a_resumed_run_never_knows_the_difference(
    place: Path,
) -> None:
    tunes = [
        f"X:{i}\nT:Tune {i}\nM:C\nL:1/8\nK:D\nDEF{'GAB'[i % 3]} A4|d8|]\n\n" for i in range(60)
    ]
    (place / "tunes.abc").write_text("".join(tunes))
    asked = {"transpose": "all", "titles": False, "schedule": "constant", "threads": 1, **SMALL}
    whole = rnnstudio.train("tunes.abc", steps=8, name="whole", **asked)
    parted = rnnstudio.train("tunes.abc", steps=4, name="parted", **asked)
    (place / "tunes.abc").unlink()  # the run has what it needs
    rnnstudio.resume(parted, steps=8)
    for name in ("model.safetensors", "optimizer.safetensors", "state.safetensors"):
        one, two = ((run / "step-0000008" / name).read_bytes() for run in (whole, parted))
        assert one == two
    record = json.loads((whole / "run.json").read_text())
    assert (record["data"]["transpose"], record["data"]["titles"]) == ("all", False)
    (place / "tunes.abc").write_text("".join(tunes))
    child = rnnstudio.train(
        "tunes.abc", parent="whole", steps=2, name="child", threads=1, sample_length=0
    )
    assert json.loads((child / "run.json").read_text())["data"]["transpose"] == "all"
    assert rnnstudio.load("whole").sample("X:1\n", length=20, seed=1)[0].text
    with pytest.raises(CorpusError, match="only tunes are transposed"):
        rnnstudio.train("verse.txt", steps=1, transpose="all", **SMALL)


def test_a_checkpoint_that_was_sent_is_forked_as_in_its_run(place: Path) -> None:
    run = rnnstudio.train("verse.txt", steps=4, split="nanogpt", threads=1, **SMALL)
    end = RunFolder(run).summary().end
    assert end is not None
    assert end.best is not None
    assert end.best["protocol"].endswith(", nanogpt split")  # no figure that others compare with
    assert (
        measure_part(open_model(run / "step-0000004"), "valid").protocol == "carried, nanogpt split"
    )
    shutil.copytree(run / "step-0000004", place / "sent")
    own = {"steps": 2, "threads": 1, "sample_length": 0}
    from_run = rnnstudio.train("verse.txt", parent="verse@4", **own)
    for parent in ("sent", "./sent", str(place / "sent")):
        fork = rnnstudio.train("verse.txt", parent=parent, **own)
        one, two = (path / "step-0000002" / "model.safetensors" for path in (from_run, fork))
        assert one.read_bytes() == two.read_bytes()
        record = json.loads((fork / "run.json").read_text())
        assert (record["parent"], record["data"]["split"]) == ("sent@4", "nanogpt")
    with pytest.raises(CorpusError, match="nothing to learn from"):
        rnnstudio.train(parent="sent", **own)


def test_a_fork_learns_from_the_kept_text_where_the_file_is_not_to_be_found(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rnnstudio.train("verse.txt", steps=1, threads=1, **SMALL)
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    heard: list[Event] = []
    own = {"steps": 1, "threads": 1, "sample_length": 0}
    fork = rnnstudio.train(parent=str(place / "runs" / "verse"), hear=heard.append, **own)
    before = json.loads((place / "runs" / "verse" / "run.json").read_text())["corpus"]
    assert json.loads((fork / "run.json").read_text())["corpus"] == before
    said = [event.text for event in heard if isinstance(event, Note)]
    assert any("verse.txt cannot be read from here" in text for text in said)


def test_an_older_checkpoint_without_its_run_is_not_forked(place: Path) -> None:
    tokenizer = tiny.tokenizer()
    files = checkpoint.files(tiny.model(tokenizer.vocab_size), tokenizer)
    checkpoint.write(place / "old", 5, files).rename(place / "sent")
    with pytest.raises(CheckpointError, match="lies in no run and is too old") as caught:
        rnnstudio.train("verse.txt", parent="sent", steps=1)
    assert "rnnstudio sample sent" in caught.value.hint
