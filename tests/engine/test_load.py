"""Checkpoints open as they were written; hostile ones are refused before anything is allocated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints.errors import CheckpointError, RunError
from checkpoints.tensors import pack
from engine.load import open_model, open_run
from engine.model import Model
from tests.engine import checkpoint, tiny

LETTERS = tiny.tokenizer()
MODEL = tiny.model(LETTERS.vocab_size)


def same(a: Model, b: Model) -> bool:
    return all(torch.equal(w, b.weights()[name]) for name, w in a.weights().items())


def test_a_checkpoint_opens_as_it_was_written(tmp_path: Path) -> None:
    files = checkpoint.files(MODEL, LETTERS, documents=True, genre="recipes")
    path = checkpoint.write(tmp_path / "soups", 120, files)
    found = open_model(path)
    assert same(found.model, MODEL)
    assert found.config == MODEL.config
    assert (found.step, found.run, found.documents, found.genre) == (120, "soups", True, "recipes")
    assert found.tokenizer.encode("abc 世").tolist() == LETTERS.encode("abc 世").tolist()
    assert not found.averaged


def test_averaged_weights_are_taken_where_there_are_any(tmp_path: Path) -> None:
    average = tiny.model(LETTERS.vocab_size, seed=9)
    files = {**checkpoint.files(MODEL, LETTERS), "ema.safetensors": pack(average.weights())}
    found = open_model(checkpoint.write(tmp_path, 1, files))
    assert found.averaged
    assert same(found.model, average)


def test_a_run_means_its_best_checkpoint_and_forgives(tmp_path: Path) -> None:
    models = {step: tiny.model(LETTERS.vocab_size, seed=step) for step in (10, 20, 30)}
    losses = {10: 2.0, 20: 1.5, 30: 1.8}
    paths = {
        step: checkpoint.write(
            tmp_path / "plays", step, checkpoint.files(m, LETTERS), nats_per_char=losses[step]
        )
        for step, m in models.items()
    }
    for text, step in {
        "plays": 20,
        "plays@best": 20,
        "plays@last": 30,
        "plays@10": 10,
        "pla": 20,
        str(tmp_path / "plays"): 20,
        str(paths[10]): 10,
        "": 20,
    }.items():
        assert open_run(text, tmp_path).step == step
    with pytest.raises(RunError) as caught:
        open_run("playz", tmp_path)
    assert "did you mean plays" in caught.value.hint


def test_a_damaged_best_gives_way_to_the_newest_whole_one(tmp_path: Path) -> None:
    paths = [
        checkpoint.write(
            tmp_path / "plays", step, checkpoint.files(MODEL, LETTERS), nats_per_char=1.0 + step
        )
        for step in (1, 2, 3)
    ]
    weights = paths[0] / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 4
    weights.write_bytes(data)
    notes: list[str] = []
    assert open_run("plays", tmp_path, note=notes.append).step == 3
    assert len(notes) == 2
    assert "sha256" in notes[0]
    assert "step-0000003" in notes[1]
    with pytest.raises(CheckpointError, match="damaged"):
        open_run("plays@best", tmp_path)
    with pytest.raises(CheckpointError, match="damaged"):
        open_run("plays@1", tmp_path)


@pytest.mark.parametrize(("measured", "text"), [(False, "plays"), (True, "plays@last")])
def test_a_damaged_newest_is_named_before_an_older_one_is_used(
    measured: bool, text: str, tmp_path: Path
) -> None:
    files, loss = checkpoint.files(MODEL, LETTERS), 2.0 if measured else None
    paths = [checkpoint.write(tmp_path / "plays", n, files, nats_per_char=loss) for n in (1, 2, 3)]
    (paths[2] / "MANIFEST.json").write_text("{")
    (paths[1] / "config.json").write_text("{")
    notes: list[str] = []
    assert open_run(text, tmp_path, note=notes.append).step == 1
    assert [str(path) in note for path, note in zip(paths[:0:-1], notes, strict=True)] == [True] * 2


def test_a_checkpoints_own_folder_opens_without_its_run(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path / "plays", 5, checkpoint.files(MODEL, LETTERS))
    (tmp_path / "plays" / "run.json").unlink()
    assert open_run(str(path), tmp_path / "nowhere").step == 5


def config(**changes: Any) -> dict[str, bytes]:
    files = checkpoint.files(MODEL, LETTERS)
    body = json.loads(files["config.json"])
    for name, value in changes.items():
        target = body["model"] if name in body["model"] else body
        if value is KeyError:
            del target[name]
        else:
            target[name] = value
    return {**files, "config.json": json.dumps(body).encode()}


HOSTILE = {
    "a hidden size of 10^9": config(hidden_size=10**9),
    "the largest legal hidden size": config(hidden_size=65_536),
    "a million layers": config(num_layers=10**6),
    "the most legal layers": config(num_layers=64),
    "a huge embedding": config(embedding_size=65_536),
    "no embedding": config(embedding_size=0),
    "NaN": config(dropout=float("nan")),
    "hidden size as text": config(hidden_size="12"),
    "hidden size as a list": config(hidden_size=[12]),
    "layers as a truth": config(num_layers=True),
    "an unknown cell": config(cell="os.system"),
    "a cell that is a path": config(cell="../../evil"),
    "a negative size": config(hidden_size=-4),
    "another vocabulary": config(vocab_size=10**12),
    "a vocabulary as text": config(vocab_size="26"),
    "a mode as text": config(document_mode="yes"),
    "no genre": config(genre=KeyError),
    "no model": config(model=KeyError),
    "a model that is a list": config(model=[]),
    "no format": config(format=KeyError),
    "another cell": config(cell="gru"),
    "layer norm without its weights": config(layer_norm=True),
    "no config": {n: d for n, d in checkpoint.files(MODEL, LETTERS).items() if n != "config.json"},
    "no weights": {
        n: d for n, d in checkpoint.files(MODEL, LETTERS).items() if n != "model.safetensors"
    },
    "no tokenizer": {
        n: d for n, d in checkpoint.files(MODEL, LETTERS).items() if n != "tokenizer.json"
    },
    "another tokenizer's data": config(data={"tokenizer": "word"}),
    "data that cannot be": config(data={"tokenizer": "char", "split": "none"}),
    "config that is a list": {**checkpoint.files(MODEL, LETTERS), "config.json": b"[]"},
    "config nested 100,000 deep": {
        **checkpoint.files(MODEL, LETTERS),
        "config.json": b"[" * 100_000 + b"]" * 100_000,
    },
    "a pickle for weights": {
        **checkpoint.files(MODEL, LETTERS),
        "model.safetensors": b"\x80\x04cos\nsystem\n(S'touch /tmp/evil'\ntR.",
    },
    "weights of another model": {
        **checkpoint.files(MODEL, LETTERS),
        "model.safetensors": pack(tiny.model(LETTERS.vocab_size, hidden=13).weights()),
    },
    "an averaged model of another shape": {
        **checkpoint.files(MODEL, LETTERS),
        "ema.safetensors": pack(tiny.model(LETTERS.vocab_size, layers=1).weights()),
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_checkpoints_are_refused_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint.write(tmp_path, 1, HOSTILE[name])
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(Model, "_allocate", lambda _: pytest.fail("memory was given to it"))
    with pytest.raises(CheckpointError) as caught:
        open_model(path)
    assert caught.value.message
    assert caught.value.hint
    assert len(caught.value.message) < 500
    assert sorted(tmp_path.rglob("*")) == before


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, 1, config(format=2))
    with pytest.raises(CheckpointError, match="format 2") as caught:
        open_model(path)
    assert "newer" in caught.value.hint


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough")])
def test_a_model_that_does_not_fit_into_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = checkpoint.write(tmp_path, 1, checkpoint.files(MODEL, LETTERS))

    def no_room(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Model, "_allocate", no_room)
    with pytest.raises(CheckpointError, match="does not fit into memory"):
        open_model(path)
