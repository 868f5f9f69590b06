"""Words of a text, and pairs of brackets and quotes: what the judging of several genres shares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

# A run of letters with inner apostrophes; Chinese and Japanese write no spaces, so each of their characters counts.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)*")

# Anchored at line starts, so that a long run of spaces is looked at once and not from each of its places.
_PARAGRAPH = re.compile(r"^[^\S\n]*+\S.*+(?:\n[^\S\n]*+\S.*+)*+", re.MULTILINE)

VOCABULARY_CHARS = 50_000_000
"""Characters of the training text that a vocabulary is taken from; about 10 s, and more adds few words."""

BRACKETS: Mapping[str, str] = {")": "(", "]": "[", "}": "{"}
QUOTES: Mapping[str, str] = {"”": "“", "»": "«"}


def vocabulary(pieces: Iterable[str]) -> frozenset[str]:
    """The words of the training text in lower case."""
    words: set[str] = set()
    left = VOCABULARY_CHARS
    for piece in pieces:
        words.update(WORD.findall(piece[:left].lower()))
        left -= len(piece)
        if left <= 0:
            break
    return frozenset(words)


def known_share(text: str, known: frozenset[str], *, least: int = 0) -> float:
    """The share of a text's letters that stand in known words; 1 for a text with fewer letters than `least`.

    By letters and not by words, since shuffled text is full of "a", "I" and "s".
    """
    total = hits = 0
    for word in WORD.findall(text.lower()):
        total += len(word)
        if word in known:
            hits += len(word)
    return hits / total if total > least else 1.0


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """(offset, text) of each block between blank lines."""
    for match in _PARAGRAPH.finditer(text):
        yield match.start(), match.group()


def unpaired(
    text: str, pairs: Mapping[str, str] = BRACKETS, *, unfinished: bool = False
) -> Iterator[tuple[int, str]]:
    """(offset, sentence) of each closer without its opener and, unless the text is unfinished, each left open.

    `pairs` gives each closer its opener. `"` opens and closes by turns.
    """
    stack: list[tuple[int, str]] = []
    openers = frozenset(pairs.values())
    for at, char in enumerate(text):
        if char in openers:
            stack.append((at, char))
        elif char in pairs:
            if stack and stack[-1][1] == pairs[char]:
                stack.pop()
            else:
                inside = f" inside {stack[-1][1]!r}" if stack else ""
                yield at, f"{char!r} closes nothing{inside}"
    if not unfinished:
        for at, char in stack[:20]:
            yield at, f"{char!r} is never closed"
