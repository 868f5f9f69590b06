"""Pygments' lexers as spans of our styles, for text that may be anything, in bounded time.

Their expressions look far ahead: CLexer takes 17 s for 20,000 empty lines, TexLexer 0.1 s for 4,000 per cent signs. So
they see a text in paragraphs of at most `WINDOW` characters, and no blank line at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from corpora import words
from corpora.genres.base import Span, Style

if TYPE_CHECKING:
    from pygments.lexer import RegexLexer

WINDOW = 1000
"""Characters: the dearest of them found (slashes for C) take 22 ms."""

# The nearest type above a token's own decides.
_STYLES: dict[tuple[str, ...], Style] = {
    ("Comment",): "comment",
    ("Comment", "Preproc"): "markup",
    ("Comment", "PreprocFile"): "string",
    ("Keyword",): "keyword",
    ("Name", "Attribute"): "name",
    ("Name", "Builtin"): "markup",
    ("Name", "Function"): "name",
    ("Name", "Label"): "name",
    ("Literal", "Number"): "number",
    ("Literal", "String"): "string",
}


def spans(lexer: str, text: str) -> Iterator[Span]:
    """What Pygments' lexer of that name makes of a text, in order."""
    read = _lexer(lexer).get_tokens_unprocessed
    for offset, window in _windows(text):
        for at, kind, value in read(window + "\n"):  # a comment is one with its line end
            style = _style(tuple(kind))
            shown = value.rstrip("\n")
            if style and shown.strip():
                yield Span(offset + at, offset + at + len(shown), style)


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """(offset, text) of each paragraph, a longer one in parts that end at line ends where they can."""
    for start, block in words.paragraphs(text):
        at = 0
        while len(block) - at > WINDOW:
            stop = block.rfind("\n", at, at + WINDOW) + 1 or at + WINDOW
            yield start + at, block[at:stop]
            at = stop
        yield start + at, block[at:]


@cache
def _style(kind: tuple[str, ...]) -> Style | None:
    while kind and kind not in _STYLES:
        kind = kind[:-1]
    return _STYLES.get(kind)


@cache
def _lexer(name: str) -> RegexLexer:
    from pygments import lexers

    return getattr(lexers, name)()
