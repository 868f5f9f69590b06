"""The curve as a widget: zoom, a cursor with its value, logarithmic axes, and what each line is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from textual import events
from textual.binding import Binding
from textual.message import Message

from tui.curve import ASCII_INK, Axes, Drawing, Line, Mark, draw
from tui.widgets.ink import Ink, Span
from tui.words import number

SAMPLES = {"solid": "──", "dashed": "╌╌", "dotted": "┈┈", "sparse": "· "}
ASCII_SAMPLES = {pattern: f"{ink} " for pattern, ink in ASCII_INK.items()}


DEEPEST = 500
"""So much of a curve is the least that is zoomed to."""


class Plot(Ink, can_focus=True):
    """Lines over steps. `i`/`u` zoom in and out, `←`/`→` move the cursor, `v` and `V` make an axis logarithmic."""

    class LogToggled(Message):
        """An axis of losses became logarithmic, or linear again."""

        def __init__(self, log_y: bool) -> None:
            super().__init__()
            self.log_y = log_y

    DEFAULT_CSS = "Plot { scrollbar-size: 0 0; overflow: hidden hidden; }"
    BINDINGS = [
        Binding("left", "move(-1)", "Cursor left", show=False, id="plot.left"),
        Binding("right", "move(1)", "Cursor right", show=False, id="plot.right"),
        Binding("i", "zoom(0.5)", "Zoom in", show=False, id="plot.in"),
        Binding("u", "zoom(2)", "Zoom out", show=False, id="plot.out"),
        Binding("v", "log_y", "Logarithmic y", show=False, id="plot.log-y"),
        Binding("V", "log_x", "Logarithmic x", show=False, id="plot.log-x"),
        Binding("escape", "whole", "Whole curve", show=False, id="plot.whole"),
    ]

    def __init__(
        self,
        *,
        id: str | None = None,
        empty: str = "nothing measured yet",
        log_y: bool = False,
    ) -> None:
        super().__init__(id=id)
        self.axes = Axes(log_y=log_y, empty=empty)
        self.unit = ""
        self._lines: Sequence[Line] = ()
        self._marks: Sequence[Mark] = ()
        self._drawing: Drawing | None = None

    def show(self, lines: Sequence[Line], marks: Sequence[Mark] = (), unit: str = "") -> None:
        """Draw these lines instead; zoom and cursor stay."""
        self._lines, self._marks, self.unit = lines, marks, unit
        self._redraw()

    def change(self, **what: object) -> None:
        """Change how the plane is laid out (`log_y=True`, `x_range=None`, ...)."""
        self.axes = replace(self.axes, **what)  # type: ignore[arg-type]
        self._redraw()

    def count(self) -> int:
        return self.size.height

    def line(self, y: int) -> Sequence[Span]:
        drawing = self._draw()
        if y == 0:
            return self._legend()
        return drawing.rows[y - 1] if y - 1 < len(drawing.rows) else []

    def _draw(self) -> Drawing:
        if self._drawing is None:
            ascii_only = bool(getattr(self.app, "ascii_only", False))
            axes = replace(self.axes, ascii_only=ascii_only)
            self._drawing = draw(
                self._lines, self.size.width, max(0, self.size.height - 1), axes, self._marks
            )
        return self._drawing

    def _legend(self) -> list[Span]:
        samples = ASCII_SAMPLES if getattr(self.app, "ascii_only", False) else SAMPLES
        out: list[Span] = []
        for index, line in enumerate(self._lines):
            out.append((f"{samples[line.pattern]} ", f"line-{index}"))
            out.append((line.name, ""))
            value = self._value(line)
            out.append((f" {number(value)}" if math.isfinite(value) else "", "title"))
            out.append(("   ", ""))
        if self.axes.cursor is not None:
            out.append((f"@ {self.axes.cursor:,.0f}", "accent"))
        elif self.unit:
            out.append((self.unit, "dim"))
        flags = [
            name
            for name, on in (
                ("log y", self.axes.log_y),
                ("log x", self.axes.log_x),
                ("zoomed", self.axes.x_range is not None),
            )
            if on
        ]
        if flags:
            out.append(("  " + " · ".join(flags), "dim"))
        return out

    def _value(self, line: Line) -> float:
        """The line's value under the cursor, or its newest."""
        points = [p for p in line.points if math.isfinite(p[2])]
        if not points:
            return math.nan
        cursor = self.axes.cursor
        if cursor is None:
            return points[-1][2]
        return min(points, key=lambda p: abs(p[0] - cursor))[2]

    def _redraw(self) -> None:
        self._drawing = None
        self.measure()

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._redraw()

    def _extent(self) -> tuple[float, float] | None:
        xs = [p[0] for line in self._lines for p in line.points]
        return (min(xs), max(xs)) if xs else None

    def action_move(self, by: int) -> None:
        drawing = self._draw()
        if not drawing.columns:
            return
        low, high = drawing.x_range
        if self.axes.cursor is None:
            self.change(cursor=high)
            return
        cells = [drawing.x_at(c) for c in range(drawing.columns)]
        at = min(range(len(cells)), key=lambda c: abs(cells[c] - (self.axes.cursor or 0)))
        self.change(cursor=min(high, max(low, cells[min(len(cells) - 1, max(0, at + by))])))

    def action_zoom(self, factor: float) -> None:
        whole = self._extent()
        if whole is None:
            return
        low, high = self.axes.x_range or whole
        centre = self.axes.cursor if self.axes.cursor is not None else high
        size = max((high - low) * factor, (whole[1] - whole[0]) / DEEPEST)
        if size >= whole[1] - whole[0]:
            self.change(x_range=None)
            return
        start = min(max(whole[0], centre - size / 2), whole[1] - size)
        self.change(x_range=(start, start + size))

    def action_whole(self) -> None:
        self.change(cursor=None, x_range=None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        # Where there is nothing to undo here the screen goes back.
        return action != "whole" or self.axes.cursor is not None or self.axes.x_range is not None

    def action_log_y(self) -> None:
        self.change(log_y=not self.axes.log_y)
        self.post_message(self.LogToggled(self.axes.log_y))

    def action_log_x(self) -> None:
        self.change(log_x=not self.axes.log_x)

    def on_click(self, event: events.Click) -> None:
        drawing = self._draw()
        column = event.x - self.gutter.left - drawing.left
        if drawing.columns and 0 <= column < drawing.columns:
            self.change(cursor=drawing.x_at(column))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_zoom(0.5)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_zoom(2)
