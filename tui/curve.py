"""Curves drawn in braille (or ASCII) characters: axes with 1-2-5 ticks, gaps, logarithmic axes, line styles, marks.

Pure: points in, rows of (text, kind) out; the widget gives each kind its colour. Lines differ by pattern as well as by
colour, so a screen without colour tells them apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tui.words import number

Point = tuple[float, float, float, float]
"""(x, low, mean, high); a non-finite mean is a gap."""

Span = tuple[str, str]
"""Text and the name of its kind: axis, label, cursor, mark, or line-0, line-1, ..."""

# Which of every PERIOD dot columns are drawn, by pattern.
PERIOD = 6
PATTERNS = {"solid": range(6), "dashed": range(4), "dotted": range(0, 6, 3), "sparse": range(1)}
ELSEWHERE = "nothing was measured in this part"
TINY = 1e-290
"""Below it nothing is drawn on a logarithmic axis: the margin under it would underflow to 0."""
ASCII_INK = {"solid": "*", "dashed": "+", "dotted": "o", "sparse": "x"}
# Unicode braille: the bit of dot (column, row) in a cell.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


@dataclass(frozen=True, slots=True)
class Line:
    """One curve. `band` draws each point's lowest to highest value, not only the mean."""

    name: str
    points: Sequence[Point]
    pattern: str = "solid"
    band: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment worth a glyph on the lower axis: a change, a checkpoint, the best."""

    x: float
    glyph: str
    kind: str = "mark"


@dataclass(frozen=True, slots=True)
class Axes:
    """How the plane is laid out."""

    log_x: bool = False
    log_y: bool = False
    x_range: tuple[float, float] | None = None
    cursor: float | None = None
    ascii_only: bool = False
    empty: str = "nothing measured yet"


@dataclass(slots=True)
class Drawing:
    """Rows of spans, `width` cells each, and where the plane lies in them."""

    rows: list[list[Span]]
    left: int = 0
    """Cells before the plane (labels and the axis)."""
    columns: int = 0
    x_range: tuple[float, float] = (0.0, 1.0)
    log_x: bool = False

    def x_at(self, column: int) -> float:
        """The x under a cell of the plane."""
        share = (column + 0.5) / max(1, self.columns)
        low, high = _to(self.x_range[0], self.log_x), _to(self.x_range[1], self.log_x)
        value = low + share * (high - low)
        return 10**value if self.log_x else value


def ticks(low: float, high: float, most: int, *, log: bool = False) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten) from low to high, at most `most` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or most < 1 or high <= low:
        return []
    if log and low > 0 and high / low > 10 ** (1 / 3):
        for mantissas in ((1, 2, 5), (1,)):
            found = [
                m * 10.0**e
                for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
                for m in mantissas
                if low <= m * 10.0**e <= high * (1 + 1e-12)
            ]
            if 2 <= len(found) <= most:
                return found
        if len(found) > most:
            return found[:: math.ceil(len(found) / most)]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    for mantissa in (1, 2, 5, 10, 20, 50):
        size = mantissa * power
        first = math.ceil(low / size - 1e-9)
        last = math.floor(high / size + 1e-9)
        if last - first + 1 <= most:
            return [i * size for i in range(first, last + 1)]
    return []


def labels(values: Sequence[float]) -> list[str]:
    """The ticks' labels: as short as they may be, and with so many figures that no two are alike."""
    texts = [number(value) for value in values]
    if len(set(texts)) < len(texts):
        apart = min(b - a for a, b in itertools.pairwise(values))
        decimals = max(0, math.ceil(-math.log10(apart) - 1e-9))
        texts = [f"{value:,.{decimals}f}" for value in values]
    return texts


