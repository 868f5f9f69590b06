"""What tokenizers of frequent units share: a unit of its own is one token, another is spelled by its characters.

Ids: 16 nibbles, the characters, the units (of two characters or more), the document's end.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Self

from checkpoints.errors import ConfigError
from engine.tokenizers._corpus import count_characters
from engine.tokenizers._spelling import (
    NIBBLES,
    SpelledTokenizer,
    checked_characters,
)
from engine.tokenizers.base import damaged, description, read_description

# A unit seen twice teaches its embedding next to nothing; its characters' embeddings know more.
RARE = 3


class UnitTokenizer(SpelledTokenizer):
    """A tokenizer whose frequent units are tokens. Subclasses say how a text is cut into units."""

    unit: ClassVar[str]
    """What one of them is called: `word`."""

    max_characters: ClassVar[int]
    max_units: ClassVar[int]

    def __init__(self, characters: str, units: Sequence[str]) -> None:
        super().__init__(characters, units)
        self._units = tuple(units)
        self._ids = {self._strings[i]: i for i in range(NIBBLES, self.document_end)}

    @classmethod
    @abstractmethod
    def is_unit(cls, text: str) -> bool:
        """Whether cutting a text could ever give this as a unit of two characters or more."""

    @classmethod
    def _room(cls, vocab_size: int) -> int:
        """For characters and units together. Raises ConfigError where there is none."""
        room = vocab_size - NIBBLES - 1 if vocab_size else cls.max_characters + cls.max_units
        if room < 1:
            raise ConfigError(
                f"vocab-size is {vocab_size}, too small for {cls.name}",
                hint=f"use {NIBBLES + 2} or more, or leave it out",
            )
        return room

    @staticmethod
    def _frequent(found: Counter[str], most: int) -> list[str]:
        """The units that occur often enough; of equals the first in code point order, whatever order they came in."""
        ranked = sorted((-n, unit) for unit, n in found.items() if n >= RARE and _keepable(unit))
        return [unit for _, unit in ranked[:most]]

    def extended(self, pieces: Iterable[str]) -> tuple[Self, list[int | None]]:
        """New characters come after the old ones; the units move up, and stay the same units."""
        old = self._alphabet.characters
        added = count_characters(pieces).most_common(self.max_characters - len(old), without=old)
        size = self._alphabet.size
        old_ids = [*range(size), *[None] * len(added), *range(size, self.vocab_size)]
        return type(self)(old + added, self._units), old_ids

    def to_files(self) -> dict[str, bytes]:
        units = {f"{self.unit}s": list(self._units)}
        return description(self.name, characters=self._alphabet.characters, **units)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        body = read_description(files, cls.name)
        units = body.get(f"{cls.unit}s")
        if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):
            raise damaged(f"its {cls.unit}s are no list of {cls.unit}s")
        if len(units) > cls.max_units:
            raise damaged(f"it has {len(units):,} {cls.unit}s; at most {cls.max_units:,} can be")
        if not all(len(unit) > 1 and _keepable(unit) and cls.is_unit(unit) for unit in units):
            raise damaged(f"one of its {cls.unit}s is none")
        if len(set(units)) != len(units):
            raise damaged(f"a {cls.unit} occurs twice in it")
        return cls(checked_characters(body.get("characters"), cls.max_characters), units)


def _keepable(unit: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in unit)
