"""A curve in bounded memory, however long the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """The measurements from `first` to `last` (both steps): their mean and extremes; NaN where none was finite."""

    first: int
    last: int
    mean: float
    low: float
    high: float
    count: int
    """Finite measurements in the mean."""
    added: int
    """Measurements in all."""

    def absorb(self, other: Bucket) -> None:
        self.last = other.last
        self.added += other.added
        if not other.count:
            return
        if not self.count:
            self.mean, self.low, self.high = other.mean, other.low, other.high
        else:
            total = self.count + other.count
            self.mean += (other.mean - self.mean) * other.count / total
            self.low = min(self.low, other.low)
            self.high = max(self.high, other.high)
        self.count += other.count


class Series:
    """Measurements over steps in at most `limit` buckets; when they are full, neighbours are merged two by two.

    So a run of 100,000 logged steps takes the memory of 2,000 and the curve keeps every extreme.
    """

    def __init__(self, limit: int = 2_000) -> None:
        self.limit = limit
        self.buckets: list[Bucket] = []
        self._span = 1

    def __len__(self) -> int:
        return len(self.buckets)

    def add(
        self, step: int, mean: float, low: float | None = None, high: float | None = None
    ) -> None:
        """One more measurement; `low` and `high` where it stands for several. A non-finite one is a gap."""
        if math.isfinite(mean):
            low = mean if low is None or not math.isfinite(low) else low
            high = mean if high is None or not math.isfinite(high) else high
            new = Bucket(step, step, mean, low, high, 1, 1)
        else:
            new = Bucket(step, step, math.nan, math.nan, math.nan, 0, 1)
        buckets = self.buckets
        if buckets and buckets[-1].added < self._span:
            buckets[-1].absorb(new)
            return
        if len(buckets) >= self.limit:
            for left, right in zip(buckets[::2], buckets[1::2], strict=False):
                left.absorb(right)
            self.buckets = buckets = buckets[::2]
            self._span *= 2
        buckets.append(new)

    def rewind(self, step: int) -> None:
        """Forget what was measured after `step` (the run was resumed from there)."""
        while self.buckets and self.buckets[-1].first > step:
            self.buckets.pop()
        if self.buckets and self.buckets[-1].last > step:
            self.buckets[-1].last = step

    def points(self) -> list[tuple[float, float, float, float]]:
        """(step, low, mean, high) per bucket, at the bucket's last step."""
        return [(b.last, b.low, b.mean, b.high) for b in self.buckets]


def smoothing(points: Sequence[object]) -> float:
    """The weight with which a curve is smoothed: none where there are few points."""
    return 0.9 if len(points) > 60 else 0.0


def smooth(
    points: list[tuple[float, float, float, float]], weight: float
) -> list[tuple[float, float, float, float]]:
    """An exponential running mean of the means (0: none, towards 1: flat), corrected for its start; gaps stay gaps."""
    if weight <= 0:
        return points
    total = norm = 0.0
    out = []
    for x, low, mean, high in points:
        if math.isfinite(mean):
            total = weight * total + (1 - weight) * mean
            norm = weight * norm + (1 - weight)
            out.append((x, low, total / norm, high))
        else:
            out.append((x, low, mean, high))
    return out


BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: list[float], width: int) -> str:
    """The values in `width` characters, lowest to highest; a space where nothing finite was."""
    if not values or width < 1:
        return ""
    columns = min(width, len(values))
    means: list[float | None] = []
    for i in range(columns):
        part = values[i * len(values) // columns : (i + 1) * len(values) // columns]
        finite = [v for v in part if math.isfinite(v)]
        means.append(sum(finite) / len(finite) if finite else None)
    known = [v for v in means if v is not None]
    if not known:
        return " " * columns
    low, high = min(known), max(known)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if v is None else BARS[round((v - low) * scale)] for v in means)
