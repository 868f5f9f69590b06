"""A curve in plain characters, for pipes and screen readers; the studio draws its own in braille."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ascii_curve(points: Sequence[tuple[float, float]], *, width: int = 60, height: int = 10) -> str:
    """Points (x, y) as a chart of `height` lines: each column shows the mean of the finite values that fall in it."""
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not finite:
        return "  (nothing to show)"
    first, last = finite[0][0], finite[-1][0]
    columns: list[list[float]] = [[] for _ in range(width)]
    for x, y in finite:
        place = 0.0 if last == first else (x - first) / (last - first)
        columns[min(width - 1, int(place * width))].append(y)
    means = [sum(c) / len(c) if c else None for c in columns]
    values = [m for m in means if m is not None]
    low, high = min(values), max(values)
    span = high - low or 1.0
    rows = [[" "] * width for _ in range(height)]
    for column, mean in enumerate(means):
        if mean is not None:
            rows[height - 1 - round((mean - low) / span * (height - 1))][column] = "*"
    lines = []
    for i, row in enumerate(rows):
        label = high if i == 0 else low if i == height - 1 else None
        lines.append(f"{'' if label is None else f'{label:.3f}':>9} |{''.join(row).rstrip()}")
    lines.append(f"{'':>9} +{'-' * width}")
    lines.append(f"{'':>11}{first:<,.0f}{'step':^{max(4, width - 24)}}{last:>,.0f}")
    return "\n".join(lines)
