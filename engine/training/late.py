"""No waiting for the device: a step's numbers are read while it computes the next one.

The step itself cannot wait for its verdict then, so the device decides: where loss or norm is no finite number,
weights, averages and optimizer stay as they were, and the carried state begins at zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor


def pays(device: torch.device) -> bool:
    """Whether the device computes on while Python goes on; a CPU has its numbers at once."""
    return device.type == "cuda"


def fed(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """The array on the device; from pinned memory to CUDA, so that nobody waits for the copy."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Numbers:
    """Scalars (N,) on their way from the device."""

    def __init__(self, scalars: Tensor) -> None:
        self._there: torch.cuda.Event | None = None
        self._scalars = scalars
        if scalars.device.type == "cuda":
            self._scalars = torch.empty(scalars.shape, dtype=scalars.dtype, pin_memory=True)
            self._scalars.copy_(scalars, non_blocking=True)
            # Of this copy alone: what the device was given since is not waited for.
            self._there = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._there.record()

    def read(self) -> list[float]:
        """The numbers, once they are there."""
        if self._there is not None:
            self._there.synchronize()
        return [float(number) for number in self._scalars.tolist()]


@dataclass(slots=True)
class Taken:
    """A step that was taken, the run's steps and tokens with it, and how; loss and norm may be on their way."""

    step: int
    tokens: int
    lr: float
    scale: float
    numbers: Numbers
