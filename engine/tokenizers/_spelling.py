"""Characters as tokens, and how a character without a token is spelled: shared by `char` and `word`.

A character that has no token is written as its UTF-8 bytes, and each byte as TWO tokens out of 16, its high and its
low four bits. Whole bytes would be half as long, but would cost 256 rows of the embedding and of the output layer that
training on the usual corpus (whose characters all have tokens) never touches: the 65 characters of a small
Shakespeare would be a fifth of the softmax. With sixteen rows they are four fifths, and any prompt can still be read.

Ids: 0 to 15 are the nibbles, 16 + i is character i. What comes after (words, the document's end) is the tokenizer's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.tokenizers._bytes import to_bytes, to_text, utf8_decoder
from engine.tokenizers._corpus import CodePoints, code_points, from_code_points
from engine.tokenizers.base import AnyIds, Ids, Tokenizer, damaged

NIBBLES = 16
# With nibbles and the document's end still below 65,536, so that a token takes two bytes on disk.
MAX_CHARACTERS = 60_000

_UNICODE = 0x110000
_MISSING = np.uint32(0xFFFFFFFF)


class Alphabet:
    """The characters that have a token, and the spelling of those that have none."""

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._ids = np.full(_UNICODE, _MISSING, np.uint32)
        self._ids[code_points(characters)] = np.arange(len(characters), dtype=np.uint32) + NIBBLES

    @property
    def size(self) -> int:
        """Nibbles and characters: the first id that is neither."""
        return NIBBLES + len(self.characters)

    def encode(self, text: str) -> Ids:
        """The ids of each character of `text`, those without one spelled in nibbles."""
        codes = code_points(text)
        ids = self._ids[codes]
        missing = ids == _MISSING
        if not missing.any():
            return ids
        # The nibbles fill the places of the missing characters in order.
        spelled = np.repeat(missing, _places(codes, missing))
        out = np.empty(len(spelled), np.uint32)
        out[~spelled] = ids[~missing]
        data = np.frombuffer(to_bytes(from_code_points(codes[missing])), np.uint8)
        out[spelled] = np.stack([data >> 4, data & 15], axis=1).ravel()
        return out

    def lengths(self, text: str) -> npt.NDArray[np.int64]:
        """How many ids each character of `text` takes."""
        codes = code_points(text)
        return _places(codes, self._ids[codes] == _MISSING)

    def unseen(self, text: str) -> list[str]:
        return [c for c in dict.fromkeys(text) if self._ids[ord(c)] == _MISSING]


def _places(codes: CodePoints, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    utf8_lengths = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    return np.where(missing, 2 * utf8_lengths, 1)


class SpellingDecoder:
    """Decodes nibbles (ids below 16) and tokens that stand for `strings[id]` ("" for the document's end).

    Bytes that another token interrupts, and half a byte, read as U+FFFD.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._utf8 = utf8_decoder()
        self._high: int | None = None
        self._spelling = False  # whether bytes may be waiting

    def push(self, token: int) -> str:
        if token >= NIBBLES:
            text = self._strings[token]
            return self.flush() + text if self._spelling else text
        self._spelling = True
        if self._high is None:
            self._high = token
            return ""
        byte = self._high << 4 | token
        self._high = None
        return self._utf8.decode(bytes([byte]))

    def flush(self) -> str:
        half = b"" if self._high is None else b"\xff"
        self._high, self._spelling = None, False
        return self._utf8.decode(half, final=True)


def decode_spelling(ids: AnyIds, strings: Sequence[str]) -> str:
    """The text of all ids at once, the same as `SpellingDecoder` gives, ten times faster."""
    array = np.asarray(ids)
    nibbles = array < NIBBLES
    parts = []
    for run in np.split(array, np.flatnonzero(np.diff(nibbles)) + 1):
        if len(run) and run[0] < NIBBLES:
            pairs = run[: len(run) // 2 * 2].astype(np.uint8)
            half = b"\xff" * (len(run) % 2)
            parts.append(to_text((pairs[::2] << 4 | pairs[1::2]).tobytes() + half))
        else:
            parts.append("".join(map(strings.__getitem__, run.tolist())))
    return "".join(parts)


def nibble_name(nibble: int) -> str:
    """How half a byte is shown."""
    return f"<{nibble:X}>"


def checked_characters(value: object, limit: int = MAX_CHARACTERS) -> str:
    """The characters of a `tokenizer.json`.

    Raises CheckpointError unless they are different ones, not too many, and no surrogates.
    """
    if not isinstance(value, str):
        raise damaged("its characters are no text")
    if len(value) > limit:
        raise damaged(f"it has {len(value):,} characters; at most {limit:,} can be")
    codes = code_points(value)
    if len(np.unique(codes)) != len(codes):
        raise damaged("a character occurs twice in it")
    if ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise damaged("a surrogate is among its characters")
    return value


class SpelledTokenizer(Tokenizer):
    """Ids: 16 nibbles, the characters, perhaps longer strings, the document's end."""

    def __init__(self, characters: str, longer: Sequence[str] = ()) -> None:
        self._alphabet = Alphabet(characters)
        self._strings: list[str] = [*map(nibble_name, range(NIBBLES)), *characters, *longer, ""]
        self.vocab_size = len(self._strings)

    def decode(self, ids: AnyIds) -> str:
        return decode_spelling(ids, self._strings)

    def decoder(self) -> SpellingDecoder:
        return SpellingDecoder(self._strings)

    def token_text(self, token: int) -> str:
        return self._strings[token]

    def unseen(self, text: str) -> list[str]:
        return self._alphabet.unseen(text)
