"""A list to choose from: rows of spans, a cursor, marks. Draws what is in sight only, so length costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.message import Message

from tui.widgets.ink import Ink, Span, fit


@dataclass(frozen=True, slots=True)
class Row:
    """One choice. A row without a key is a heading: the cursor passes over it."""

    key: str
    spans: tuple[Span, ...]


class Rows(Ink, can_focus=True):
    """Rows with a cursor; `enter` or a click chooses, `space` marks."""

    BINDINGS = [
        Binding("down,j", "move(1)", "Down", show=False, id="rows.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="rows.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="rows.page-down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="rows.page-up"),
        Binding("home,g", "jump(0)", "First", show=False, id="rows.first"),
        Binding("end,G", "jump(-1)", "Last", show=False, id="rows.last"),
        Binding("enter", "choose", "Open", show=False, id="rows.choose"),
    ]

    class Chosen(Message):
        """`enter` or a click on the row under the cursor."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows, self.key = rows, key

    class Moved(Message):
        """The cursor came to another row."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows, self.key = rows, key

    def __init__(self, *, id: str | None = None, empty: str = "", marking: bool = False) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._at = 0
        self._touched = False
        self.empty = empty
        self.marking = marking
        self.marked: list[str] = []

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows; the cursor stays on the key it was on, if that is there and somebody chose it.

        Marks stay, also on rows that are not shown now.
        """
        was = self.key
        before = was if self._touched else ""
        self._rows = list(rows)
        at = next((i for i, row in enumerate(rows) if row.key == before and before), None)
        if not self._touched:
            self._at = 0
        self._at = self._near(min(self._at, max(0, len(rows) - 1)) if at is None else at, 1)
        self.measure()
        if self.key != was:
            self.post_message(self.Moved(self, self.key))

    @property
    def key(self) -> str:
        """The key under the cursor, empty if there is none."""
        return self._rows[self._at].key if 0 <= self._at < len(self._rows) else ""

    def select(self, key: str) -> None:
        """Put the cursor on a key, if it is there."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._go(index)
                return

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor, and go on to the next."""
        if not self.key:
            return
        if self.key in self.marked:
            self.marked.remove(self.key)
        else:
            self.marked.append(self.key)
        self.action_move(1)
        self.refresh()

    def count(self) -> int:
        return max(len(self._rows), len(self.empty.split("\n")) if self.empty else 0)

    def line(self, y: int) -> Sequence[Span]:
        width = self.scrollable_content_region.width
        if not self._rows:
            lines = self.empty.split("\n")
            return [(lines[y], "dim")] if y < len(lines) else []
        if y >= len(self._rows):
            return []
        row = self._rows[y]
        pointer = ">" if y == self._at and self.has_focus else " "
        if self.marking:
            pointer += "*" if row.key and row.key in self.marked else " "
        return fit([(pointer, "key"), *row.spans], width)

    def backdrop(self, y: int) -> str:
        if not self._rows or y != self._at:
            return ""
        return "row-cursor" if self.has_focus else "row-blurred"

    def _near(self, at: int, by: int) -> int:
        """The nearest row with a key from `at` on in the direction of `by`, or back from it."""
        for direction in (by, -by):
            i = at
            while 0 <= i < len(self._rows):
                if self._rows[i].key:
                    return i
                i += direction
        return 0

    def _go(self, at: int, by: int = 1) -> None:
        if not self._rows:
            return
        self._touched = True
        before = self.key
        self._at = self._near(min(max(0, at), len(self._rows) - 1), by)
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if self._at < top:
            # Headings above the first row stay in sight with it.
            self.scroll_to(
                y=self._at if self._near(0, 1) != self._at else 0, animate=False, immediate=True
            )
        elif height and self._at >= top + height:
            self.scroll_to(y=self._at - height + 1, animate=False, immediate=True)
        self.refresh()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    def action_move(self, by: int) -> None:
        self._go(self._at + by, by)

    def action_page(self, by: int) -> None:
        self._go(self._at + by * max(1, self.scrollable_content_region.height - 1), by)

    def action_jump(self, to: int) -> None:
        self._go(0 if to == 0 else len(self._rows) - 1, 1 if to == 0 else -1)

    def action_choose(self) -> None:
        if self.key:
            self.post_message(self.Chosen(self, self.key))

    def on_click(self, event: events.Click) -> None:
        at = event.y - self.gutter.top + self.scroll_offset.y
        if 0 <= at < len(self._rows) and self._rows[at].key:
            again = at == self._at
            self._go(at)
            if again or event.chain > 1:
                self.action_choose()

    def on_resize(self, event: events.Resize) -> None:
        del event
        self.measure()
