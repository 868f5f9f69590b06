"""Memory that runs out is told as a sentence with the setting to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from checkpoints.errors import ConfigError
from engine import sizes
from engine.config import ModelConfig, TrainConfig

# What torch's allocators and the system say, each in its own words and as plain RuntimeErrors.
_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
)


@contextmanager
def memory_told(model: ModelConfig, training: TrainConfig, *, vocab_size: int) -> Iterator[None]:
    """Raises ConfigError where what is done within runs out of memory."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_memory(error):
            raise
        needed = sizes.training_bytes(
            model, vocab_size=vocab_size, lanes=training.lanes, bptt=training.bptt
        )
        raise ConfigError(
            f"memory ran out: {training.lanes} lanes of {training.bptt} tokens through {model.num_layers} x "
            f"{model.hidden_size} units need about {needed / 1e6:,.0f} MB beside the program",
            hint=f"use --lanes {max(1, training.lanes // 2)}, a smaller --bptt or a smaller --hidden",
        ) from error


def is_memory(error: BaseException) -> bool:
    """Whether this error says that memory ran out, in whoever's words."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(s in text for s in _SIGNS)
