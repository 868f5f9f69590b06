"""A text by how unlikely each of its tokens was to a model, and what that would rather have written there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from textual.binding import Binding
from textual.message import Message

from tui import words
from tui.literal import one_line
from tui.widgets.ink import Span, fit, span_len, wrap
from tui.widgets.page import Page

HEAT = (1.0, 3.0, 5.0, 8.0)
"""Bits from which a character is a little, quite, very and utterly unexpected."""

Token = Mapping[str, Any]
"""As the playground's process tells it: its text, its nats, and the likeliest ones in its place (`rather`)."""


class Surprise(Page):
    """Arrows move a cursor (`Moved`); 1 to 5 ask for one of the likeliest tokens under it (`Instead`)."""

    BINDINGS = [
        Binding("left", "move(-1)", "Character before", show=False, id="play.left"),
        Binding("right", "move(1)", "Next character", show=False, id="play.right"),
        Binding("up", "line(-1)", "Line above", show=False, id="play.up"),
        Binding("down", "line(1)", "Line below", show=False, id="play.down"),
        *(
            Binding(str(n), f"instead({n})", f"Put likeliest {n}", show=False, id=f"play.put-{n}")
            for n in range(1, 6)
        ),
    ]

    class Moved(Message):
        """The cursor stands on another token."""

    class Instead(Message):
        """Another text is wanted in a token's place."""

        def __init__(self, before: str, chosen: str) -> None:
            super().__init__()
            self.before, self.chosen = before, chosen

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._tokens: Sequence[Token] = ()
        self._at = 0

    @property
    def here(self) -> Token | None:
        """The token under the cursor; None where there is no text."""
        return self._tokens[self._at] if self._tokens else None

    def read(self, tokens: Sequence[Token]) -> None:
        """Show these tokens; the cursor keeps its place as far as there is one."""
        self._tokens = tokens
        self._put(self._at)

    def _put(self, at: int) -> None:
        self._at = max(0, min(at, len(self._tokens) - 1))
        self.show(heat(self._tokens, self._at), reveal="here")
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        self._put(self._at + by)

    def action_line(self, by: int) -> None:
        if self._tokens:
            width = self.scrollable_content_region.width
            self._put(beside(self._tokens, self._at, by, width))

    def action_instead(self, number: int) -> None:
        if self.here is not None and number <= len(self.here["rather"]):
            before = "".join(str(token["text"]) for token in self._tokens[: self._at])
            self.post_message(self.Instead(before, str(self.here["rather"][number - 1]["put"])))


def heat(tokens: Sequence[Token], cursor: int) -> list[Span]:
    """A text by how unlikely each of its tokens was; the one under the cursor stands out."""
    out: list[Span] = []
    for i, token in enumerate(tokens):
        bits = float(token["nats"]) * words.BITS
        kind = f"heat-{sum(bits >= border for border in HEAT)}"
        text = str(token["text"])
        if i == cursor:
            kind = "here"
            text = text.replace("\n", "␤\n")
        out.append((text, kind))
    return out


def beside(tokens: Sequence[Token], cursor: int, by: int, width: int) -> int:
    """The token that stands `by` lines below the cursor's, as the text is wrapped to `width`; at the first or last
    line the first or last token.
    """
    # Each token by its number instead of its kind; line ends shown, so that empty lines can be stood on.
    numbered = [(str(t["text"]).replace("\n", "␤\n"), str(i)) for i, t in enumerate(tokens)]
    lines = [line for line in wrap(numbered, width) if line]
    here = next(y for y, line in enumerate(lines) if any(k == str(cursor) for _, k in line))
    if not 0 <= here + by < len(lines):
        return 0 if by < 0 else len(tokens) - 1
    before = [kind for _, kind in lines[here]].index(str(cursor))
    column = span_len(lines[here][:before])
    for text, kind in lines[here + by]:
        column -= cell_len(text)
        if column < 0:
            return int(kind)
    return int(lines[here + by][-1][1])


def rather(token: Token) -> list[Span]:
    """How likely a token was, and the likeliest ones in its place, numbered."""
    spans: list[Span] = [
        (f" here: {one_line(str(token['text']))!r}  ", "title"),
        (f"{math.exp(-float(token['nats'])):.2%}\n", "accent"),
    ]
    for n, other in enumerate(token["rather"], start=1):
        spans += [(f"{n} ", "key"), *bar(str(other["text"]), float(other["p"]), None)]
    return spans


def bar(text: str, p: float, q: float | None) -> list[Span]:
    """A token, its probability as a bar, and where it differs the one that is drawn from."""
    spans: list[Span] = [
        *fit([(one_line(text, 8).replace(" ", "·"), "")], 8),
        (f" {'█' * round(p * 10):<10}", "line-0"),
        (f" {p:6.1%}", "title"),
    ]
    if q is not None and round(q, 2) != round(p, 2):
        spans.append((f" → {q:.0%}", "accent"))
    return [*spans, ("\n", "")]
