"""C source and headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpora.genres.base import Genre, Span, openings, starts_at_lines

_DIRECTIVE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|define|ifn?def|if|endif|else|elif|undef|pragma)\b", re.M
)
_STATEMENT = re.compile(r"(?:[;{}]|\*/|,)[ \t]*$", re.MULTILINE)
_KEYWORD = re.compile(
    r"\b(?:static|const|int|char|void|struct|return|if|else|for|while|unsigned|typedef)\b"
)
# A line at the left margin that begins a function, a type or a comment block: what precedes it is over.
TOP_LEVEL = re.compile(
    r"^(?:/\*|static\b|extern\b|typedef\b|struct\b|enum\b|union\b|const\b|[A-Za-z_][\w \t*]*\([^;\n]*$)",
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^[A-Za-z_][\w \t*]*\([^;{}\n]*\)\s*\{\n", re.MULTILINE)


class CSource(Genre):
    name = "c_source"
    title = "C"
    sign = "directives, keywords and statements ended by ; or a brace"

    def score(self, text: str) -> float:
        lines = sum(1 for line in text.split("\n") if line.strip())
        if not lines or len(_KEYWORD.findall(text)) < 0.1 * lines:
            return 0.0
        marked = len(_STATEMENT.findall(text)) + len(_DIRECTIVE.findall(text))
        return min(1.0, 1.25 * marked / lines) if marked > 0.3 * lines else 0.0

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, TOP_LEVEL)

    def primes(self, text: str) -> list[str]:
        starts = [m.start() for m in _FUNCTION.finditer(text)]
        return openings(text, starts, _signature, "static int ")

    def colour(self, text: str) -> list[Span]:
        from pygments.lexers.c_cpp import CLexer

        from corpora.colouring import spans

        return spans(CLexer(), text)


def _signature(following: str) -> int:
    match = _FUNCTION.match(following)
    return match.end() if match else 0


GENRE = CSource()
