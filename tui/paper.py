"""What the playground writes on: a text and where it is from, its characters by their surprise, and likely tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from tui import words
from tui.literal import one_line
from tui.widgets.ink import Span, span_len, wrap

HEAT = (1.0, 3.0, 5.0, 8.0)
"""Bits from which a character is a little, quite, very and utterly unexpected."""
MOST_UNDO = 100
WRITING = "writing"
"""A paper's note while its text is not at its end."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What writes: a run's checkpoint."""

    run: Path
    step: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A text as it stood on a paper, and who wrote it."""

    base: str
    written: str
    voice: Voice | None
    manner: str
    note: str


@dataclass(slots=True)
class Paper:
    """One text being written: what it goes on from, what was written, and by which request."""

    base: str = ""
    written: str = ""
    request: int = 0
    note: str = ""
    voice: Voice | None = None
    """What wrote it; None while nothing was written."""
    manner: str = ""
    """The settings by which it was drawn."""
    past: list[Draft] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.base + self.written

    @property
    def writing(self) -> bool:
        return self.note == WRITING

    def begin(self, voice: Voice, manner: str) -> None:
        """The text is written from here on, by this checkpoint and these settings."""
        self.written, self.note = "", WRITING
        self.voice, self.manner = voice, manner

    def remember(self) -> None:
        """Keep what stands here, so that it can be taken back."""
        note = "stopped" if self.writing else self.note
        self.past.append(Draft(self.base, self.written, self.voice, self.manner, note))
        del self.past[:-MOST_UNDO]

    def turn(self, base: str) -> None:
        """Keep what stands here, and go on from another text."""
        self.remember()
        self.base, self.written, self.note = base, "", ""
        self.voice, self.manner = None, ""

    def take_back(self) -> None:
        """What stood here before, with the name of who wrote that."""
        draft = self.past.pop()
        self.base, self.written, self.note = draft.base, draft.written, draft.note
        self.voice, self.manner = draft.voice, draft.manner


def heat(tokens: Sequence[Mapping[str, Any]], cursor: int) -> list[Span]:
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


def beside(tokens: Sequence[Mapping[str, Any]], cursor: int, by: int, width: int) -> int:
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


def bar(text: str, p: float, q: float | None) -> list[Span]:
    """A token, its probability as a bar, and where it differs the one that is drawn from."""
    shown = one_line(text, 8).replace(" ", "·")
    spans: list[Span] = [
        (f"{shown:<8} ", ""),
        (f"{'█' * round(p * 10):<10}", "line-0"),
        (f" {p:6.1%}", "title"),
    ]
    if q is not None and round(q, 2) != round(p, 2):
        spans.append((f" → {q:.0%}", "accent"))
    return [*spans, ("\n", "")]
