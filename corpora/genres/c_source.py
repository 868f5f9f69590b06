"""C source and headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpora.genres.base import (
    VALID,
    Figure,
    Genre,
    Problem,
    Span,
    Validator,
    Verdict,
    judged,
    openings,
    share,
    starts_at_lines,
)

_DIRECTIVE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|define|ifn?def|if|endif|else|elif|undef|pragma)\b", re.M
)
_STATEMENT = re.compile(r"(?:[;{}]|\*/|,)[ \t]*$", re.MULTILINE)
_KEYWORD = re.compile(
    r"\b(?:static|const|int|char|void|struct|return|if|else|for|while|unsigned|typedef)\b"
)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# A line at the left margin that begins a function, a type or a comment block: what precedes it is over.
TOP_LEVEL = re.compile(
    r"^(?:/\*|static\b|extern\b|typedef\b|struct\b|enum\b|union\b|const\b|[A-Za-z_][\w \t*]*\([^;\n]*$)",
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^[A-Za-z_][\w \t*]*\([^;{}\n]*\)\s*\{\n", re.MULTILINE)

LEAST_KNOWN = 0.3
"""The share of identifiers, by letters, below which an item is no C that anybody would write; human C has 0.8."""


class CSource(Genre):
    name = "c_source"
    title = "C"
    sign = "directives, keywords and statements ended by ; or a brace"

    figures = {  # noqa: RUF012
        "valid": VALID,
        "parsed": Figure("of the bytes parse"),
        "functions_whole": Figure("functions that parse whole"),
        "declared": Figure("identifiers used that are declared or known", better="human"),
    }

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

    def validator(self, training: Iterable[str]) -> Validator:
        known: set[str] = set()
        for piece in training:
            known.update(IDENTIFIER.findall(piece))

        def judge(text: str) -> Verdict:
            from corpora.genres.c_reading import read

            source = read(text)
            pieces = []
            for item in source.items:
                found = list(item.problems)
                letters = sum(map(len, item.identifiers))
                familiar = sum(len(name) for name in item.identifiers if name in known)
                if familiar < LEAST_KNOWN * letters:
                    found.append(Problem(item.start, "most of its identifiers are unknown"))
                pieces.append((item.start, item.stop, found))
            return judged(
                pieces,
                {
                    "parsed": 1 - source.broken_bytes / max(1, source.size_bytes),
                    "functions_whole": share(source.functions_whole),
                    "declared": share(
                        name in known or name in source.declared for name in source.used
                    ),
                },
            )

        return judge

    def colour(self, text: str) -> list[Span]:
        from pygments.lexers.c_cpp import CLexer

        from corpora.colouring import spans

        return spans(CLexer(), text)


def _signature(following: str) -> int:
    match = _FUNCTION.match(following)
    return match.end() if match else 0


GENRE = CSource()
