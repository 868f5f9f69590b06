"""`rnnstudio eval`: figures of a run's own held-out text and of other files, against the evaluator called by hand."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from checkpoints.errors import CheckpointError, ConfigError, CorpusError, RnnStudioError, RunError
from corpora.reading import read_corpus
from engine.config import DataConfig
from engine.evaluation import evaluate, score
from engine.load import LoadedModel, open_run
from engine.measure import measure_files, measure_part
from engine.tokenizers.byte import ByteTokenizer
from engine.tokens import prepare
from rnnstudio.cli import app
from rnnstudio.narration import Narrator
from tests.engine import checkpoint, tiny

LETTERS = tiny.tokenizer()


def words(n: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    return "".join(rng.choice(list(tiny.LETTERS), n))


def run(runs: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", *arguments, "--runs", str(runs)])


def figures(runs: Path, *arguments: str) -> dict[str, Any]:
    result = run(runs, *arguments, "--json")
    if result.exception is not None:
        raise result.exception
    body = json.loads(result.stdout)
    assert isinstance(body, dict)
    return body


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its own tokens, the last tenth of which is held out."""
    folder = tmp_path_factory.mktemp("trained")
    text = folder / "text.txt"
    text.write_text(words(6000), encoding="utf-8")
    corpus = read_corpus([text], folder / "cache", note=lambda _: None)
    config = DataConfig(split="nanogpt", test_fraction=0)
    files = checkpoint.files(tiny.model(LETTERS.vocab_size), LETTERS)
    checkpoint.write(folder / "plays", 10, files)
    prepare(corpus, LETTERS, config, cache=folder / "cache", run_tokens=folder / "plays" / "tokens")
    return folder


def opened(runs: Path) -> LoadedModel:
    return open_run("plays", runs)


def test_a_model_of_nan_has_no_figures(trained: Path) -> None:
    loaded = opened(trained)
    with torch.no_grad():
        next(loaded.model.parameters()).fill_(math.nan)
    with pytest.raises(CheckpointError, match="not a number"):
        measure_part(loaded, "valid")


def test_without_a_file_it_is_the_runs_own_held_out_text(trained: Path) -> None:
    held_out = words(6000)[-600:]
    loaded = opened(trained)
    expected = score(loaded.model, loaded.tokenizer, held_out, documents=False)
    found = figures(trained, "plays")
    assert found["nats_per_char"] == pytest.approx(expected.nats_per_char, rel=1e-6)
    assert found["bits_per_char"] == pytest.approx(found["nats_per_char"] / math.log(2))
    assert (found["chars"], found["tokens"], found["protocol"]) == (600, 600, "carried")
    assert found["perplexity_per_word"] == pytest.approx(expected.perplexity_per_word, rel=1e-4)
    assert (found["run"], found["step"], found["text"]) == ("plays", 10, "valid")
    assert figures(trained, "plays", "--part", "train")["chars"] == 5400


def test_any_file_can_be_measured(trained: Path, tmp_path: Path) -> None:
    text = words(700, seed=5) + "\nNever seen: Żółw 🐢\n"
    file = tmp_path / "other.txt"
    file.write_bytes(text.replace("\n", "\r\n").encode("utf-16"))
    loaded = opened(trained)
    expected = score(loaded.model, loaded.tokenizer, text, documents=False)
    found = figures(trained, "plays", str(file))
    assert found["nats_per_char"] == pytest.approx(expected.nats_per_char, rel=1e-6)
    assert (found["chars"], found["tokens"]) == (expected.chars, expected.tokens)
    assert found["chars"] < found["tokens"]


