"""`abc`: header fields, notes, lengths, bar lines, chords and tuplets of ABC tunes are tokens; the rest is spelled.

The cut is the ABC parser's own (`corpora.abc.lexer`), close to the vocabulary of folk-rnn (Sturm et al. 2016): `M:6/8`
is one token, `^c'` and its length `3/2` are two. Titles and whatever else is no notation go by character, and
characters that the corpus did not have by their bytes, so any text can be read and comes back as it was.

A line is cut by itself, and one of more than 4,096 characters into pieces of so many, so memory stays bounded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from checkpoints.errors import ConfigError
from corpora.abc.lexer import tokens
from engine.tokenizers._corpus import count_characters, survey
from engine.tokenizers._spelling import (
    NIBBLES,
    Alphabet,
    SpellingDecoder,
    checked_characters,
    decode_spelling,
    nibble_name,
)
from engine.tokenizers.base import (
    AnyIds,
    Ids,
    Tokenizer,
    damaged,
    description,
    read_description,
)

MAX_CHARACTERS = 4_000
MAX_SIGNS = 2_000
RARE = 3
"""A sign seen twice is spelled: its characters say as much."""

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


class AbcTokenizer(Tokenizer):
    """Ids: 16 nibbles, the characters, the signs (of two characters or more), the document's end."""

    name = "abc"

    def __init__(self, characters: str, signs: Sequence[str]) -> None:
        self._alphabet = Alphabet(characters)
        self._signs = tuple(signs)
        self.vocab_size = self._alphabet.size + len(signs) + 1
        self._strings: list[str] = [
            *(nibble_name(i) for i in range(NIBBLES)),
            *characters,
            *signs,
            "",
        ]
        self._ids = {self._strings[i]: i for i in range(NIBBLES, self.document_end)}

    @classmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:
        """The corpus' characters, then its most frequent signs, those that occur three times."""
        room = vocab_size - NIBBLES - 1 if vocab_size else MAX_CHARACTERS + MAX_SIGNS
        if room < 1:
            raise ConfigError(
                f"vocab-size is {vocab_size}, too small for abc",
                hint=f"use {NIBBLES + 2} or more, or leave it out",
            )
        counts, sample = survey(pieces)
        characters = counts.most_common(min(MAX_CHARACTERS, (room + 1) // 2))
        found = Counter(unit for text in sample for unit in _units(text) if len(unit) > 1)
        for unit, n in list(found.items()):
            if unit[1] == ":" and unit[0] in _WHOLE_FIELDS:
                found[unit[:2]] += n  # for the rare ones, which are spelled behind it
        ranked = sorted((-n, unit) for unit, n in found.items() if n >= RARE and _keepable(unit))
        most = min(MAX_SIGNS, room - len(characters))
        return cls(characters, [unit for _, unit in ranked[:most]])

    def encode(self, text: str) -> Ids:
        ids: list[int] = []
        known = self._ids
        for unit in _units(text):
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

    def decode(self, ids: AnyIds) -> str:
        return decode_spelling(ids, self._strings)

    def decoder(self) -> SpellingDecoder:
        return SpellingDecoder(self._strings)

    def token_text(self, token: int) -> str:
        return self._strings[token]

    def unseen(self, text: str) -> list[str]:
        return self._alphabet.unseen(text)

    def extended(self, pieces: Iterable[str]) -> tuple[Self, list[int | None]]:
        """New characters come after the old ones; the signs move up, and stay the same."""
        old = self._alphabet.characters
        added = count_characters(pieces).most_common(MAX_CHARACTERS - len(old), without=old)
        size = self._alphabet.size
        old_ids = [*range(size), *[None] * len(added), *range(size, self.vocab_size)]
        return type(self)(old + added, self._signs), old_ids

    def to_files(self) -> dict[str, bytes]:
        return description(self.name, characters=self._alphabet.characters, signs=list(self._signs))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        body = read_description(files, cls.name)
        signs = body.get("signs")
        if not isinstance(signs, list) or not all(isinstance(s, str) for s in signs):
            raise damaged("its signs are no list of signs")
        if len(signs) > MAX_SIGNS:
            raise damaged(f"it has {len(signs):,} signs; at most {MAX_SIGNS:,} can be")
        if not all(1 < len(s) <= _LONGEST and _keepable(s) for s in signs):
            raise damaged("one of its signs is none")
        if len(set(signs)) != len(signs):
            raise damaged("a sign occurs twice in it")
        return cls(checked_characters(body.get("characters"), MAX_CHARACTERS), signs)


def _units(text: str) -> Iterator[str]:
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


def _keepable(sign: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in sign)
