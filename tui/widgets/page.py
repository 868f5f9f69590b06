"""Text to read: a sample, a log, help. Wrapped, scrollable, copyable, and following its end if told to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events
from textual.binding import Binding
from textual.geometry import Size

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
        self._at_end = True
        """Whether nobody has scrolled away from the end; where that is, is known only once there is a size."""

    def show(self, spans: Iterable[Span] | str, *, reveal: str = "") -> None:
        """Show these spans (or one plain text) instead of what stood here, the first of the kind `reveal` in sight."""
        new = [(spans, "")] if isinstance(spans, str) else list(spans)
        if new == self._spans:
            return
        self._spans = new
        self._layout_lines()
        if self.styles.is_auto_height:
            self.refresh(layout=True)
        if not self.follow:
            self.scroll_to(y=self._top(reveal), animate=False)

    @property
    def text(self) -> str:
        """What stands here, as plain text (not yet made literal)."""
        return "".join(text for text, _ in self._spans)

    def count(self) -> int:
        if self._width != self.scrollable_content_region.width:
            # Shown again after it was hidden: the size came without a Resize.
            self._wrap()
            self.call_later(self._layout_lines)
        return len(self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        del container, viewport
        return len(wrap(self._spans, width))

    def line(self, y: int) -> Sequence[Span]:
        return self._lines[y]

    def _top(self, reveal: str) -> int:
        """The first line in sight, moved as little as shows the first line that holds a span of this kind."""
        top, height = (
            min(self.scroll_offset.y, self.max_scroll_y),
            self.scrollable_content_region.height,
        )
        for y, line in enumerate(self._lines if reveal else []):
            if any(kind == reveal for _, kind in line):
                return max(y - height + 1, min(y, top))
        return top

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        went_up = new_value < old_value
        self._at_end = self.is_vertical_scroll_end or (self._at_end and not went_up)

    def action_to_end(self) -> None:
        self.scroll_end(animate=False)

    def on_resize(self, event: events.Resize) -> None:
        del event
        self._layout_lines()

    def _wrap(self) -> None:
        self._width = self.scrollable_content_region.width
        self._lines = wrap(self._spans, self._width) if self._width > 0 else []

    def _layout_lines(self) -> None:
        self._wrap()
        self.measure()
        if self.follow and self._at_end:
            self.call_after_refresh(self._keep_end)
        elif self.scroll_offset.y:
            self.call_after_refresh(self._keep_inside)

    def _keep_inside(self) -> None:
        """Fewer lines, or a larger pane, leave no room empty below the text."""
        self.scroll_to(y=min(self.scroll_offset.y, self.max_scroll_y), animate=False)

    def _keep_end(self) -> None:
        if self.follow:  # still
            self.scroll_end(animate=False, immediate=True)
