"""`char`: each character of the corpus is a token; the classic of char-rnn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from checkpoints.errors import ConfigError
from engine.tokenizers._corpus import count_characters
from engine.tokenizers._spelling import (
    MAX_CHARACTERS,
    NIBBLES,
    SpelledTokenizer,
    checked_characters,
)
from engine.tokenizers.base import Ids, description, read_description


class CharTokenizer(SpelledTokenizer):
    """The corpus' Unicode code points, sorted; what is not among them is spelled in nibbles of its bytes.

    Ids: 16 nibbles, the characters, the document's end. A corpus with more than 60,000 different characters
    keeps the most frequent.
    """

    name = "char"

    @property
    def characters(self) -> str:
        """The characters that have a token; the first is id 16."""
        return self._alphabet.characters

    @classmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:
        most = vocab_size - NIBBLES - 1 if vocab_size else MAX_CHARACTERS
        if most < 0:
            raise ConfigError(
                f"vocab-size is {vocab_size}, too small for char",
                hint=f"use {NIBBLES + 1} or more, or leave it out",
            )
        return cls(count_characters(pieces).most_common(min(most, MAX_CHARACTERS)))

    def encode(self, text: str) -> Ids:
        return self._alphabet.encode(text)

    def extended(self, pieces: Iterable[str]) -> tuple[Self, list[int | None]]:
        """New characters come after the old ones, so that only the document's end moves."""
        room = MAX_CHARACTERS - len(self.characters)
        added = count_characters(pieces).most_common(room, without=self.characters)
        old_ids = [*range(self.document_end), *[None] * len(added), self.document_end]
        return type(self)(self.characters + added), old_ids

    def to_files(self) -> dict[str, bytes]:
        return description(self.name, characters=self.characters)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        body = read_description(files, cls.name)
        return cls(checked_characters(body.get("characters")))
