"""Text to read: a sample, a log, help. Wrapped, scrollable, copyable, and following its end if told to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events
from textual.binding import Binding

from tui.widgets.ink import Ink, Span, wrap


class Page(Ink, can_focus=True):
    """Spans, wrapped to the width. With `follow`, the end stays in sight until one scrolls away (`end` re-enters)."""

    BINDINGS = [
        Binding("down", "scroll_down", "Down", show=False, id="page.down"),
        Binding("up", "scroll_up", "Up", show=False, id="page.up"),
        Binding("home", "scroll_home", "Top", show=False, id="page.top"),
        Binding("end", "to_end", "End", show=False, id="page.end"),
    ]

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        follow: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._spans: list[Span] = []
        self._lines: list[list[Span]] = []
        self._width = -1
        self.follow = follow

    def show(self, spans: Iterable[Span] | str) -> None:
        """Show these spans (or one plain text) instead of what stood here."""
        new = [(spans, "")] if isinstance(spans, str) else list(spans)
        if new == self._spans:
            return
        at_end = self.follow and (self.is_vertical_scroll_end or not self._spans)
        self._spans = new
        self._layout_lines()
        if at_end:
            self.scroll_end(animate=False, immediate=True)
        elif not self.follow:
            self.scroll_to(y=min(self.scroll_offset.y, self.max_scroll_y), animate=False)

    @property
    def text(self) -> str:
        """What stands here, as plain text (not yet made literal)."""
        return "".join(text for text, _ in self._spans)

    def count(self) -> int:
        return len(self._lines)

    def line(self, y: int) -> Sequence[Span]:
        return self._lines[y]

    def action_to_end(self) -> None:
        self.scroll_end(animate=False)

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._layout_lines()

    def _layout_lines(self) -> None:
        width = self.scrollable_content_region.width
        self._lines = wrap(self._spans, width) if width > 0 else []
        self.measure()
        if self.follow and self.is_vertical_scroll_end:
            self.call_after_refresh(self.scroll_end, animate=False)
