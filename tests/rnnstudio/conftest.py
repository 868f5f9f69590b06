"""Runs that are ready to write, made without training: a tiny network with strong opinions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine import checkpoint, tiny

LETTERS = tiny.tokenizer()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plays` learned one long text (checkpoints 10 and 20, the first the better), `tunes` learned documents."""
    folder = tmp_path_factory.mktemp("runs")
    for step, loss in ((10, 1.5), (20, 1.7)):
        model = tiny.model(LETTERS.vocab_size, seed=step)
        checkpoint.write(
            folder / "plays", step, checkpoint.files(model, LETTERS), nats_per_char=loss
        )
    model = tiny.model(LETTERS.vocab_size, seed=3, end_bias=3.0)
    files = checkpoint.files(model, LETTERS, documents=True, genre="recipes")
    checkpoint.write(folder / "tunes", 7, files)
    return folder
