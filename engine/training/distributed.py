"""Several processes, one run: data-parallel training under torchrun.

Every process holds the whole model and reads its share of the lanes; gradients are summed over all of them. Process 0
decides (budget, requests, signals), writes the run folder, and tells the others before each step. Nothing is pickled:
what passes between processes is tensors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Generator, Tensor, nn

from checkpoints.errors import ConfigError
from engine.devices import CPU

_TOLD = ("RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class World:
    """This process among those that train together; a lone process is rank 0 of 1."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @classmethod
    def join(cls, device: torch.device) -> World:
        """The world that torchrun describes in the environment (NCCL for tensors on CUDA, Gloo for all else).

        What process 0 decides before each step travels between CPUs, so that no step waits for the GPU because of it.
        """
        told = os.environ.get("WORLD_SIZE", "")
        size = int(told) if told.isdigit() else 1
        if size <= 1:
            return cls(device=device)
        if missing := [name for name in _TOLD if name not in os.environ]:
            raise ConfigError(
                f"WORLD_SIZE is {size}, but {missing[0]} is not set: this is not one of torchrun's processes",
                hint="start it by torchrun --nproc-per-node N -m rnnstudio train …, or unset WORLD_SIZE",
            )
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        if not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        return cls(rank=dist.get_rank(), size=size, device=device)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def lanes(self, total: int) -> slice:
        """Which of all lanes are this process's. Raises ConfigError if they cannot be shared out evenly."""
        if total % self.size:
            raise ConfigError(
                f"{total} lanes cannot be shared out to {self.size} processes",
                hint=f"use --lanes {max(self.size, total // self.size * self.size)}",
            )
        share = total // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def agree(self, numbers: Sequence[float]) -> list[float]:
        """Process 0's numbers, in every process."""
        if self.size == 1:
            return list(numbers)
        told = torch.tensor(list(numbers), dtype=torch.float64)
        dist.broadcast(told, src=0)
        return [float(n) for n in told.tolist()]

    def tell(self, text: str) -> str:
        """Process 0's text, in every process."""
        if self.size == 1:
            return text
        data = text.encode()
        (length,) = self.agree([len(data)])
        told = torch.zeros(int(length), dtype=torch.uint8)
        if self.leads:
            told.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(told, src=0)
        return bytes(told.tolist()).decode()

    def own_stream(self, shared: Generator) -> Generator:
        """A stream of random numbers of this process's own, from one that all processes hold and move on alike.

        A lone process draws from the shared one itself. Otherwise each would silence the same units in its own lanes,
        and a checkpoint, which keeps the shared stream alone, serves any number of processes.
        """
        if self.size == 1:
            return shared
        drawn = torch.randint(2**62, (self.size,), generator=shared)
        return Generator().manual_seed(int(drawn[self.rank]))

    def sum_gradients(self, parameters: Iterable[nn.Parameter], loss_sum: Tensor) -> Tensor:
        """Add up all processes' gradients in place; returns the sum of their `loss_sum` (a scalar tensor).

        One message for all of it, as most of them are small.
        """
        if self.size == 1:
            return loss_sum
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([loss_sum.reshape(1).float(), *(g.reshape(-1).float() for g in gradients)])
        dist.all_reduce(flat)
        at = 1
        for gradient in gradients:
            gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
            at += gradient.numel()
        return flat[0]

    def share_weights(self, model: nn.Module) -> None:
        """Give every process process 0's weights."""
        if self.size > 1:
            for weight in model.state_dict().values():
                dist.broadcast(weight, src=0)

    def gather_lanes(self, own: Tensor) -> Tensor:
        """All processes' (B/size, H) as one (B, H), in lane order."""
        if self.size == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    def leave(self) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()
