"""What every tokenizer offers: text to token ids and back, losslessly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]


class Decoder(Protocol):
    """Turns ids into text one at a time, holding back bytes until they make a character."""

    def push(self, token: int) -> str:
        """The text that became certain by this token, perhaps none."""
        ...

    def flush(self) -> str:
        """What was held back; bytes that never became a character read as U+FFFD."""
        ...


class Tokenizer(ABC):
    """Text to ids and back: `decode(encode(x)) == x` for any Unicode text.

    Id `document_end` (always `vocab_size - 1`) never comes from text: it ends a document, and decodes to nothing.
    """

    name: ClassVar[str]
    """The name under which `--tokenizer` finds it; the module's name too."""

    vocab_size: int

    @property
    def document_end(self) -> int:
        return self.vocab_size - 1

    @classmethod
    @abstractmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Tokenizer:
        """The tokenizer for a corpus that is read once, piece by piece (bounded memory)."""

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """The ids (N,) of a text; any text, also one with characters that the corpus never had."""

    @abstractmethod
    def decoder(self) -> Decoder:
        """A fresh incremental decoder."""

    @abstractmethod
    def token_text(self, token: int) -> str:
        """How a token reads by itself, for display: bytes as `<E2>`, the document's end as empty text."""

    @abstractmethod
    def to_files(self) -> dict[str, bytes]:
        """What a checkpoint stores: `tokenizer.json` (with its `name`) and perhaps another file."""

    @classmethod
    @abstractmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Tokenizer:
        """The tokenizer that `to_files` described. Raises CheckpointError on anything else."""

    def decode(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """The text of ids (N,)."""
        decoder = self.decoder()
        return "".join([*(decoder.push(int(i)) for i in ids), decoder.flush()])
