"""`Ink`: the widget under every other that shows text. Lines of (text, kind) spans, each shown literally.

It draws `Strip`s itself (5 ms for 2,000 coloured characters, where Textual's `Content` takes 45 ms), never parses
markup, can be selected with the mouse and copied, and gives each kind of span the colour that the theme has for it.
The kinds are no component classes of Textual's: 37 of them made it compute 38 styles a widget, 15 s for a long form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from tui.literal import NEWLINE, literal
from tui.themes import inks

Span = tuple[str, str]
"""Text, and the kind of text it is; an empty kind is ordinary text."""


def span_len(spans: Iterable[Span]) -> int:
    """Cells that the spans take."""
    return sum(cell_len(text) for text, _ in spans)


def fit(spans: Sequence[Span], width: int) -> list[Span]:
    """The spans cut or padded to exactly `width` cells; a cut shows an ellipsis."""
    left = width - span_len(spans)
    if left >= 0:
        return [*spans, (" " * left, "")] if left else list(spans)
    if left == -1 and spans[-1][0].endswith(" "):  # one that `wrap` left hanging over the edge
        *rest, (text, kind) = spans
        return [*rest, (text[:-1], kind)]
    out: list[Span] = []
    left = width - 1  # the ellipsis takes one
    for text, kind in spans if width > 0 else ():
        kept = ""
        for character in text:
            if cell_len(kept + character) > left:
                return [*out, (kept + "…" + " " * (left - cell_len(kept)), kind)]
            kept += character
        out.append((text, kind))
        left -= cell_len(text)
    return out


def wrap(spans: Iterable[Span], width: int) -> list[list[Span]]:
    """The spans as lines of at most `width` cells, broken at newlines and, where too long, at spaces."""
    width = max(1, width)
    paragraphs: list[list[Span]] = [[]]
    for text, kind in spans:
        first, *others = literal(text).split("\n")
        if first:
            paragraphs[-1].append((first, kind))
        for part in others:
            paragraphs.append([(part, kind)] if part else [])
    lines: list[list[Span]] = []
    for paragraph in paragraphs:
        text = "".join(part for part, _ in paragraph)
        if text.isascii() and len(text) <= width:
            lines.append(paragraph)
            continue
        start = 0
        for end in _breaks(text, width):
            lines.append(_slice(paragraph, start, end))
            start = end
    return lines


def flow(items: Iterable[Sequence[Span]], width: int, most: int) -> list[list[Span]]:
    """Items one after the other in at most so many lines, each whole: those that find no room are left out.

    An item that is wider than a line has lines of its own; the first is cut where it alone is too long.
    """
    lines: list[list[Span]] = []
    for item in items:
        if lines and span_len(lines[-1]) + span_len(item) <= width:
            lines[-1] += item
            continue
        wrapped = wrap(item, width)
        if not lines:
            lines = wrapped[:most]
        elif len(lines) + len(wrapped) <= most:
            lines += wrapped
        else:
            break
    return lines


def _breaks(text: str, width: int) -> Iterable[int]:
    """Where each line ends: after the last space that fits, else after the last character that fits."""
    start = cells = 0
    space = -1
    index = 0
    while index < len(text):
        cells += get_character_cell_size(text[index])
        if cells > width and index > start:
            end = space + 1 if space >= start else index
            # A space that hangs over the edge stays at the end of its line.
            if text[index] == " ":
                end = index + 1
            yield end
            start = index = end
            cells, space = 0, -1
            continue
        if text[index] == " ":
            space = index
        index += 1
    if start < len(text) or not text:
        yield len(text)


def _slice(spans: Sequence[Span], start: int, end: int) -> list[Span]:
    out: list[Span] = []
    at = 0
    for text, kind in spans:
        part = text[max(0, start - at) : max(0, end - at)]
        if part:
            out.append((part, kind))
        at += len(text)
    return out


class Ink(ScrollView, can_focus=False):
    """Lines of spans. A subclass says what line `y` holds (`line`) and how many there are (`count`)."""

    def count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line(self, y: int) -> Sequence[Span]:
        """The spans of line `y`."""
        raise NotImplementedError

    def backdrop(self, y: int) -> str:
        """The kind of ink whose background line `y` has; empty for none."""
        del y
        return ""

    def measure(self) -> None:
        """Tell the scroll bars how much there is, and draw again."""
        self.virtual_size = Size(self.scrollable_content_region.width, self.count())
        self.refresh()

    def _inks(self) -> Mapping[str, Style]:
        return inks(self.app.theme, self.app)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        at = y + self.scroll_offset.y
        if not 0 <= at < self.count():
            return Strip.blank(width, base)
        known = self._inks()
        backdrop = self.backdrop(at)
        if backdrop:
            base += known[backdrop]
        segments = [
            Segment(literal(text).replace("\n", NEWLINE), base + known[kind] if kind else base)
            for text, kind in self.line(at)
        ]
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(at)) is not None:
            segments = _selected(
                segments, span, self.screen.get_component_rich_style("screen--selection")
            )
        strip = Strip(segments).adjust_cell_length(width, base)
        return strip.apply_offsets(0, at)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        text = "\n".join("".join(part for part, _ in self.line(y)) for y in range(self.count()))
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        del selection
        self.refresh()


def _selected(segments: list[Segment], span: tuple[int, int], style: Style) -> list[Segment]:
    start, end = span
    total = sum(len(s.text) for s in segments)
    end = total if end == -1 else min(end, total)
    out: list[Segment] = []
    at = 0
    for text, own, _ in segments:
        a, b = max(0, start - at), max(0, end - at)
        for part, chosen in ((text[:a], False), (text[a:b], True), (text[max(a, b) :], False)):
            if part:
                out.append(Segment(part, (own or Style.null()) + style if chosen else own))
        at += len(text)
    return out
