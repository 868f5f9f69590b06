"""What a model's products are computed in, and where that is chosen for the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch

from checkpoints.errors import ConfigError
from engine.devices import has_bf16, has_fp16
from engine.windows import compiled

# Units from which a layer learns faster in bf16 on a CPU that has it, where its windows are not compiled (float32's
# time over bf16's, 16 lanes of 64, one Zen 4 core: lstm 1.5 at 256; gru 0.9 at 128, 1.25 at 256; rnn 1.0 at 256, 1.4
# at 384). Compiled they are faster at every width (a Xeon with tiles: 64 units 1.4 to 3.2, 256 units 3.1 to 4.7).
BF16_FROM: Mapping[str, int] = {"lstm": 0, "gru": 256, "rnn": 384}


def arithmetic(device: torch.device, precision: str, cell: str, *, hidden_size: int) -> torch.dtype:
    """What to compute layers of so many units in: what was asked for, or what `auto` finds faster than float32.

    On a CPU that is bf16, where it has units for that, and the windows are compiled or wide enough to make up for the
    casts. On CUDA it is fp16 for the cells of cuDNN, whose persistent kernels take nothing else, and bf16 for others.
    Raises ConfigError where the device cannot compute so.
    """
    if precision == "fp16":
        if device.type == "cpu" and cell == "lstm":
            raise ConfigError(
                "there is no fp16 kernel for an lstm on the CPU",
                hint="use --precision auto; a run that has begun goes on so as a new one: train --from RUN",
            )
        return torch.float16
    if precision == "bf16":
        return torch.bfloat16
    if precision == "auto" and cell in BF16_FROM and has_fp16(device):
        return torch.float16
    if precision != "auto" or not has_bf16(device):
        return torch.float32
    pays = device.type != "cpu" or _pays_on_cpu(cell, hidden_size)
    return torch.bfloat16 if pays else torch.float32


def told(device: torch.device, precision: str, cell: str, *, hidden_size: int) -> str:
    """What layers of so many units are computed in, and on a CPU by whose kernels, for a person."""
    chosen = arithmetic(device, precision, cell, hidden_size=hidden_size)
    named = {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(chosen, "float32")
    if _may_be_compiled(device, chosen, cell):
        return f"{named}, kernels {compiled.why(cell, hidden_size, chosen)}"
    return named


def own_kernels(
    device: torch.device, precision: str, cell: str, *, hidden_size: int
) -> compiled.Library | None:
    """The library that computes layers of so many units, if it is not torch that does."""
    chosen = arithmetic(device, precision, cell, hidden_size=hidden_size)
    may = _may_be_compiled(device, chosen, cell)
    return compiled.serves(cell, hidden_size, chosen) if may else None


def autocast(
    device: torch.device, precision: str, cell: str, *, hidden_size: int
) -> AbstractContextManager[object]:
    """The context to compute in that `arithmetic`."""
    dtype = arithmetic(device, precision, cell, hidden_size=hidden_size)
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def _may_be_compiled(device: torch.device, products: torch.dtype, cell: str) -> bool:
    return device.type == "cpu" and cell in compiled.LEAST.get(products, ())


def _pays_on_cpu(cell: str, hidden_size: int) -> bool:
    least = BF16_FROM.get(cell, math.inf)
    return hidden_size >= least or (
        math.isfinite(least) and compiled.serves(cell, hidden_size, torch.bfloat16) is not None
    )