def test_how_far_a_file_is_read_is_told(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(Narrator, "progress", lambda _, *numbers: told.append(numbers))
    (tmp_path / "other.txt").write_text(words(700))
    figures(trained, "plays", str(tmp_path / "other.txt"))
    assert (700, 700) in told


def test_the_protocol_is_chosen_and_stamped(trained: Path) -> None:
    found = {
        name: figures(trained, "plays", *arguments)
        for name, arguments in {
            "carried": [],
            "carried, 4 lanes": ["--lanes", "4"],
            "windows of 256": ["--protocol", "windows"],
        }.items()
    }
    assert [f["protocol"] for f in found.values()] == list(found)
    assert len({f["nats_per_char"] for f in found.values()}) == 3


def test_documents_are_cut_and_measured_each_by_itself(runs: Path, tmp_path: Path) -> None:
    recipes = [f"MMMMM-- Recipe via Meal-Master\n\n      Title: {words(30, i)}\n" for i in range(5)]
    file = tmp_path / "recipes.txt"
    file.write_text("".join(recipes), encoding="utf-8")
    loaded = open_run("tunes", runs)
    end = loaded.tokenizer.document_end
    tokens = np.concatenate([[*loaded.tokenizer.encode(r), end] for r in recipes])
    chars = sum(map(len, recipes))
    expected = evaluate(loaded.model, tokens, chars=chars, before=[end], protocol="documents")
    found = figures(runs, "tunes", str(file))
    assert found["protocol"] == "documents"
    assert found["nats_per_char"] == pytest.approx(expected.nats_per_char, rel=1e-6)
    assert (found["chars"], found["tokens"]) == (chars, len(tokens))


def test_tunes_are_measured_as_the_run_learned_them(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "tunes.abc"
    file.write_text('X:1\nT:One\nM:4/4\nL:1/8\nK:C\n"C"CDEF "G"GABc|]\n', encoding="utf-8")
    told: list[str] = []
    learned = replace(open_run("tunes", runs), genre="abc_tunes", data=DataConfig(chords=False))
    found = measure_files(learned, [file], note=told.append)
    assert found.chars == len(re.sub('"[CG]"', "", file.read_text(encoding="utf-8")))
    assert any("no chord symbols" in text for text in told)


def test_files_that_are_no_text_are_measured_by_a_model_of_bytes_only(
    tmp_path: Path, trained: Path
) -> None:
    file = tmp_path / "data.bin"
    file.write_bytes(bytes(range(256)) * 3)
    tokenizer = ByteTokenizer()
    model = tiny.model(tokenizer.vocab_size)
    checkpoint.write(tmp_path / "runs" / "bytes", 1, checkpoint.files(model, tokenizer))
    found = figures(tmp_path / "runs", "bytes", str(file))
    assert (found["chars"], found["tokens"]) == (768, 768)
    with pytest.raises(CorpusError) as caught:
        figures(trained, "plays", str(file))
    assert "--tokenizer" not in caught.value.hint  # which eval has not
    assert "model of bytes" in caught.value.hint


def test_people_read_the_same_figures(trained: Path) -> None:
    found = figures(trained, "plays")
    text = run(trained, "plays").stdout
    assert (
        f"{found['nats_per_char']:.4f} nats/char = {found['bits_per_char']:.4f} bits/char" in text
    )
    assert "plays at step 10" in text
    assert "read carried" in text


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["plays", "--part", "vlaid"], RnnStudioError, "'vlaid'"),
        (["plays", "--protocol", "exact"], RnnStudioError, "'exact'"),
        (["nowhere", "--lanes", "-1"], ConfigError, "lanes is -1"),
        (["plays", "--protocol", "documents"], RnnStudioError, "no documents"),
        (["plays", "--part", "test"], CorpusError, "no text for test"),
        (["plays", "nowhere.txt"], CorpusError, "nowhere.txt"),
        (["plays", "nowhere.txt", "--part", "test"], ConfigError, "the run's own text"),
        (["plais"], RunError, "no run"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    trained: Path, arguments: list[str], kind: type[RnnStudioError], said: str
) -> None:
    error = run(trained, *arguments).exception
    assert isinstance(error, kind)
    assert said in error.message
    assert error.hint
    assert error.exit_code == 2


def test_a_run_whose_tokens_are_gone_says_so(runs: Path) -> None:
    with pytest.raises(RunError, match="missing or damaged"):
        figures(runs, "plays")


def test_a_checkpoint_that_was_sent_is_measured_on_files_and_says_so(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained / "plays" / "step-0000010", tmp_path / "sent")
    monkeypatch.chdir(tmp_path)
    error = run(tmp_path, "sent").exception
    assert isinstance(error, CorpusError)
    assert "sent lies in no run" in error.message
    assert error.hint == "give a file: rnnstudio eval sent FILE"
    Path("other.txt").write_text(words(700, seed=5), encoding="utf-8")
    found = figures(tmp_path, "sent", "other.txt")
    assert (found["run"], found["step"]) == ("sent", 10)


def test_from_inside_a_run_a_checkpoint_has_the_runs_text_and_name(
    trained: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained / "plays" / "step-0000010")
    found = figures(trained, ".")
    assert (found["run"], found["chars"]) == ("plays", 600)
    monkeypatch.chdir(runs / "plays")
    error = run(runs, "step-0000010").exception
    assert isinstance(error, RunError)
    assert error.hint.endswith("/plays")


def test_dynamic_evaluation_is_labelled_wherever_it_is_told(trained: Path) -> None:
    still = figures(trained, "plays")
    found = figures(trained, "plays", "--dynamic")
    assert (still["dynamic"], found["dynamic"]) == (False, True)
    assert found["protocol"] == "carried, dynamic: learns at 0.1 every 32 tokens"
    assert found["nats_per_char"] != still["nats_per_char"]
    assert figures(trained, "plays") == {
        **still,
        "seconds": pytest.approx(still["seconds"], abs=1e9),
    }
    assert "read carried, dynamic: learns" in run(trained, "plays", "--dynamic").stdout
    for flags in (["--protocol", "windows"], ["--lanes", "4"]):
        with pytest.raises(ConfigError, match="--dynamic"):
            figures(trained, "plays", "--dynamic", *flags)
