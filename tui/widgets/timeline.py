"""Checkpoints on a line: where one is, which are pinned, where a milestone was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from tui.widgets.ink import Ink, Span
from tui.words import number


@dataclass(frozen=True, slots=True)
class Stop:
    """One checkpoint of the line."""

    step: int
    pinned: bool = False
    milestone: bool = False


class Timeline(Ink):
    """Two lines: the checkpoints, and the steps of as many as there is room for. A click goes to the nearest."""

    DEFAULT_CSS = "Timeline { scrollbar-size: 0 0; overflow: hidden hidden; }"

    class Picked(Message):
        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._stops: Sequence[Stop] = ()
        self._at = 0

    def show(self, stops: Sequence[Stop], at: int) -> None:
        self._stops, self._at = stops, at
        self.measure()

    def count(self) -> int:
        return 2

    def columns(self) -> list[int]:
        """The cell of each checkpoint: evenly, so that the early ones, which change most, get their room."""
        count, width = len(self._stops), max(1, self.size.width - 2)
        if count < 2:
            return [1] * count
        gap = min(8.0, (width - 1) / (count - 1))
        return [1 + round(i * gap) for i in range(count)]

    def line(self, y: int) -> Sequence[Span]:
        columns = self.columns()
        if not columns:
            return [("no samples yet", "dim")] if y == 0 else []
        return self._track(columns) if y == 0 else self._labels(columns)

    def _track(self, columns: list[int]) -> list[Span]:
        cells: list[Span] = [(" ", "")] + [("─", "axis")] * columns[-1]
        for column, stop in zip(columns, self._stops, strict=True):
            glyph = "◆" if stop.pinned else "★" if stop.milestone else "●"
            if cells[column][0] in "─●":
                cells[column] = (glyph, "accent" if stop.pinned or stop.milestone else "label")
        column = columns[self._at]
        cells[max(0, column - 1)] = ("[", "key")
        if column + 1 < len(cells):
            cells[column + 1] = ("]", "key")
        else:
            cells.append(("]", "key"))
        return cells

    def _labels(self, columns: list[int]) -> list[Span]:
        text = [" "] * (self.size.width + 8)
        own = number(self._stops[self._at].step)
        start = max(0, min(columns[self._at] - len(own) // 2, self.size.width - len(own)))
        taken = range(start - 1, start + len(own) + 1)
        free = 0
        for column, stop in zip(columns, self._stops, strict=True):
            label = number(stop.step)
            at = max(0, min(column - len(label) // 2, self.size.width - len(label)))
            if at < free or set(range(at, at + len(label))) & set(taken):
                continue
            text[at : at + len(label)] = label
            free = at + len(label) + 1
        before, after = "".join(text[:start]), "".join(text[start + len(own) : self.size.width])
        return [(before, "dim"), (own, "key"), (after, "dim")]

    def on_click(self, event: events.Click) -> None:
        columns = self.columns()
        if columns:
            x = event.x - self.gutter.left
            self.post_message(
                self.Picked(min(range(len(columns)), key=lambda i: abs(columns[i] - x)))
            )
