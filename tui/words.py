"""Numbers as people say them: ages, durations, sizes, losses."""

from __future__ import annotations

import math

BITS = 1 / math.log(2)
"""Bits in a nat."""


def duration(seconds: float | None) -> str:
    """42s, 7m, 2h 05m, 3d 4h; a dash where it is not known."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "—"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m" if whole >= 600 else f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def age(seconds: float) -> str:
    """How long ago, in one figure: now, 42s, 7m, 2h, 3d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s" if seconds >= 1 else "now"


def size(size_bytes: float) -> str:
    """4.8 MB, 139 kB."""
    shown = number(size_bytes)
    figures = shown.rstrip("kMGT")
    return f"{figures} {shown.removeprefix(figures)}B"


def number(value: float) -> str:
    """Three figures and a unit, at most: 1.62, 18.2k, 1.3M, 2e-5."""
    if not math.isfinite(value):
        return "—"
    if value and abs(value) < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    for unit in ("", "k", "M", "G"):
        if abs(value) < 999.5:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}T"


def bits(value: float | None) -> str:
    """Bits per character with three decimals; a dash where nothing was measured."""
    return "—" if value is None or not math.isfinite(value) else f"{value:.3f}"


def share(value: float) -> str:
    """71%, and other figures as they are."""
    if not math.isfinite(value):
        return "—"
    return f"{value:.0%}" if 0 <= value <= 1 else f"{value:.3g}"
