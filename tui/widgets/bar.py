"""A line or a few of status: spans that the program composes, one list a line, cut to the width."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size

from tui.widgets.ink import Ink, Span, fit


class Bar(Ink):
    """Fixed lines of spans; its height comes from the style sheet."""

    DEFAULT_CSS = "Bar { height: 1; scrollbar-size: 0 0; overflow: hidden hidden; }"

    def __init__(
        self, *lines: Sequence[Span], id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[list[Span]] = [list(line) for line in lines]

    def show(self, *lines: Sequence[Span]) -> None:
        """Show these lines instead."""
        new = [list(line) for line in lines]
        if new != self._lines:
            self._lines = new
            self.measure()
            if self.styles.is_auto_height:
                self.refresh(layout=True)

    def count(self) -> int:
        return len(self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport, width
        return len(self._lines)

    def line(self, y: int) -> Sequence[Span]:
        return fit(self._lines[y], self.size.width)
