"""LaTeX: mathematics as the Stacks project writes it, or any other document's source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

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
from corpora.syntax.latex import COMMON, blocks
from corpora.syntax.pygmented import spans

SECTION = re.compile(r"^\\(?:part|chapter|section|subsection)\*?\{", re.MULTILINE)
_COMMAND = re.compile(r"\\[a-zA-Z@]+\*?")
_LABEL = re.compile(r"\\label\{([^}\n]{1,100})\}")
_REFERENCE = re.compile(r"\\(?:ref|eqref|autoref|cref)\{([^}\n]{1,100})\}")
# What is no language: commands, the names of labels and environments, formulas.
_NO_WORDS = re.compile(
    r"\\(?:begin|end|label|ref|eqref|cite|input|usepackage)\*?(?:\[[^\]\n]{0,100}\])?\{[^}\n]{0,100}\}"
    r"|\\[a-zA-Z@]+\*?|\$[^$\n]{0,300}\$|%[^\n]*"
)
_MARKS = re.compile(
    r"\\(?:begin|end|[a-z]*section\*?|chapter|label|ref|cite)\{|\$|\\\[|\\[a-zA-Z]+"
)
_ENVIRONMENT = re.compile(
    r"^\\(?:begin|section|subsection|chapter)\*?\{[^}\n]{0,100}\}[^\n]*\n", re.MULTILINE
)

# What Pygments' lexer does not tell apart: headings, and the names of environments and labels.
_TITLE = re.compile(
    r"\\(?:part|chapter|(?:sub)*section|title|paragraph)\*?\{[^}\n]{0,200}\}"
    r"|(?P<name>\\(?:begin|end|label|ref|eqref|cite)\*?\{[^}\n]{0,100}\})"
)


class Latex(Genre):
    name = "latex"
    title = "LaTeX"
    sign = "commands, environments and formulas"
    figures = {  # noqa: RUF012
        "valid": VALID,
        "balanced": Figure(
            "blocks whose braces, formulas and environments balance",
            once="its formulas and environments close",
        ),
        "known_commands": Figure(
            "commands that LaTeX or the training text has", once="it invents no commands"
        ),
        "known_labels": Figure("references to labels that exist", better="human"),
    }

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

    def validator(self, training: Iterable[str]) -> Validator:
        known_commands = set(COMMON)
        known_labels: set[str] = set()

        def noting(pieces: Iterable[str]) -> Iterator[str]:
            for piece in pieces:
                known_commands.update(_COMMAND.findall(piece))
                known_labels.update(_LABEL.findall(piece))
                yield _NO_WORDS.sub(" ", piece)

        known_words = words.vocabulary(noting(training))

        def judge(text: str) -> Verdict:
            pieces: list[tuple[int, int, list[Problem]]] = []
            balanced = 0
            commands: list[str] = []
            for block in blocks(text):
                balanced += not block.problems
                found = list(block.problems)
                named = [c for c in block.commands if c[1:2].isalpha()]
                commands += named
                # The last command of a sample may have been cut.
                for command in named[: -1 if block.stop == len(text) else None]:
                    if command not in known_commands:
                        found.append(Problem(block.start, f"{command} is no known command"))
                plain = _NO_WORDS.sub(" ", text[block.start : block.stop])
                found += language_problems(block.start, plain, known_words)
                pieces.append((block.start, block.stop, found))
            labels = known_labels | set(_LABEL.findall(text))
            references = _REFERENCE.findall(text)
            return judged(
                pieces,
                {
                    "balanced": balanced / max(1, len(pieces)),
                    "known_commands": share(c in known_commands for c in commands),
                    "known_labels": share(label in labels for label in references),
                },
            )

        return judge

    def accepted(self, texts: Sequence[str]) -> list[float | None] | None:
        from corpora.syntax import tex

        if not tex.installed():
            return None
        # What the text's end cuts off can never compile. What does not balance is not asked for: it would take the
        # pieces behind it with it.
        whole = [
            [
                (text[block.start : block.stop], not block.problems)
                for block in blocks(text)
                if block.stop < len(text.rstrip())
            ]
            for text in texts
        ]
        asked = [piece for pieces in whole for piece, balanced in pieces if balanced]
        try:
            taken = iter(tex.compiled(asked))
        except OSError:  # a full /tmp is no reason to end a run
            return None
        found = [[balanced and next(taken) for _, balanced in pieces] for pieces in whole]
        return [share(one for one in pieces if one is not None) for pieces in found]

    def colour(self, text: str) -> list[Span]:
        found = [Span(*m.span(), "name" if m["name"] else "title") for m in _TITLE.finditer(text)]
        return without_overlap([*found, *spans("TexLexer", text)])


GENRE = Latex()
