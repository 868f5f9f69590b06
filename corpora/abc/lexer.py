"""ABC text cut into tokens. It never fails, loses nothing (the tokens joined are the text) and takes linear time.

The tokens are those of ABC 2.1 with 1.6's habits; whatever is none of them is a token of kind `other`. A note's length
is a token of its own, as in folk-rnn's vocabulary (Sturm et al. 2016), so one cut serves parser and language model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Token(NamedTuple):
    """A piece of ABC and where it begins (characters from the start of the text)."""

    kind: str
    text: str
    start: int


FIELD = r"[ \t]{0,8}(?:[H-Zmrsw]:|[A-G]:(?![ \t]{0,4}[|:]))"
"""What a field's line begins with; `G:|` and `F::` begin lines of music: A to G are notes too."""

NOTE = re.compile(r"(\^{1,2}|_{1,2}|=)?([A-Ga-g])([,']*)")
"""A note's accidental, letter and octave marks."""

# First match wins. Repetitions that could be tried again from each following character are bounded ({0,n}), which
# keeps every input linear: `[K:[K:[K:…` without a bracket's end would otherwise be read to the line's end each time.
_KINDS = (
    ("field", rf"^{FIELD}[^\n]*"),
    ("continuation", r"^\+:[^\n]*"),
    ("comment", r"%[^\n]*"),
    ("inline", r"\[[ ]?[A-Za-z]:(?![|:])[^\]\n]{0,200}\]"),
    (
        "ending",
        r'\[[ ]?[0-9][0-9,.-]{0,40}|\["[^"\n|\]]{0,40}"|(?<=[|:])[0-9]+(?:[,-][0-9]+){0,20}',
    ),
    ("bar", r"\.\||:{0,8}(?:\[\|\]|\[?\|[|\]:]*)|:{2,9}"),
    ("note", NOTE.pattern),
    ("rest", r"[zxZX]"),
    ("length", r"[0-9]+(?:/[0-9]*)*|/[/0-9]*"),
    ("tuplet", r"\([0-9]{1,3}(?::[0-9]{0,3}){0,2}"),
    ("broken", r">+|<+"),
    ("tie", r"-"),
    ("symbol", r'"[^"\n|]{0,200}"'),
    ("decoration", r"![^!\n| ][^!\n|]{0,60}!|\+[^+\n|]{1,60}\+|[.~H-Wh-w]"),
    ("grace", r"\{/?"),
    ("grace_end", r"\}"),
    ("slur", r"\("),
    ("slur_end", r"\)"),
    ("chord", r"\["),
    ("chord_end", r"\]"),
    ("overlay", r"&+"),
    ("backslash", r"\\"),
    ("newline", r"\n"),
    ("space", r"[ \t\r`]+|y[0-9]*"),
    # A run of the same sign that is nothing here is one token: a megabyte of it must not become a million.
    ("other", r"(?P<run>[^\n])(?P=run)*"),
)
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS), re.MULTILINE)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of any text, in order; joined, they are the text."""
    for match in _TOKEN.finditer(text):
        yield Token(match.lastgroup or "other", match.group(), match.start())
