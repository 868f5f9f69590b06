"""Layers of any number of units, for steps that want a multiple of some: those that are missing stay silent.

A unit whose weights and biases are all zero sums to zero at every step. Its candidate is 0 then, so that its output and
its memory, which begin at 0, stay there, in `rnn`, `gru` and `lstm` alike; and as no gradient reaches it, the others
learn as if it were not there.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def with_silent(weights: Weights, units: int, missing: int) -> Weights:
    """The weights of a layer with so many `missing` units more: W_x (gates * H, I), W_h (gates * H, H), both biases."""
    w_x, w_h, b_x, b_h = (w.view(-1, units, *w.shape[1:]) for w in weights)
    return (
        F.pad(w_x, (0, 0, 0, missing)).flatten(0, 1),
        F.pad(w_h, (0, missing, 0, missing)).flatten(0, 1),
        F.pad(b_x, (0, missing)).flatten(),
        F.pad(b_h, (0, missing)).flatten(),
    )
