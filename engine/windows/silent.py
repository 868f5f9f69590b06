"""Layers of any number of units, for steps that want a multiple of some: those that are missing stay silent.

The weights from and towards a silent unit are all zero: no other unit hears it, whatever it makes of that, and as its
outputs are cut off no gradient reaches it. The others learn as if it were not there.
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
