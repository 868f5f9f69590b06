"""Every tokenizer and every cell writes, streams, measures and comes back from a checkpoint."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from engine import cells, tokenizers
from engine.config import ModelConfig, SampleConfig
from engine.evaluation import score
from engine.load import open_model
from engine.model import Model
from engine.sampling.beam import write_likeliest
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request
from engine.tokenizers.base import Tokenizer
from tests.engine import checkpoint

TEXT = (
    "The miller's wheel turned all night, and nobody slept. Straße, naïve, 12 cups;\n"
    "  what do you want with a mill?\n\n"
) * 40


@functools.cache
def learned(name: str) -> Tokenizer:
    return tokenizers.find(name).learn([TEXT])


def untrained(tokenizer: Tokenizer, cell: str, *, embedding: int = 8) -> Model:
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=10, embedding_size=embedding)
    return Model(config, tokenizer.vocab_size, rng=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("name", tokenizers.names())
def test_an_untrained_model_writes_whatever_its_tokens_are(name: str, documents: bool) -> None:
    tokenizer = learned(name)
    sampler = Sampler(untrained(tokenizer, "lstm"), tokenizer, documents=documents)
    requests = Request(
        seed=1, prime="The мельник 🎵", length=150, config=SampleConfig(temperature=1.0)
    ).copies(4)
    texts = [""] * 4
    samples = []
    for item in sampler.stream(requests, side_by_side=True):
        if isinstance(item, Piece):
            texts[item.index] += item.text
        else:
            samples.append(item)
    assert texts == [s.text for s in sorted(samples, key=lambda s: s.index)]
    for sample in samples:
        assert sample.chars == len(sample.text) <= 150
        assert sample.reason == ("document end" if sample.chars < 150 else "length")
    found = score(sampler.model, tokenizer, TEXT[:300], documents=documents)
    assert (found.chars, found.tokens) == (300, len(tokenizer.encode(TEXT[:300])))
    (likeliest, *_) = write_likeliest(
        sampler.model, tokenizer, requests[0], width=2, documents=documents
    )
    assert likeliest.chars <= 150


@pytest.mark.parametrize("embedding", [0, 8])
@pytest.mark.parametrize("cell", cells.names())
def test_every_cell_writes_the_same_after_it_was_saved(
    cell: str, embedding: int, tmp_path: Path
) -> None:
    tokenizer = learned("char")
    model = untrained(tokenizer, cell, embedding=embedding)
    loaded = open_model(checkpoint.write(tmp_path, 1, checkpoint.files(model, tokenizer)))
    request = Request(seed=1, length=60)
    (before,) = Sampler(model, tokenizer, documents=False).write([request])
    (after,) = Sampler(loaded.model, loaded.tokenizer, documents=False).write([request])
    assert (before.text, before.nats) == (after.text, after.nats)
