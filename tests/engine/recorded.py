"""What a CUDA graph does, on any device: it makes the same calls again, on the tensors that they were made on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

REFUSED = (
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "lift_fresh",  # torch.tensor(...): a copy from the host's own memory
    "masked_select",
    "nonzero",
    "rand",
    "repeat_interleave.Tensor",
    "unique",
    "_unique",
)


class Recorded(TorchDispatchMode):
    """The calls of some work. One that asks for a number on the host, as no graph may, is refused."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        with self:
            work()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name().removeprefix("aten::")
        assert not name.startswith(REFUSED), f"{name} needs a number on the host"
        masks = [
            i for i in tree_leaves(args[1:]) if isinstance(i, Tensor) and i.dtype == torch.bool
        ]
        assert not (name.startswith("index") and masks), f"{name} by a mask has a shape of its own"
        found = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, found))
        return found

    def replay(self) -> None:
        for func, args, kwargs, first in self.calls:
            again = func(*args, **kwargs)
            for into, new in zip(tree_leaves(first), tree_leaves(again), strict=True):
                if isinstance(into, Tensor) and into.data_ptr() != new.data_ptr():
                    into.copy_(new)
