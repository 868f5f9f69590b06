"""Which checkpoints to keep: the best, the last, and some spaced evenly in log(step)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable


def to_delete(
    steps: Iterable[int],
    *,
    keep: int,
    best: int | None = None,
    protected: Collection[int] = (),
) -> list[int]:
    """The steps whose checkpoints may go, in the order in which they are missed least.

    Never the last, the `best`, or a `protected` one; beside these, `keep` remain. Called after every save, with what
    is left from the time before, it keeps the survivors about evenly spaced in log(step): as a run learns, what
    changes is visible at 100, 200, 400, ... rather than at 10,000, 10,100, 10,200, ...
    """
    kept = sorted(set(steps))
    pinned = {*protected, *kept[-1:]} | ({best} if best is not None else set())
    deleted: list[int] = []
    while len(candidates := [i for i, step in enumerate(kept) if step not in pinned]) > keep:
        # The smallest gap that a removal would leave is the one to leave; the earliest of all bounds no gap but
        # begins the story, so it goes last.
        least = min(candidates, key=lambda i: (_gap(kept, i), -i))
        deleted.append(kept.pop(least))
    return deleted


def _gap(steps: list[int], i: int) -> float:
    """The gap in log(step) that removing `steps[i]` leaves; infinite at the beginning."""
    if i == 0:
        return math.inf
    return math.log((steps[i + 1] + 1) / (steps[i - 1] + 1))
