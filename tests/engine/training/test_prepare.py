"""What a run is given where nobody chose: each optimizer's own rate and weight decay, and a recipe's as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints.checkpoint import read_checkpoint
from checkpoints.tensors import unpack
from engine import devices
from engine.training import fitting, plan
from engine.training.prepare import Request, prepare
from engine.training.run import train_run


def record(
    tmp_path: Path, given: dict[str, Any], *, like: str = "", more: str = ""
) -> dict[str, Any]:
    """What `run.json` holds for a small text and these settings."""
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400 + more, encoding="utf-8")
    request = Request(
        corpus=(str(text),),
        runs=tmp_path / "runs",
        given={"steps": 3, "hidden_size": 8, "lanes": 2, "bptt": 4, **given},
        like=like,
        device="cpu",
        threads=1,
    )
    return prepare(request).run.record()


@pytest.mark.parametrize(
    ("given", "like", "expected"),
    [
        ({}, "", ("muon", 0.03, 0.1)),
        ({"lr": 0.01, "weight_decay": 0.02}, "", ("muon", 0.01, 0.02)),
        ({"optimizer": "adamw"}, "", ("adamw", 0.004, 0.01)),
        ({}, "char-rnn", ("rmsprop", 0.002, 0.0)),
        ({"weight_decay": 0.3}, "char-rnn", ("rmsprop", 0.002, 0.3)),
    ],
)
def test_rate_and_decay_are_the_optimizers_own(
    tmp_path: Path, given: dict[str, Any], like: str, expected: tuple[str, float, float]
) -> None:
    training = record(tmp_path, given, like=like)["training"]
    assert (training["optimizer"], training["lr"], training["weight_decay"]) == expected


def test_a_presets_settings_are_not_chosen_anew(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400, encoding="utf-8")
    request = Request(
        corpus=(str(text),), runs=tmp_path / "runs", preset="deep", device="cpu", threads=1
    )
    assert prepare(request).run.record()["training"]["patience"] == 12


@pytest.mark.parametrize(
    ("given", "like", "expected"),
    [
        ({}, "", (plan.GRAMS, 0.0)),
        ({"tokenizer": "byte"}, "", (plan.GRAMS, 0.0)),
        ({"steps": 3000}, "", (plan.GRAMS, 0.3)),  # 2.5 passes
        ({"steps": 0, "epochs": 6.0}, "", (plan.GRAMS, 0.5)),
        ({"steps": 0, "epochs": 9.0}, "", (0, 0.0)),
        ({"steps": 0, "epochs": 30.0}, "", (0, 0.0)),  # a short text, learned by heart
        ({"steps": 0, "epochs": 30.0, "grams": 4}, "", (4, 0.7)),
        ({"gram_dropout": 0.2}, "", (plan.GRAMS, 0.2)),
        ({"grams": 3}, "", (3, 0.0)),
        ({"grams": 0}, "", (0, 0.0)),
        ({"embedding_size": 0}, "", (0, 0.0)),
        ({}, "char-rnn", (0, 0.0)),
    ],
)
def test_characters_have_vectors_for_their_runs(
    tmp_path: Path, given: dict[str, Any], like: str, expected: tuple[int, float]
) -> None:
    model = record(tmp_path, given, like=like)["model"]
    assert (model["grams"], model["gram_dropout"]) == expected


def test_one_long_text_keeps_them_however_often_it_is_read(tmp_path: Path) -> None:
    given = {"steps": 0, "epochs": 30.0}
    model = record(tmp_path, given, more="a bed had a cab\n" * 25_000)["model"]
    assert (model["grams"], model["gram_dropout"]) == (plan.GRAMS, 0.7)


def test_many_different_tokens_have_none(tmp_path: Path) -> None:
    signs = "".join(map(chr, range(0x4E00, 0x4E00 + plan.LARGEST_ALPHABET)))
    assert record(tmp_path, {}, more=signs)["model"]["grams"] == 0


@pytest.mark.parametrize(
    ("fastest", "told"), [(1, "1 CPU thread (the fastest here)"), (2, "2 CPU threads (all usable")]
)
def test_the_number_of_threads_is_told_with_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fastest: int, told: str
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400, encoding="utf-8")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(devices, "usable_cores", lambda: 2)
    monkeypatch.setattr(fitting, "fastest", lambda *_, **__: (fastest, plan.Measured(1e4, 1000)))
    before = torch.get_num_threads()
    try:
        request = Request(
            corpus=(str(text),), runs=tmp_path / "runs", given={"minutes": 1.0}, device="cpu"
        )
        (line,) = (note for note in prepare(request).notes if note.startswith("device"))
    finally:
        torch.set_num_threads(before)
    assert told in line


def test_a_prime_is_kept_as_it_will_be_read_and_that_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400, encoding="utf-8")
    request = Request(
        corpus=(str(text),),
        runs=tmp_path / "runs",
        given={"steps": 3, "hidden_size": 8, "prime": "Á bed 世"},
        device="cpu",
        threads=1,
    )
    ready = prepare(request)
    assert ready.run.record()["training"]["prime"] == "a bed 世"
    said = "\n".join(ready.notes)
    assert "'a' for 'Á'" in said
    assert "never saw '世'" in said


def test_a_forks_average_begins_at_its_parents_weights(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400, encoding="utf-8")
    given = {"steps": 2, "hidden_size": 8, "lanes": 2, "bptt": 4, "sample_length": 0}
    runs = tmp_path / "runs"
    asked = Request(corpus=(str(text),), runs=runs, name="one", given=given, device="cpu")
    parent = prepare(asked).run
    train_run(parent)
    fork = Request(
        corpus=(str(text),),
        runs=runs,
        name="two",
        given={"steps": 2, "lanes": 2, "bptt": 4, "sample_length": 0, "ema": 0.999},
        parent="one@last",
        device="cpu",
    )
    ready = prepare(fork)
    train_run(ready.run, weights=ready.weights)
    last = unpack(read_checkpoint(parent.path / "step-0000002")["model.safetensors"])
    first = unpack(read_checkpoint(ready.run.path / "step-0000000")["ema.safetensors"])
    assert all(torch.equal(first[name], weight) for name, weight in last.items())


def test_a_name_that_could_not_be_kept_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400, encoding="utf-8")
    said = []
    for name in ("plays", "plays", "a/b"):
        request = Request(
            corpus=(str(text),),
            runs=tmp_path / "runs",
            name=name,
            given={"steps": 3, "hidden_size": 8},
            device="cpu",
        )
        said.append([note for note in prepare(request).notes if "the name" in note])
    assert said[0] == []
    assert "'plays' is taken" in said[1][0]
    assert said[1][0].endswith("the run is plays-2")
    assert said[2][0].endswith("the run is a-b")


@pytest.mark.parametrize(("first", "last", "told"), [(400, 400, True), (4, 40, False)])
def test_held_out_text_that_is_of_one_file_only_is_said(
    tmp_path: Path, first: int, last: int, told: bool
) -> None:
    for name, lines in (("a.txt", 4000), ("b.txt", first), ("c.txt", last)):
        (tmp_path / name).write_text("a cab had a bed and a head\n" * lines, encoding="utf-8")
    request = Request(
        corpus=tuple(str(tmp_path / name) for name in ("a.txt", "b.txt", "c.txt")),
        runs=tmp_path / "runs",
        given={"steps": 3, "hidden_size": 8, "valid_fraction": 0.04, "test_fraction": 0.04},
        device="cpu",
    )
    (said,) = [note for note in prepare(request).notes if note.startswith("held out")]
    assert ("c.txt, the last of 3 files" in said) == told
