"""A stream of random numbers for each purpose, all from one seed: drawing one more here changes nothing there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from checkpoints.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Streams:
    """torch's CPU generators, for every device: a checkpoint written beside a GPU resumes without one."""

    init: Generator
    """First weights, and the rows of tokens that a fine-tuned model never had."""

    dropout: Generator
    """Which units are silenced."""

    def state(self) -> dict[str, Tensor]:
        """Where each stream stands, by its name, as bytes."""
        return {f.name: getattr(self, f.name).get_state() for f in fields(self)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave. Raises CheckpointError, having changed nothing, where it cannot be that."""
        names = [f.name for f in fields(self)]
        for name in names:
            try:
                # Tried on a generator that nobody uses: torch checks size, type and contents itself.
                Generator().set_state(state[name])
            except (KeyError, RuntimeError, TypeError):
                raise CheckpointError(
                    f"the checkpoint's random generator {name!r} is missing or damaged",
                    hint="resume from another checkpoint",
                ) from None
        for name in names:
            getattr(self, name).set_state(state[name])


def streams(seed: int) -> Streams:
    """The streams of a seed: each has its own, so they never overlap, and a new one changes no other."""
    return Streams(**{f.name: stream(seed, f.name) for f in fields(Streams)})


def stream(seed: int, name: str) -> Generator:
    """A generator whose start depends on the seed and the name alone."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def kept(
    shape: torch.Size, dropout: float, rng: Generator, *, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """A mask for dropout: 0 for that share of the numbers, and for the others what makes up for them."""
    if device.type == "cpu":
        return _kept_by_bits(shape, dropout, rng).to(dtype).mul_(1 / (1 - _rounded(dropout)))
    # One draw on the CPU stands for the masks on another device: checkpoints keep one kind of generator, and no mask
    # crosses the bus.
    own = Generator(device).manual_seed(int(torch.randint(2**62, (), generator=rng)))
    mask = torch.empty(shape, device=device).bernoulli_(1 - dropout, generator=own)
    return mask.div_(1 - dropout).to(dtype)


def _kept_by_bits(shape: torch.Size, dropout: float, rng: Generator) -> Tensor:
    """1 for what is kept, else 0: sixteen bits of chance for each, in a sixth of the time that `bernoulli_` takes."""
    count = shape.numel()
    chances = torch.empty(-(-count // 4), dtype=torch.int64)
    chances.random_(-(2**63), None, generator=rng)  # None: to the largest
    least = int(_rounded(dropout) * 2**16) - 2**15
    return chances.view(torch.int16)[:count].view(shape).ge_(least)


def _rounded(dropout: float) -> float:
    """The share to sixteen bits, below 1."""
    return min(round(dropout * 2**16), 2**16 - 1) / 2**16
