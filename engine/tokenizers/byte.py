"""`byte`: the 256 bytes of UTF-8 as they are. The one tokenizer that reads any file at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np

from engine.tokenizers._bytes import BytesDecoder, byte_name, to_bytes, to_text
from engine.tokenizers.base import AnyIds, Ids, Tokenizer, description, read_description

_BYTES = tuple(bytes([i]) for i in range(256))


class ByteTokenizer(Tokenizer):
    """Ids 0 to 255 are bytes, 256 the document's end."""

    name = "byte"
    vocab_size = 257

    @classmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:  # noqa: ARG003
        """There is nothing to learn: the corpus is not read, and the vocabulary never changes."""
        return cls()

    def encode(self, text: str) -> Ids:
        return self.encode_bytes(to_bytes(text))

    def encode_bytes(self, data: bytes) -> Ids:
        """The ids (N,) of N bytes of any kind, for corpora that are no text."""
        return np.frombuffer(data, np.uint8).astype(np.uint32)

    def decode(self, ids: AnyIds) -> str:
        ids = np.asarray(ids)
        documents = np.split(ids, np.flatnonzero(ids == self.document_end))
        return "".join(to_text(self.decode_bytes(document)) for document in documents)

    def decode_bytes(self, ids: AnyIds) -> bytes:
        """The bytes that the ids stand for, for output as it is (`--raw`)."""
        ids = np.asarray(ids)
        return bytes(ids[ids != self.document_end].astype(np.uint8))

    def decoder(self) -> BytesDecoder:
        return BytesDecoder(_BYTES)

    def token_text(self, token: int) -> str:
        if token == self.document_end:
            return ""
        return chr(token) if token < 128 else byte_name(token)

    def unseen(self, text: str) -> list[str]:  # noqa: ARG002
        """None: every text is made of the same bytes."""
        return []

    def to_files(self) -> dict[str, bytes]:
        return description(self.name)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        read_description(files, cls.name)
        return cls()
