"""Measuring the machine, and letting what the user left open fit it, the text and a budget of minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from engine.config import ModelConfig, TrainConfig
from engine.precision import arithmetic
from engine.training import plan
from engine.training.calibration import fastest, halvings, measure
from engine.training.memory import memory_told

# A wide layer computes more in a second than a narrow one, so the one that was chosen by the speed of another is
# measured as well, and chosen again; this often at most.
ROUNDS = 3
PERSISTENT = 128


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was chosen, with how many CPU threads, and why, as a sentence."""

    model: ModelConfig
    training: TrainConfig
    threads: int
    why: str


def fit(
    model: ModelConfig,
    training: TrainConfig,
    *,
    given: Mapping[str, Any],
    vocab_size: int,
    tokens: int,
    documents: bool,
    device: torch.device,
    threads: int,
    free_threads: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> Fitted:
    """What fits a budget of minutes on a text of `tokens`, all that was `given` left as it is.

    With `free_threads` fewer than `threads` may be chosen.
    """
    on_cpu = device.type == "cpu"
    tried = halvings(threads) if on_cpu and free_threads else [threads]
    speed = partial(fastest, vocab_size=vocab_size, device=device, clock=clock)
    with memory_told(model, training, vocab_size=vocab_size):
        threads, measured = speed(model, training, threads=tried)
        if not on_cpu and "lanes" not in given:
            training, measured = plan.fill_card(
                training,
                measured,
                measure=partial(measure, model, vocab_size=vocab_size, device=device, clock=clock),
                tokens=tokens,
            )
    width = model.hidden_size
    for left in reversed(range(ROUNDS)):
        chosen, laid_out, why = plan.choose(
            model,
            training,
            given=given,
            measured=measured,
            vocab_size=vocab_size,
            tokens=tokens,
            documents=documents,
            multiple=_multiple(device, training.precision, model.cell),
        )
        if chosen.hidden_size == width or not left:
            break
        width = chosen.hidden_size
        with memory_told(chosen, training, vocab_size=vocab_size):
            threads, measured = speed(chosen, training, threads=tried, rounds=1)
    alone = f"; {plan.counted(threads, 'thread')}, the fastest here" if len(tried) > 1 else ""
    return Fitted(chosen, laid_out, threads, f"chosen: {why}{alone}")


def _multiple(device: torch.device, precision: str, cell: str) -> int:
    """What inputs and units should be multiples of: torch takes cuDNN's persistent kernels in fp16 for those of 128."""
    dtype = arithmetic(device, precision, cell, hidden_size=PERSISTENT)
    return PERSISTENT if device.type == "cuda" and dtype == torch.float16 else 1
