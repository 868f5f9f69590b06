"""`abc`: header fields, notes, lengths, bar lines, chords and tuplets of ABC tunes are tokens; the rest is spelled.

The cut is the ABC parser's own (`corpora.abc.lexer`), close to the vocabulary of folk-rnn (Sturm et al. 2016): `M:6/8`
is one token, `^c'` and its length `3/2` are two. Titles and whatever else is no notation go by character, and
characters that the corpus did not have by their bytes, so any text can be read and comes back as it was.

A line is cut by itself, and one of more than 4,096 characters into pieces of so many, so memory stays bounded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Self

import numpy as np

from corpora.abc.lexer import tokens
from engine.tokenizers._corpus import survey
from engine.tokenizers._units import UnitTokenizer
from engine.tokenizers.base import Ids

_LINE = 4096
_CHUNKS = re.compile(rf"[^\n]{{0,{_LINE - 1}}}\n|[^\n]{{1,{_LINE}}}")
_WHOLE_FIELDS = "MLKRQPV"
_SIGNS = frozenset(
    (
        "inline",
        "ending",
        "bar",
        "note",
        "length",
        "tuplet",
        "broken",
        "symbol",
        "decoration",
        "grace",
    )
)
_LONGEST = 40


class AbcTokenizer(UnitTokenizer):
    """The units are signs of the notation."""

    name = "abc"
    unit = "sign"
    max_characters = 4_000
    max_units = 2_000

    @classmethod
    def is_unit(cls, text: str) -> bool:
        return len(text) <= _LONGEST

    @classmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:
        """The corpus' characters, then its most frequent signs, those that occur three times."""
        room = cls._room(vocab_size)
        counts, sample = survey(pieces)
        characters = counts.most_common(min(cls.max_characters, (room + 1) // 2))
        found = Counter(unit for text in sample for unit in _cut(text) if len(unit) > 1)
        for unit, n in list(found.items()):
            if unit[1] == ":" and unit[0] in _WHOLE_FIELDS:
                found[unit[:2]] += n  # for the rare ones, which are spelled behind it
        return cls(characters, cls._frequent(found, min(cls.max_units, room - len(characters))))

    def encode(self, text: str) -> Ids:
        ids: list[int] = []
        known = self._ids
        for unit in _cut(text):
            if (one := known.get(unit)) is not None:
                ids.append(one)
            elif len(unit) > 2 and unit[1] == ":" and (head := known.get(unit[:2])) is not None:
                ids += [head, *self._alphabet.encode(unit[2:]).tolist()]
            else:
                ids += self._alphabet.encode(unit).tolist()
        return np.array(ids, np.uint32)

    def safe_cut(self, text: str) -> int:
        """After a line's end; in a long line after every 4,096 characters."""
        line = text.rfind("\n") + 1
        return line + (len(text) - line) // _LINE * _LINE


def _cut(text: str) -> Iterator[str]:
    """What may be a token each: joined, they are the text."""
    for chunk in _CHUNKS.findall(text):
        for kind, sign, _ in tokens(chunk):
            if kind in _SIGNS and len(sign) <= _LONGEST:
                yield sign
            elif kind == "field" and sign[1:2] == ":":
                if sign[0] in _WHOLE_FIELDS and len(sign) <= _LONGEST:
                    yield sign
                else:
                    yield sign[:2]
                    yield from sign[2:]
            else:
                yield from sign
