"""fp16 knows nothing below 6e-8 and nothing above 65,504: the loss is scaled up before the backward pass, so that small
gradients are not lost, by as much as large ones bear (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2).
"""

from __future__ import annotations

import math

import torch

from engine.training.state import TrainerState

FIRST = 2.0**16
MOST = 2.0**24
PATIENCE_STEPS = 2000
"""Good steps before twice the scale is tried."""


def first(arithmetic: torch.dtype) -> float:
    """The scale that a run begins with; 1, which changes nothing, for all but fp16."""
    return FIRST if arithmetic == torch.float16 else 1.0


def go_on(state: TrainerState, arithmetic: torch.dtype) -> None:
    """Begin anew where a run goes on in fp16 that was in something else, or the other way about."""
    if (state.loss_scale == 1) == (arithmetic == torch.float16):
        state.loss_scale, state.scaled_steps = first(arithmetic), 0


def overflowed(state: TrainerState, *, scale: float, loss: float, grad_norm: float) -> bool:
    """Whether a step at `scale` failed by its scale alone, which is then halved.

    A step whose verdict comes late may have failed at a scale that is given up already.
    """
    if scale <= 1 or not math.isfinite(loss) or math.isfinite(grad_norm):
        return False
    if state.loss_scale == scale:
        state.loss_scale, state.scaled_steps = scale / 2, 0
    return True


def went_well(state: TrainerState) -> None:
    """Count a step that was applied; from time to time the scale grows."""
    if state.loss_scale == 1:
        return
    state.scaled_steps += 1
    if state.scaled_steps >= PATIENCE_STEPS:
        state.loss_scale, state.scaled_steps = min(MOST, 2 * state.loss_scale), 0
