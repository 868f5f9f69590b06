"""Whole windows of `rnn`, `gru` and `lstm` on the CPU, backward written out.

torch has no kernel there for `rnn` and `gru`: it runs a dozen small functions a step, and as many back. Here a step
takes two forward and two back (rnn), five and three (gru), eight and five (lstm), and the weights' gradients are one
product for the whole window. The equations stand in the cells' `step`.

Inputs in bf16 have the products computed in bf16 and all else in the weights' own precision. `compiled` does the steps
where it can be had; otherwise torch's own kernel for lstm is faster, but where layers are wide and in bf16.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.devices import has_bf16
from engine.inputs import Inputs
from engine.windows import compiled
from engine.windows.gru import GRUWindow
from engine.windows.lstm import LSTMWindow
from engine.windows.products import LAYS_OUT, library_for
from engine.windows.rnn import RNNWindow
from engine.windows.silent import Weights, with_silent

# Units from which an LSTM's window that is not compiled is faster in bf16 than by torch's kernel, for one thread and
# for more (its time over ours, 16 lanes of 64: one thread 0.8 at 320, 1.1 at 384, 1.4 at 512, 1.9 at 1024; two 0.7 at
# 384, 1.1 at 512: the functions between the products are too small to be shared out).
WIDE, WIDE_SHARED = 384, 512
# How often a token of the vocabulary occurs on average in a window of a block of lanes, at least, where tokens are
# looked up: an lstm of 256 in bf16 takes 0.94 of the time so at 4, 1.07 at 2, 1.33 at 1.
OFTEN = 4


def pay(x: Tensor) -> bool:
    """Whether windows of rnn and gru are faster here than by torch: on the CPU, but where bf16 is slow."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return x.device.type == "cpu"
    return LAYS_OUT and torch.get_autocast_dtype("cpu") == torch.bfloat16 and has_bf16(x.device)


def pay_for_lstm(x: Tensor, hidden_size: int) -> bool:
    """Whether a window of so many units is faster here than by torch's: to learn, if compiled or wide and in bf16.

    Forward alone torch's takes half the time of a compiled one of 256 units, which keeps what backward needs.
    """
    if not (pay(x) and torch.is_grad_enabled()):
        return False
    halved = torch.is_autocast_enabled("cpu")
    least = WIDE if torch.get_num_threads() == 1 else WIDE_SHARED
    products = torch.bfloat16 if halved else x.dtype
    return (halved and hidden_size >= least) or bool(compiled.serves("lstm", hidden_size, products))


def look_up(cell: str, units: int, inputs: Inputs) -> bool:
    """Whether a layer of so many units should be given its tokens: its window is compiled, and a token occurs often."""
    x = inputs.beside
    steps, lanes = x.shape[:2]
    often = OFTEN * inputs.vocab_size <= steps * min(lanes, compiled.BLOCK)
    if not (often and x.dtype == torch.float32 and pay(x)):
        return False
    if cell == "lstm" and not torch.is_grad_enabled():
        return False
    products = torch.bfloat16 if torch.is_autocast_enabled("cpu") else x.dtype
    return bool(compiled.serves(cell, units, products))


def rnn(x: Tensor | Inputs, h: Tensor, weights: Weights) -> Tensor:
    """Outputs (T, B, H) of tanh units for inputs (T, B, I) from h (B, H); weights as `Fused.weights` has them.

    What `look_up` agreed to is given with its tokens.
    """
    return _computed("rnn", RNNWindow, x, (h,), weights)  # type: ignore[no-any-return]


def gru(x: Tensor | Inputs, h: Tensor, weights: Weights) -> Tensor:
    """The same of a GRU, its gates stacked as reset, update, candidate."""
    return _computed("gru", GRUWindow, x, (h,), weights)  # type: ignore[no-any-return]


def lstm(x: Tensor | Inputs, h: Tensor, c: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """The same of an LSTM, its gates stacked as input, forget, candidate, output; and the last c (B, H)."""
    out, c = _computed("lstm", LSTMWindow, x, (h, c), weights)
    return out, c


def _computed(
    cell: str,
    window: type[torch.autograd.Function],
    x: Tensor | Inputs,
    state: tuple[Tensor, ...],
    weights: Weights,
) -> Any:
    inputs, x = (x, x.beside) if isinstance(x, Inputs) else (None, x)
    if torch.is_autocast_enabled("cpu"):
        x = x.to(torch.get_autocast_dtype("cpu"))
    units = state[0].shape[-1]
    missing = compiled.missing(cell, units, x.dtype)
    with torch.autocast("cpu", enabled=False):
        if missing:
            state = tuple(F.pad(part, (0, missing)) for part in state)
            weights = with_silent(weights, units, missing)
        w_x, w_h, b_x, b_h = weights
        # Only the candidate of a GRU has its biases apart.
        b, apart = (b_x, (b_h,)) if cell == "gru" else (b_x + b_h, ())
        tokens, table = None, b.unsqueeze(0)
        if inputs is not None and library_for(x, w_h, *state):
            tokens = inputs.tokens.long().contiguous()
            table, w_x = inputs.table(w_x, b)
        elif inputs is not None:
            x = inputs.dense().to(x.dtype)
        found = window.apply(x, tokens, table, *state, w_x, w_h, *apart)  # type: ignore[no-untyped-call]
    if not missing:
        return found
    cut = [part[..., :units] for part in (found if isinstance(found, tuple) else (found,))]
    return tuple(cut) if len(cut) > 1 else cut[0]
