"""Text that stands for bytes, for models of files that are no text."""

from __future__ import annotations

from engine.tokenizers.byte import ByteTokenizer


class RawBytes(ByteTokenizer):
    """The byte tokenizer, decoding each byte to the character of the same number (Latin-1): nothing is replaced."""

    def decoder(self) -> RawDecoder:  # type: ignore[override]
        return RawDecoder()


class RawDecoder:
    """No byte is held back: each is a character of its own."""

    def push(self, token: int) -> str:
        return chr(token) if token < 256 else ""

    def flush(self) -> str:
        return ""