def draw(
    lines: Sequence[Line],
    width: int,
    height: int,
    axes: Axes = Axes(),
    marks: Sequence[Mark] = (),
) -> Drawing:
    """The lines in `height` rows of `width` cells; the lower two rows are the axis and its labels."""
    if width < 12 or height < 4:
        return Drawing([[(" " * max(0, width), "axis")] for _ in range(max(0, height))])
    visible = [_visible(line, axes) for line in lines]
    finite = [p for points in visible for p in points if math.isfinite(p[2])]
    if not finite:
        measured = any(math.isfinite(p[2]) for line in lines for p in line.points)
        return _empty(width, height, ELSEWHERE if measured else axes.empty)
    x_low, x_high = axes.x_range or (min(p[0] for p in finite), max(p[0] for p in finite))
    if axes.log_x:
        x_low = max(x_low, 1e-9)
    if x_high <= x_low:
        x_high = x_low + max(1.0, abs(x_low) * 0.1)
    lows = [
        p[1] if line.band else p[2] for line, ps in zip(lines, visible, strict=True) for p in ps
    ]
    highs = [
        p[3] if line.band else p[2] for line, ps in zip(lines, visible, strict=True) for p in ps
    ]
    y_low = min((v for v in lows if math.isfinite(v)), default=0.0)
    y_high = max((v for v in highs if math.isfinite(v)), default=1.0)
    log_y = axes.log_y and y_low > TINY
    spread = _to(y_high, log_y) - _to(y_low, log_y)
    # A flat line gets a little room: a twentieth of its value, on a logarithmic axis a twentieth of a decade.
    margin = spread * 0.04 or (0.05 if log_y else abs(y_low) * 0.05 or 0.05)
    y_low, y_high = (
        _from(_to(y_low, log_y) - margin, log_y),
        _from(_to(y_high, log_y) + margin, log_y),
    )

    rows = height - 2
    y_ticks = {}
    values = ticks(y_low, y_high, max(2, rows // 2), log=log_y)
    for value, text in zip(values, labels(values), strict=True):
        share = (_to(value, log_y) - _to(y_low, log_y)) / (_to(y_high, log_y) - _to(y_low, log_y))
        y_ticks[rows - 1 - min(rows - 1, int(share * rows))] = text
    label_width = max((len(text) for text in y_ticks.values()), default=1)
    left = label_width + 1
    columns = width - left
    plane = _Plane(columns, rows, (x_low, x_high), (y_low, y_high), axes.log_x, log_y)
    # The first line is the most important: it is drawn last, over the others.
    for index in reversed(range(len(lines))):
        plane.trace(index, lines[index], visible[index])

    out: list[list[Span]] = []
    cursor = None if axes.cursor is None else plane.column(axes.cursor)
    bar, tee, corner, dash, notch = "|+++-" if axes.ascii_only else "│┤└─┬"
    if axes.ascii_only:
        corner, dash, notch = "+", "-", "+"
    for y in range(rows):
        label = y_ticks.get(y, "")
        row: list[Span] = [(label.rjust(label_width), "label"), (tee if label else bar, "axis")]
        row.extend(plane.row(y, ascii_only=axes.ascii_only, cursor=cursor, bar=bar))
        out.append(row)
    out.extend(_lower(plane, label_width, corner, dash, notch, marks))
    return Drawing(out, left, columns, (x_low, x_high), axes.log_x)


class _Plane:
    """The dots, and whose they are."""

    def __init__(
        self,
        columns: int,
        rows: int,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        log_x: bool,
        log_y: bool,
    ) -> None:
        self.columns, self.rows = columns, rows
        self.log_x, self.log_y = log_x, log_y
        self.x_range = x_range
        self._x0, self._x1 = _to(x_range[0], log_x), _to(x_range[1], log_x)
        self._y0, self._y1 = _to(y_range[0], log_y), _to(y_range[1], log_y)
        self._dots = [[0] * columns for _ in range(rows)]
        self._owner = [[-1] * columns for _ in range(rows)]
        self._patterns: dict[int, str] = {}

    def _dot_x(self, x: float) -> int:
        share = (_to(x, self.log_x) - self._x0) / (self._x1 - self._x0)
        return round(share * (2 * self.columns - 1))

    def _dot_y(self, y: float) -> float:
        share = (_to(y, self.log_y) - self._y0) / (self._y1 - self._y0)
        return (1 - share) * (4 * self.rows - 1)

    def column(self, x: float) -> int | None:
        """The cell column of an x, None outside."""
        if not self.x_range[0] <= x <= self.x_range[1]:
            return None
        return min(self.columns - 1, self._dot_x(x) // 2)

    def trace(self, index: int, line: Line, points: Sequence[Point]) -> None:
        """Draw one line: points in the same dot column are averaged, missing columns interpolated, gaps left."""
        wanted = PATTERNS[line.pattern]
        self._patterns[index] = line.pattern
        before: tuple[int, float] | None = None
        for x, low, mean, high in _columns(points, self._dot_x):
            if not math.isfinite(mean):
                before = None
                continue
            y = self._dot_y(mean)
            if before is None:
                self._vertical(index, x, y, y)
            else:
                x0, y0 = before
                for step in range(x0 + 1, x + 1):
                    a = y0 + (y - y0) * (step - 1 - x0) / (x - x0)
                    b = y0 + (y - y0) * (step - x0) / (x - x0)
                    if step % PERIOD in wanted:
                        # Each column draws its half-open part of the slope, so that lines stay thin.
                        self._vertical(
                            index, step, a + (b > a) - (b < a) if round(a) != round(b) else b, b
                        )
            if line.band and math.isfinite(low) and math.isfinite(high):
                self._vertical(index, x, self._dot_y(high), self._dot_y(low))
            before = (x, y)

    def _vertical(self, index: int, x: int, a: float, b: float) -> None:
        if not 0 <= x < 2 * self.columns:
            return
        first, last = sorted((round(a), round(b)))
        for y in range(max(0, first), min(4 * self.rows - 1, last) + 1):
            self._dots[y // 4][x // 2] |= DOTS[x % 2][y % 4]
            self._owner[y // 4][x // 2] = index

    def row(self, y: int, *, ascii_only: bool, cursor: int | None, bar: str) -> list[Span]:
        spans: list[Span] = []
        for x, (dots, owner) in enumerate(zip(self._dots[y], self._owner[y], strict=True)):
            if dots:
                glyph = ASCII_INK[self._patterns[owner]] if ascii_only else chr(0x2800 + dots)
                kind = f"line-{owner}"
            elif x == cursor:
                glyph, kind = bar, "cursor"
            else:
                glyph, kind = " ", "axis"
            if spans and spans[-1][1] == kind:
                spans[-1] = (spans[-1][0] + glyph, kind)
            else:
                spans.append((glyph, kind))
        return spans


def _columns(points: Sequence[Point], dot_x: object) -> list[tuple[int, float, float, float]]:
    """Points merged by dot column: mean of the means, lowest low, highest high; a gap only where nothing is finite."""
    assert callable(dot_x)
    out: list[tuple[int, float, float, float]] = []
    count = 0
    for x, low, mean, high in points:
        column = dot_x(x)
        if out and out[-1][0] == column:
            _, l0, m0, h0 = out[-1]
            if not math.isfinite(mean):
                continue
            if math.isfinite(m0):
                count += 1
                out[-1] = (column, min(l0, low), m0 + (mean - m0) / count, max(h0, high))
                continue
            out[-1] = (column, low, mean, high)
        else:
            out.append((column, low, mean, high))
        count = 1
    return out


def _visible(line: Line, axes: Axes) -> list[Point]:
    points = [p for p in line.points if not axes.log_x or p[0] > 0]
    if axes.log_y:
        points = [p if p[2] > TINY else (p[0], math.nan, math.nan, math.nan) for p in points]
        points = [(x, low if low > TINY else mean, mean, high) for x, low, mean, high in points]
    if axes.x_range is None:
        return points
    low, high = axes.x_range
    return [p for p in points if low <= p[0] <= high]


def _lower(
    plane: _Plane, label_width: int, corner: str, dash: str, notch: str, marks: Sequence[Mark]
) -> list[list[Span]]:
    """The lower axis with its marks, and the labels under it."""
    low, high = plane.x_range
    axis: list[Span] = [(dash, "axis")] * plane.columns
    under = [" "] * plane.columns
    free = 0
    values = ticks(low, high, max(1, plane.columns // 8), log=plane.log_x)
    for value, text in zip(values, labels(values), strict=True):
        column = plane.column(value)
        if column is None:
            continue
        start = min(max(0, column - len(text) // 2), plane.columns - len(text))
        if start >= free:
            axis[column] = (notch, "axis")
            under[start : start + len(text)] = text
            free = start + len(text) + 1
    for mark in marks:
        column = plane.column(mark.x)
        if column is not None:
            axis[column] = (mark.glyph[:1], mark.kind)
    row: list[Span] = [(" " * label_width + corner, "axis")]
    for text, kind in axis:
        if row[-1][1] == kind:
            row[-1] = (row[-1][0] + text, kind)
        else:
            row.append((text, kind))
    return [row, [(" " * (label_width + 1) + "".join(under), "label")]]


def _empty(width: int, height: int, text: str) -> Drawing:
    rows: list[list[Span]] = [[(" " * width, "axis")] for _ in range(height)]
    rows[height // 2] = [(text[:width].center(width), "label")]
    return Drawing(rows)


def _to(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _from(value: float, log: bool) -> float:
    return 10**value if log else value
