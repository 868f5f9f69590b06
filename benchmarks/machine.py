"""What this machine can do at best: the roofs that figures are shares of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from engine.devices import wait

Clock = Callable[[], float]
CPU = torch.device("cpu")


def interleaved(
    entrants: Mapping[str, Callable[[], object]], *, rounds: int, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each entrant, called in turn (A B A B) after one round that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in entrants}
    for counted in [False] + [True] * rounds:
        for name, work in entrants.items():
            began = clock()
            work()
            if counted:
                taken[name].append(clock() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


def product_gflops(
    size: int = 0,
    dtype: torch.dtype = torch.float32,
    *,
    clock: Clock = time.perf_counter,
    device: torch.device = CPU,
) -> float:
    """GFLOP/s of the best of ten products of two square matrices (0: large enough for the device)."""
    size = size or (1024 if device.type == "cpu" else 8192)
    a, b = (torch.randn(size, size).to(device, dtype) for _ in range(2))

    def product() -> None:
        torch.mm(a, b)
        wait(device)

    best = min(_seconds(product, clock) for _ in range(10))
    return float(2 * size**3 / best / 1e9)


def reading_gbytes(megabytes: float, *, clock: Clock = time.perf_counter) -> float:
    """GB/s of reading so many MB again and again: cache or memory, wherever they fit; the best of twenty."""
    numbers = torch.ones(int(megabytes * 1e6 / 4))
    best = min(_seconds(numbers.sum, clock) for _ in range(20))
    return float(numbers.numel() * 4 / best / 1e9)


def _seconds(work: Callable[[], object], clock: Clock) -> float:
    began = clock()
    work()
    return clock() - began
