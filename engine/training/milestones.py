"""At which steps a run validates, samples and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator

# The steps of the War-and-Peace figure in Karpathy's "The Unreasonable Effectiveness of Recurrent Neural Networks".
CLASSIC = (100, 300, 500, 700, 1200, 2000)
GROWTH = 1.2


def log_spaced() -> Iterator[int]:
    """100, 300, 500, 700, 1200, 2000, then each a fifth more than the one before, rounded to two digits."""
    yield from CLASSIC
    step = CLASSIC[-1]
    while True:
        unit = 10 ** (int(math.log10(step * GROWTH)) - 1)
        step = round(step * GROWTH / unit) * unit
        yield step


def is_milestone(step: int, *, every: int) -> bool:
    """Whether a run stops to look at itself after this step; `every` > 0 replaces the log-spaced steps."""
    if step <= 0:
        return False
    if every:
        return step % every == 0
    return next(s for s in log_spaced() if s >= step) == step
