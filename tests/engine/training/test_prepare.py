"""What a run is given where nobody chose: each optimizer's own rate and weight decay, and a recipe's as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.training.prepare import Request, prepare


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
    text = tmp_path / "text.txt"
    text.write_text("a cab had a bed and a head\n" * 400, encoding="ascii")
    request = Request(
        corpus=(str(text),),
        runs=tmp_path / "runs",
        given={"steps": 3, "hidden_size": 8, "lanes": 2, "bptt": 4, **given},
        like=like,
        device="cpu",
        threads=1,
    )
    training = prepare(request).run.record()["training"]
    assert (training["optimizer"], training["lr"], training["weight_decay"]) == expected
