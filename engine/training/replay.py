"""Windows of cells that CUDA has no kernel for, replayed as graphs: two launches instead of hundreds.

Whether that is faster each run measures when it begins. A layer that cannot be captured, and windows without gradients
(looks), go plainly.
"""

from __future__ import annotations

import gc
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from engine.cells.base import Cell, Fused, LayerState
from engine.devices import wait
from engine.model import Model

ROUNDS = 5


def pays(device: torch.device) -> bool:
    """Whether the device has graphs at all."""
    return device.type == "cuda"


def adopt(model: Model, *, lanes: int, bptt: int, dtype: torch.dtype) -> int:
    """Let those layers be replayed that are faster so, for windows (bptt, lanes) computed in `dtype`; how many."""
    cells = [cell for cell in model.layers if not isinstance(cell, Fused)]
    if not cells:
        return 0
    adopted, failed = 0, False
    caller = torch.cuda.current_stream() if model.device.type == "cuda" else None
    # A graph's gradients are handed on from the stream that it was captured in; torch orders that, and warns of it.
    quiet = getattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch", None)
    if quiet is not None:  # since torch 2.10
        quiet(False)
    for cell, x in _inputs(model, cells, lanes=lanes, bptt=bptt, dtype=dtype).items():
        state = cell.initial_state(lanes, device=model.device, dtype=model.output_bias.dtype)
        try:
            window: Any = torch.cuda.make_graphed_callables(_Flat(cell, dtype), (x, *state))
            faster = _seconds(window, x, state) < _seconds(_Flat(cell, dtype), x, state)
        except RuntimeError:
            failed = True
            if caller is not None:  # a capture that fails leaves its own stream behind
                torch.cuda.set_stream(caller)
            break
        if faster:
            cell.forward = _Replayed(cell, window, x)  # type: ignore[method-assign]
            adopted += 1
    # A window that was not taken holds itself and its memory.
    gc.collect()
    if model.device.type == "cuda" and not failed:  # torch takes a failed capture for one under way
        torch.cuda.empty_cache()
    return adopted


class _Flat(nn.Module):
    """A cell whose arguments and results are tensors alone, computed in `dtype`."""

    def __init__(self, cell: Cell, dtype: torch.dtype) -> None:
        super().__init__()
        self.cell = cell
        self._dtype = dtype

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        # Here, and not around the capture: backward is no part of it, as in training.
        with _in(self._dtype, x.device):
            out, after = self.cell(x, state)
        return (out, *after)


class _Replayed:
    """A cell's `forward` that replays windows like `x`."""

    def __init__(self, cell: Cell, window: nn.Module, x: Tensor) -> None:
        self._plain = cell.forward
        self._window = window
        self._like = x.shape, x.dtype, x.requires_grad

    def __call__(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        if torch.is_grad_enabled() and (x.shape, x.dtype, x.requires_grad) == self._like:
            out, *after = self._window(x, *state)
            return out, tuple(after)
        return self._plain(x, state)


def _in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Autocast for a graph: a cast that was kept would be of the weights as they were."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype, cache_enabled=False)


def _inputs(
    model: Model, cells: list[Cell], *, lanes: int, bptt: int, dtype: torch.dtype
) -> dict[Cell, Tensor]:
    """What each cell reads in a window of the model, without the history that made it."""
    seen: dict[Cell, Tensor] = {}

    def look(cell: nn.Module, arguments: tuple[Tensor, LayerState]) -> None:
        assert isinstance(cell, Cell)
        x = arguments[0]
        seen[cell] = x.detach().clone().requires_grad_(x.requires_grad)

    hooks = [cell.register_forward_pre_hook(look) for cell in cells]
    tokens = torch.zeros(bptt, lanes, dtype=torch.int64, device=model.device)
    with _in(dtype, model.device):
        model(tokens, model.initial_state(lanes))
    for hook in hooks:
        hook.remove()
    return seen


def _seconds(window: nn.Module, x: Tensor, state: LayerState) -> float:
    """Of ROUNDS windows, forward and back."""
    wanted = [tensor for tensor in (*window.parameters(), x) if tensor.requires_grad]
    began = 0.0
    for i in range(ROUNDS + 1):
        if i == 1:  # the first one does not count
            wait(x.device)
            began = time.perf_counter()
        out, *_ = window(x, *state)
        torch.autograd.grad(out.float().sum(), wanted)
    wait(x.device)
    return time.perf_counter() - began
