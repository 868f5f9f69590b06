"""LaTeX: mathematics as the Stacks project writes it, or any other document's source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from corpora.genres.base import Genre, Span, openings, starts_at_lines

SECTION = re.compile(r"^\\(?:part|chapter|section|subsection)\*?\{", re.MULTILINE)
COMMAND = re.compile(r"\\(?:[a-zA-Z@]+\*?|.)")
_MARKS = re.compile(
    r"\\(?:begin|end|[a-z]*section\*?|chapter|label|ref|cite)\{|\$|\\\[|\\[a-zA-Z]+"
)
_ENVIRONMENT = re.compile(
    r"^\\(?:begin|section|subsection|chapter)\*?\{[^}\n]*\}[^\n]*\n", re.MULTILINE
)


class Latex(Genre):
    name = "latex"
    title = "LaTeX"
    sign = "commands, environments and formulas"

    def score(self, text: str) -> float:
        # The Stacks project has a mark in every 17 characters, a thesis with few formulas one in 120.
        per_mark = len(text) / (len(_MARKS.findall(text)) + 1)
        if text.count("\\begin{") + text.count("\\section{") < 1 + len(text) // 20_000:
            return 0.0
        return min(1.0, 100 / max(per_mark, 1))

    def document_starts(self, pieces: Iterable[str]) -> Iterator[int]:
        return starts_at_lines(pieces, SECTION)

    def primes(self, text: str) -> list[str]:
        starts = [m.start() for m in _ENVIRONMENT.finditer(text)]
        return openings(text, starts, lambda following: following.find("\n") + 1, "\\section{")

    def colour(self, text: str) -> list[Span]:
        from pygments.lexers.markup import TexLexer

        from corpora.colouring import spans

        return spans(TexLexer(), text)


GENRE = Latex()
