"""Who reads a text to tell how surprising it is: the model itself, or the library that writes, by weights in int8.

Rounded so, some 10,000 tokens are by about 0.0003 nats each more or less surprising (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from checkpoints.errors import CheckpointError
from engine import carried
from engine.carried import State
from engine.cells.base import Fused
from engine.devices import cpu_has
from engine.ids import IGNORE
from engine.model import Model
from engine.sampling.compiled import Compiled, can_compile, library

Window = npt.NDArray[np.int64]
Reader = Callable[[Window, Window], float]
"""Goes on with some lanes: from inputs and targets (T, B) to the summed surprise of those targets that count."""
Begin = Callable[[State], Reader]

# Weights in int8 are for networks to which they make a difference, of so many gates times units, and for up to so many
# threads: a look's lanes are no work for more, as torch's products are.
LEAST_SUMS, MOST_THREADS = 256, 2


def exact(model: Model) -> Begin:
    """By the model, in whatever arithmetic is set."""

    def begin(state: State) -> Reader:
        @torch.inference_mode()
        def go_on(inputs: Window, targets: Window) -> float:
            nonlocal state
            logits, state = model(torch.from_numpy(inputs).to(model.device), state)  # (T, B, V)
            nats = F.cross_entropy(
                logits.flatten(0, 1).float(),
                torch.from_numpy(targets).to(model.device).flatten(),
                ignore_index=IGNORE,
                reduction="none",
            )
            return float(nats.cpu().double().sum())

        return go_on

    return begin


def rounding_pays(model: Model) -> bool:
    """Whether the model is read faster by weights in int8: by an x86 CPU without tiles."""
    cell = model.layers[0]
    if model.device.type != "cpu" or model.embedding is None or not isinstance(cell, Fused):
        return False
    if cpu_has("amx_bf16") or not cpu_has("avx2+fma3"):
        return False
    sums = cell.gates * model.config.hidden_size
    if sums < LEAST_SUMS or torch.get_num_threads() > MOST_THREADS or not can_compile(model):
        return False
    found = library()
    return found is not None and found.dots


def rounded(model: Model) -> Begin:
    """By weights in int8, for a model that `can_compile`."""
    try:
        compiled = Compiled(model, in_int8=True)
    except CheckpointError:  # a weight is no number: what is read so has no loss either
        return exact(model)

    def begin(state: State) -> Reader:
        texts = compiled.begin(carried.lanes(state))

        def go_on(inputs: Window, targets: Window) -> float:
            counted = targets.T != IGNORE
            nats = texts.read(inputs[0].tolist(), np.where(counted, targets.T, 0))
            return float(nats[counted].sum())

        return go_on

    return begin
