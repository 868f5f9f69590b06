"""Bytes to text, when a model writes the bytes: whatever is no UTF-8 reads as U+FFFD and never raises.

Text goes to bytes by UTF-8 with `surrogatepass`, so a lone surrogate (half of a UTF-16 pair, which Python's strings
may hold) survives as three bytes. Coming back, `ERRORS` reads those three bytes as the surrogate again and replaces
what else is malformed.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

import numpy as np

from engine.tokenizers.base import AnyIds

ERRORS = "rnnstudio-text"


def _surrogate_or_replacement(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogatepass")(error)
    except UnicodeError:
        return codecs.lookup_error("replace")(error)


codecs.register_error(ERRORS, _surrogate_or_replacement)


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    return data.decode("utf-8", ERRORS)


def utf8_decoder() -> codecs.IncrementalDecoder:
    """Gives the same text as `to_text` for bytes that come in any pieces."""
    return codecs.getincrementaldecoder("utf-8")(ERRORS)


class BytesDecoder:
    """Decodes tokens that each stand for some bytes; the last id, the document's end, closes what is open."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_bytes = token_bytes
        self._utf8 = utf8_decoder()

    def push(self, token: int) -> str:
        if token == len(self._token_bytes):
            return self.flush()
        return self._utf8.decode(self._token_bytes[token])

    def flush(self) -> str:
        return self._utf8.decode(b"", final=True)


def decode_bytes(ids: AnyIds, token_bytes: Sequence[bytes]) -> str:
    """The text of all ids at once, the same as `BytesDecoder` gives."""
    array = np.asarray(ids)
    end = len(token_bytes)
    documents = np.split(array, np.flatnonzero(array == end))
    table = [*token_bytes, b""]
    return "".join(
        to_text(b"".join(map(table.__getitem__, document.tolist()))) for document in documents
    )


def byte_name(byte: int) -> str:
    """How a byte that is no character by itself is shown."""
    return f"<{byte:02X}>"
