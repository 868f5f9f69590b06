"""A moment of real training steps on made-up text, to know how fast this machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from engine import allocator
from engine.config import ModelConfig, TrainConfig
from engine.devices import wait
from engine.model import Model
from engine.optimizers import build
from engine.precision import autocast
from engine.training.plan import Measured, working_weights

# Steps that do not count; of a slow network one has to do.
WARM_UP_STEPS = 3
WARM_UP_SECONDS = 0.15
SECONDS = 0.4
ROUNDS = 2


def measure(
    model: ModelConfig,
    training: TrainConfig,
    *,
    vocab_size: int,
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
    seconds: float = SECONDS,
) -> Measured:
    """Tokens per second of `clock` that training such a model reaches here, the optimizer included.

    It is measured for `seconds`, on CUDA without the graphs that a run may find faster (`replay`).
    """
    allocator.keep_freed()
    rng = torch.Generator().manual_seed(0)
    network = Model(model, vocab_size, rng=rng).to(device)
    optimizer = build(network, training)
    shape = (training.bptt, training.lanes)
    tokens = torch.randint(vocab_size, shape, generator=rng).to(device)
    state = network.initial_state(training.lanes)
    arithmetic = autocast(device, training.precision, model.cell, hidden_size=model.hidden_size)
    began, warming, steps = clock(), True, 0
    for step in range(100_000):
        passed = clock() - began
        if warming and (step == WARM_UP_STEPS or (step and passed >= WARM_UP_SECONDS)):
            wait(device)
            began, warming = clock(), False
        elif not warming and passed >= seconds:
            break
        with arithmetic:
            logits, _ = network(tokens, state, rng=rng)
        F.cross_entropy(logits.flatten(0, 1).float(), tokens.flatten()).backward()  # type: ignore[no-untyped-call]
        optimizer.step(lr=training.lr, turn=step)
        optimizer.zero_grad()
        wait(device)
        steps += not warming
    passed = clock() - began
    return Measured(
        tokens_per_s=steps * shape[0] * shape[1] / passed,
        weights=working_weights(model, vocab_size),
    )


def fastest(
    model: ModelConfig,
    training: TrainConfig,
    *,
    vocab_size: int,
    device: torch.device,
    threads: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
) -> tuple[int, Measured]:
    """Which of these numbers of CPU threads trains fastest here and now, and how fast; torch is left set to it.

    Two threads on two quiet cores beat one; where anything else runs they wait for each other and lose by half. All
    numbers are measured in turn, and then once more (`rounds`), so that what disturbs one moment (a window that opens)
    does not decide for hours. `seconds` are for two numbers; more share what two would take.
    """
    rounds = rounds if len(threads) > 1 else 1
    each = seconds / rounds * min(1.0, 2 / len(threads))
    best: dict[int, Measured] = {}
    for count in [*threads] * rounds:
        torch.set_num_threads(count)
        speed = measure(
            model, training, vocab_size=vocab_size, device=device, clock=clock, seconds=each
        )
        if count not in best or speed.tokens_per_s > best[count].tokens_per_s:
            best[count] = speed
    chosen = max(best, key=lambda count: best[count].tokens_per_s)
    torch.set_num_threads(chosen)
    return chosen, best[chosen]


def halvings(most: int) -> list[int]:
    """Numbers of threads to try: 8, 4, 2, 1 of 8; 6, 3, 1 of 6."""
    return [most, *halvings(most // 2)] if most > 1 else [1]
