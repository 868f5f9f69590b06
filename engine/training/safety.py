"""Telling a bad step from a bad run: what to skip, and when to go back to the last good checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

# A loss this many nats above its running mean is no noise: 1 nat is a factor of e in perplexity.
SPIKE_NATS = 1.0
# Bad steps in a row before something is done; a single one is only skipped (or clipped).
MOST_NON_FINITE = 3
MOST_SPIKES = 25
# Roll-backs without a better validation between them, before the run gives up.
MAX_ROLLBACKS = 6
RATE_AFTER_ROLLBACK = 0.5
HORIZON = 100


class Verdict(Enum):
    """What to do with a step's gradient."""

    APPLY = "apply"
    SKIP = "skip"
    DOUBT = "doubt"
    """The loss stays up: what is held out tells whether that is the model's doing or the text's."""
    ROLL_BACK = "roll back"


@dataclass(slots=True)
class Watchdog:
    """Looks at each step's loss and gradient norm; its counts are part of what a checkpoint keeps.

    `ignorance` is the loss in nats of who knows nothing, ln of the vocabulary: a network that is worse is broken. It is
    infinite for one that begins with what it learned elsewhere.
    """

    ignorance: float
    non_finite: int = 0
    spikes: int = 0

    def judge(self, *, loss: float, grad_norm: float, average: float) -> Verdict:
        """`average` is the running mean of the loss in nats, NaN before the first step."""
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            self.non_finite += 1
            if self.non_finite < MOST_NON_FINITE:
                return Verdict.SKIP
            self.non_finite = self.spikes = 0
            return Verdict.ROLL_BACK
        self.non_finite = 0
        usual = self.ignorance if math.isnan(average) else min(average, self.ignorance)
        self.spikes = self.spikes + 1 if loss > usual + SPIKE_NATS else 0
        if self.spikes < MOST_SPIKES:
            return Verdict.APPLY
        self.spikes = 0
        return Verdict.DOUBT


def running_mean(average: float, loss: float) -> float:
    """The mean of about the last HORIZON losses; a loss that is not finite leaves it as it is."""
    if not math.isfinite(loss):
        return average
    if math.isnan(average):
        return loss
    return average + (loss - average) / HORIZON
