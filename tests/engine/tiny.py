"""A tiny untrained network over a few letters, strong enough in its opinions to write recognisable nonsense."""

from __future__ import annotations

import torch

from engine.config import ModelConfig
from engine.model import Model
from engine.tokenizers.char import CharTokenizer

LETTERS = "\n abcdefgh"
NIBBLES = 16


def tokenizer(letters: str = LETTERS) -> CharTokenizer:
    return CharTokenizer(letters)


def model(
    vocab_size: int,
    *,
    seed: int = 1,
    cell: str = "lstm",
    hidden: int = 12,
    layers: int = 2,
    sharpness: float = 6.0,
    end_bias: float = 0.0,
    grams: int = 0,
) -> Model:
    """A model that never spells bytes: like one that has learned not to."""
    config = ModelConfig(
        cell=cell, num_layers=layers, hidden_size=hidden, embedding_size=6, grams=grams
    )
    made = Model(config, vocab_size, rng=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        if made.grams is not None:
            made.grams.weight.normal_(generator=torch.Generator().manual_seed(seed))
        assert made.output_weight is not None
        made.output_weight.mul_(sharpness)
        made.output_bias[:NIBBLES] = -60.0
        made.output_bias[-1] = end_bias
    return made
