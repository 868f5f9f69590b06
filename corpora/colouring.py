"""Colour from Pygments' lexers, as spans of the few styles that a theme knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from pygments import token
from pygments.token import _TokenType

from corpora.genres.base import Span, Style

COLOURED_CHARS = 20_000
"""Many screenfuls; what follows stays plain, so that an endless line costs nothing."""

# The first that holds wins, so the particular stand before the general.
_STYLES: tuple[tuple[_TokenType, Style], ...] = (
    (token.Comment.Preproc, "markup"),
    (token.Comment, "comment"),
    (token.String, "string"),
    (token.Number, "number"),
    (token.Keyword, "keyword"),
    (token.Name.Function, "name"),
    (token.Name.Class, "name"),
    (token.Name.Attribute, "name"),
    (token.Name.Builtin, "name"),
)


class Lexer(Protocol):
    """The part of a Pygments lexer that keeps offsets."""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """(offset, kind, text) of each token; what fits nothing comes out as an error token."""
        ...


def spans(lexer: Lexer, text: str) -> list[Span]:
    """The coloured stretches of a text, neighbours of one style joined. Broken text is coloured as far as it goes."""
    found: list[Span] = []
    for start, kind, part in lexer.get_tokens_unprocessed(text[:COLOURED_CHARS]):
        style = next((style for general, style in _STYLES if kind in general), None)
        if style is None or not part.strip():
            continue
        if found and found[-1].stop == start and found[-1].style == style:
            found[-1] = Span(found[-1].start, start + len(part), style)
        else:
            found.append(Span(start, start + len(part), style))
    return found
