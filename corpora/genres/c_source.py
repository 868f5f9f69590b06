"""C source and headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpora import words
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
from corpora.genres.prose import language_problems, without_overlap
from corpora.syntax.pygmented import spans

_DIRECTIVE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|define|ifn?def|if|endif|else|elif|undef|pragma)\b", re.M
)
_STATEMENT = re.compile(r"(?:[;{}]|\*/|,)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_KEYWORD = re.compile(
    r"\b(?:static|const|int|char|void|struct|return|if|else|for|while|unsigned|typedef)\b"
)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# A line at the left margin that begins a function, a type or a comment block: what precedes it is over.
TOP_LEVEL = re.compile(
    r"^(?:/\*|static\b|extern\b|typedef\b|struct\b|enum\b|union\b|const\b"
    # A function's type may stand on the line before: `static int` begins it, `f(void)` below it does not.
    r"|[A-Za-z_]\w*(?:\([\w *]+\))?[ \t*][\w \t*]*\([^;\n]*$)",
    re.MULTILINE,
)
_FUNCTION = re.compile(r"^[A-Za-z_][\w \t*]*\([^;{}\n]*\)\s*\{\n", re.MULTILINE)

LEAST_LETTERS = 30
"""In the identifiers of a directive; fewer say nothing: `#define NCURSES_OPAQUE 0` may well have only new words."""

LEAST_KNOWN = 0.5
"""The share of the words in identifiers, by letters, below which an item is no C that anybody would write."""


# Block comments may have blank lines, which part what the lexer sees; strings may have the signs of comments.
_BLOCK_COMMENT = re.compile(
    r"""(/\*.*?(?:\*/|\Z))|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*""", re.DOTALL
)
_VISIBLE = re.compile(r"\S")


class CSource(Genre):
    name = "c_source"
    title = "C"
    sign = "directives, keywords and statements ended by ; or a brace"

    figures = {  # noqa: RUF012
        "valid": VALID,
        "parsed": Figure("bytes that parse", once="its C parses"),
        "functions_whole": Figure("functions that parse whole", once="its functions parse whole"),
        "declared": Figure("identifiers used that are declared or known", better="human"),
    }

    def score(self, text: str) -> float:
        # What stands in comments says nothing: headers are full of them.
        text = _COMMENT.sub("", text)
        lines = sum(1 for line in text.split("\n") if line.strip())
        directives = len(_DIRECTIVE.findall(text))
        if not lines or len(_KEYWORD.findall(text)) + directives < 0.1 * lines:
            return 0.0
        marked = len(_STATEMENT.findall(text)) + directives
        return min(1.0, 1.25 * marked / lines) if marked > 0.3 * lines else 0.0

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, TOP_LEVEL)

    def primes(self, text: str) -> list[str]:
        starts = [m.start() for m in _FUNCTION.finditer(text)]
        return openings(text, starts, _signature, "static int ")

    def validator(self, training: Iterable[str]) -> Validator:
        from corpora.syntax.c import read

        known: set[str] = set()
        known_parts: set[str] = set()

        def noting(pieces: Iterable[str]) -> Iterator[str]:
            for piece in pieces:
                known.update(IDENTIFIER.findall(piece))
                yield piece

        known_words = words.vocabulary(noting(training))
        for name in known:
            known_parts.update(parts(name))

        def judge(text: str) -> Verdict:
            source = read(text)
            pieces = []
            for item in source.items:
                found = list(item.problems)
                inside = [part for name in item.identifiers for part in parts(name)]
                letters = sum(map(len, inside))
                familiar = sum(len(part) for part in inside if part in known_parts)
                few = item.kind.startswith("preproc") and letters < LEAST_LETTERS
                if not few and familiar < LEAST_KNOWN * letters:
                    found.append(
                        Problem(item.start, "most of its names are no words of the training text")
                    )
                if item.kind == "comment":
                    found += language_problems(
                        item.start, text[item.start : item.stop], known_words
                    )
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
        found = [Span(*m.span(1), "comment") for m in _BLOCK_COMMENT.finditer(text) if m[1]]
        code = _BLOCK_COMMENT.sub(lambda m: _VISIBLE.sub(" ", m[0]) if m[1] else m[0], text)
        return without_overlap([*found, *spans("CLexer", code)])


def parts(identifier: str) -> list[str]:
    """The words of an identifier in lower case: JS_NewUint32 gives js, new, uint."""
    return [part.lower() for part in _PART.findall(identifier)]


def _signature(following: str) -> int:
    match = _FUNCTION.match(following)
    return match.end() if match else 0


GENRE = CSource()
