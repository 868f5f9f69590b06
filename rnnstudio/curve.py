"""Curves as a picture of their own, in SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tui.curve import ticks
from tui.literal import xml
from tui.words import number

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 50, 40
"""Pixels around the plane."""
MOST_POINTS = 600
"""Of a line: more than there are pixels would only make the file larger."""
STROKES = (
    'stroke="#999" stroke-width="1.2"',
    'stroke="#0072b2" stroke-width="2.5" stroke-linejoin="round"',
)
"""Told apart without colour too: by width."""


def svg_curves(title: str, lines: Mapping[str, Sequence[tuple[float, float]]], *, unit: str) -> str:
    """At most two lines of points (x, y) over steps as a picture of its own; y, in `unit`, ends where the points do."""
    finite = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in lines.items()
    }
    every = [point for points in finite.values() for point in points]
    x_low, x_high = min((x for x, _ in every), default=0), max((x for x, _ in every), default=1)
    y_low, y_high = min((y for _, y in every), default=0), max((y for _, y in every), default=1)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (x - x_low) / ((x_high - x_low) or 1)

    def down(y: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (y_high - y) / ((y_high - y_low) or 1)

    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="16">{xml(title)}</text>',
    ]
    for y in ticks(y_low, y_high, 6):
        out.append(f'<path d="M{LEFT} {down(y):.1f}H{right}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{y:.4g}</text>')
    for x in ticks(x_low, x_high, 8):
        out.append(f'<path d="M{across(x):.1f} {bottom}v5" stroke="#333"/>')
        at = f'x="{across(x):.1f}" y="{bottom + 20}"'
        out.append(f'<text {at} text-anchor="middle">{number(x)}</text>')
    out.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#333"/>')
    out.append(f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">step</text>')
    legend = LEFT
    for (name, points), stroke in zip(finite.items(), STROKES, strict=False):
        told = f"{name}, {unit}: {points[-1][1]:.4g}" if points else f"{name}: none"
        out.append(f'<path d="M{legend} 37h24" {stroke}/>')
        out.append(f'<text x="{legend + 30}" y="41">{xml(told)}</text>')
        legend += 50 + 8 * len(told)
        drawn = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in _thinned(points))
        out.append(f'<polyline points="{drawn}" fill="none" {stroke}/>')
    return "\n".join([*out, "</svg>"])


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The means of neighbours, where there are too many."""
    size = math.ceil(len(points) / MOST_POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size or 1)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]
