"""Whether LaTeX's braces, formulas and environments open and close in order, read in one pass."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from corpora.genres.base import Problem

_TOKEN = re.compile(
    r"""
    (?P<verb>\\(?:verb|lstinline)\*?(?P<bar>[^\sa-zA-Z*])[^\n]{0,300}?(?P=bar))
  | (?P<verbatim>\\begin\{(?P<raw>verbatim\*?|lstlisting|comment)\})
  | \\begin\s?\{(?P<begin>[a-zA-Z]{1,30}\*?)\}
  | \\end\s?\{(?P<end>[a-zA-Z]{1,30}\*?)\}
  | (?P<environment>\\(?:begin|end)(?![a-zA-Z]))
  | (?P<mathopen>\\[\[(])
  | (?P<mathclose>\\[\])])
  | (?P<command>\\(?:[a-zA-Z@]+\*?|.|\n))
  | (?P<comment>%[^\n]*)
  | (?P<dollar>\$\$?)
  | (?P<open>\{)
  | (?P<close>\})
  | (?P<blank>\n[ \t]*\n\s*)
    """,
    re.VERBOSE,
)

_CLOSES = {r"\]": r"\[", r"\)": r"\("}
_FORMULAS = frozenset(("$", "$$", r"\[", r"\("))


class _Open(NamedTuple):
    at: int
    what: str
    """`{`, a formula's sign, or the name of an environment."""


class Block(NamedTuple):
    """A stretch of text at whose end nothing is open, and what is wrong within it."""

    start: int
    stop: int
    problems: list[Problem]
    commands: list[str]


def blocks(text: str) -> Iterator[Block]:
    """The text in blocks that end at a blank line outside everything; the last one may end unfinished.

    A formula ends at the latest with its paragraph, as TeX has it, so that one lost `$` does not turn the meaning of
    all that follows round. Time is linear: each opener is pushed and popped once.
    """
    stack: list[_Open] = []
    open_kinds: Counter[str] = Counter()
    start, problems, commands = 0, list[Problem](), list[str]()

    def close(what: str, at: int, shown: str) -> None:
        """Closes the innermost `what`, reporting what was open inside it."""
        if not open_kinds[what]:
            problems.append(Problem(at, f"{shown} closes nothing"))
            return
        while True:
            inner = stack.pop()
            open_kinds[inner.what] -= 1
            if inner.what == what:
                return
            problems.append(Problem(inner.at, f"{_shown(inner.what)} is still open at {shown}"))

    def push(what: str, at: int) -> None:
        stack.append(_Open(at, what))
        open_kinds[what] += 1

    at = 0
    while match := _TOKEN.search(text, at):
        kind, token, at = match.lastgroup, match.group(), match.end()
        place = match.start()
        if match["verbatim"]:
            stop = text.find(f"\\end{{{match['raw']}}}", at)
            at = len(text) if stop < 0 else stop + len(f"\\end{{{match['raw']}}}")
        elif match["begin"]:
            push(match["begin"], place)
        elif match["end"]:
            close(match["end"], place, f"\\end{{{match['end']}}}")
        elif kind == "environment":
            problems.append(Problem(place, f"{token} without a name in braces"))
        elif kind == "mathopen":
            push(token, place)
        elif kind == "mathclose":
            close(_CLOSES[token], place, token)
        elif kind == "command":
            commands.append(token)
        elif kind == "dollar":
            # Inside $ ... $ the text `$$` is the end of one formula and the beginning of another.
            for sign in (token,) if not (token == "$$" and open_kinds["$"]) else ("$", "$"):
                if open_kinds[sign]:
                    close(sign, place, sign)
                else:
                    push(sign, place)
        elif kind == "open":
            push("{", place)
        elif kind == "close":
            close("{", place, "}")
        elif kind == "blank":
            while any(open_kinds[sign] for sign in _FORMULAS):
                inner = stack.pop()
                open_kinds[inner.what] -= 1
                problems.append(
                    Problem(inner.at, f"{_shown(inner.what)} is not closed in its paragraph")
                )
            if not stack:
                yield Block(start, place, problems, commands)
                start, problems, commands = at, [], []
    if text[start:].strip():
        yield Block(start, len(text), problems, commands)


def _shown(what: str) -> str:
    return what if what == "{" or what in _FORMULAS else f"\\begin{{{what}}}"
