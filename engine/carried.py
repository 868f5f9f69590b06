"""What the network carries from one window of text to the next: for each layer, tensors (B, H), one row a lane.

A network with grams carries the last tokens too, behind its layers: all zeros mean that nothing was read yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from checkpoints.errors import CheckpointError
from engine.cells.base import LayerState

State = tuple[LayerState, ...]


def reset(state: State, lanes: Tensor) -> State:
    """The state with the chosen lanes, (B,) of bool, back at zero; the state given is left as it was."""
    rows = lanes.to(state[0][0].device).unsqueeze(1)  # (B, 1)
    return tuple(tuple(part.masked_fill(rows, 0) for part in layer) for layer in state)


def zero_where(bad: Tensor, state: State) -> State:
    """The state, but zeros where `bad`, a truth value on its device, says so; nobody waits to know."""
    return tuple(tuple(part.masked_fill(bad, 0) for part in layer) for layer in state)


def detach(state: State) -> State:
    """The same numbers without their history: gradients stop here (truncated BPTT)."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)


def lanes(state: State) -> list[State]:
    """The state of each lane by itself."""
    return [
        tuple(tuple(part[lane : lane + 1] for part in layer) for layer in state)
        for lane in range(len(state[0][0]))
    ]


def pack(state: State) -> dict[str, Tensor]:
    """The state as named tensors on the CPU, as a checkpoint holds them: `layer.part`, both counted from 0."""
    return {
        f"{i}.{j}": part.detach().cpu().contiguous().clone()
        for i, layer in enumerate(state)
        for j, part in enumerate(layer)
    }


def unpack(tensors: Mapping[str, Tensor], like: State) -> State:
    """The state that `pack` named, on the device and in the arithmetic of `like`, a state of the model's.

    Raises CheckpointError where a tensor is missing or has another shape.
    """

    def part(i: int, j: int, expected: Tensor) -> Tensor:
        name = f"{i}.{j}"
        found = tensors.get(name)
        if found is None or found.shape != expected.shape:
            shape = "missing" if found is None else f"of shape {tuple(found.shape)}"
            raise CheckpointError(
                f"the carried state {name} is {shape}; this model needs {tuple(expected.shape)}",
                hint="this checkpoint belongs to another model or another number of lanes",
            )
        return found.to(device=expected.device, dtype=expected.dtype, copy=True)

    return tuple(
        tuple(part(i, j, expected) for j, expected in enumerate(layer))
        for i, layer in enumerate(like)
    )
