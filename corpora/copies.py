"""What of a text was copied from the training text, exactly, by a suffix array (divsufsort) over its UTF-8 bytes.

Built in 0.1 s a megabyte; five bytes of memory for each byte of text. For each place in a written text a binary search
finds the longest passage that begins there and stands in the training text: some 20 comparisons a place.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

LEAST = 20
"""Characters from which a passage counts as copied; shorter ones are idioms, and any text is full of them."""

INDEXED_BYTES = 50_000_000
"""Of a longer training text evenly spaced pieces are indexed: 250 MB of memory and some 10 s."""

# How much of a suffix one comparison looks at; a longer match is followed in a second step.
_HEAD = 256


@dataclass(frozen=True, slots=True)
class Copies:
    """What was copied into a text."""

    longest: str
    """The longest copied passage, however short."""

    share: float
    """Share of the characters that lie in copied passages of `LEAST` characters or more."""


class CopyIndex:
    """Finds passages of a training text."""

    def __init__(self, pieces: Iterable[str], *, limit: int = INDEXED_BYTES) -> None:
        encoded = (piece.encode("utf-8", "replace") for piece in pieces)
        self._text = b"".join(thinned(encoded, limit))[:limit]
        self._suffixes = _suffix_array(self._text)

    def find(self, text: str) -> Copies:
        """What of the text stands in the training text."""
        data = text.encode("utf-8", "replace")
        if not data or not self._text:
            return Copies("", 0.0)
        # chars[i]: characters that begin before byte i.
        begins = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
        chars = np.concatenate(([0], np.cumsum(begins))).tolist()
        longest = ""
        covered_to = covered = go_on = 0
        for at in np.flatnonzero(begins).tolist():
            if at < go_on:
                continue
            length = self._longest_match(data, at)
            while length and at + length < len(data) and not begins[at + length]:
                length -= 1  # never a part of a character
            if chars[at + length] - chars[at] > len(longest):
                longest = text[chars[at] : chars[at + length]]
            if chars[at + length] - chars[at] >= LEAST and at + length > covered_to:
                covered += chars[at + length] - chars[max(at, covered_to)]
                covered_to = at + length
                if length >= _HEAD:
                    # Inside so long a copy none is looked for that begins later and ends little later: a text copied
                    # whole would take time with the square of its length.
                    go_on = at + length - 2 * LEAST
        return Copies(longest, covered / chars[-1])

    def _longest_match(self, data: bytes, at: int) -> int:
        """How many bytes from `at` on stand in the training text."""
        text, suffixes = self._text, self._suffixes
        head = data[at : at + _HEAD]
        slot = bisect.bisect_left(
            range(len(suffixes)), head, key=lambda i: text[suffixes[i] : suffixes[i] + _HEAD]
        )
        best = 0
        # The longest match is a neighbour in the order of suffixes; where many agree over a whole head, the next few
        # are looked at, so that of a passage far longer than a head nearly always the longest copy is found.
        for i in range(max(0, slot - 1), min(len(suffixes), slot + 8)):
            length = _common(data, at, text, int(suffixes[i]))
            if length <= best and i > slot and length < _HEAD:
                break
            best = max(best, length)
        return best


def _common(a: bytes, i: int, b: bytes, j: int) -> int:
    """How many bytes agree from a[i] and b[j] on."""
    most = min(len(a) - i, len(b) - j)
    low = 0
    step = 32
    while low < most and a[i + low : i + low + step] == b[j + low : j + low + step]:
        low = min(most, low + step)
        step *= 2
    for k in range(low, most):
        if a[i + k] != b[j + k]:
            return k
    return most


def _suffix_array(text: bytes) -> npt.NDArray[np.int32]:
    if not text:
        return np.zeros(0, np.int32)
    try:
        from pydivsufsort import divsufsort
    except ModuleNotFoundError:  # a checkout on a machine that nothing can be installed on
        return _doubled(text)
    return np.asarray(divsufsort(text), np.int32)


def _doubled(text: bytes) -> npt.NDArray[np.int32]:
    """The suffix array in NumPy, twenty times slower: in order of 1, 2, 4, … bytes (Manber and Myers, 1993)."""
    ranks = np.frombuffer(text, np.uint8).astype(np.int64) + 1
    most, width = 256, 1
    while True:
        keys = ranks * (most + 1)
        keys[:-width] += ranks[width:]
        order = np.argsort(keys, kind="stable")
        ranks[order] = 1 + np.cumsum(np.diff(keys[order], prepend=keys[order[0]]) != 0)
        most, width = int(ranks[order[-1]]), 2 * width
        if most == len(text):
            return order.astype(np.int32)


Piece = TypeVar("Piece", str, bytes)


def thinned(pieces: Iterable[Piece], limit: int) -> list[Piece]:
    """Evenly spaced pieces that together, unless it is one, are not longer than the limit."""
    kept: list[Piece] = []
    stride, size = 1, 0
    for i, piece in enumerate(pieces):
        if i % stride == 0:
            kept.append(piece)
            size += len(piece)
        while size > limit and len(kept) > 1:
            kept = kept[::2]
            stride *= 2
            size = sum(map(len, kept))
    return kept
