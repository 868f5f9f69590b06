"""What tokenizers learn from: a corpus of any size, read once in pieces that may be cut anywhere.

Everything here depends on the text alone, not on how it was cut, and stays in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

_UNICODE = 0x110000
PIECE = 1 << 20
# 32 Mi characters hold every word that deserves a token of a 16,000-word vocabulary, and fit in 128 MB at worst.
SAMPLE_PIECES = 32

CodePoints = npt.NDArray[np.uint32]


def code_points(text: str) -> CodePoints:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def from_code_points(codes: CodePoints) -> str:
    return codes.astype("<u4", copy=False).tobytes().decode("utf-32-le", "surrogatepass")


class CharacterCounts:
    """How often each character occurs, counted piece by piece; 9 MB whatever the corpus."""

    def __init__(self) -> None:
        self._counts = np.zeros(_UNICODE, np.int64)

    def add(self, text: str) -> None:
        counts = np.bincount(code_points(text))
        self._counts[: len(counts)] += counts

    @property
    def total(self) -> int:
        return int(self._counts.sum())

    def most_common(self, limit: int, *, without: str = "", coverage: float = 1.0) -> str:
        """The most frequent characters (of equals the lower code point), in code point order.

        At most `limit`, none of `without`, and no more than make up the share `coverage` of the text. Surrogates are
        left out: they are halves of characters, and JSON cannot keep them.
        """
        codes = np.flatnonzero(self._counts)
        codes = codes[
            ((codes < 0xD800) | (codes >= 0xE000)) & ~np.isin(codes, code_points(without))
        ]
        codes = codes[np.argsort(-self._counts[codes], kind="stable")]
        shares = np.cumsum(self._counts[codes])
        enough = int(np.searchsorted(shares, coverage * shares[-1:].sum())) + 1
        return from_code_points(np.sort(codes[: min(limit, enough)]).astype(np.uint32))


def count_characters(pieces: Iterable[str]) -> CharacterCounts:
    counts = CharacterCounts()
    for piece in pieces:
        counts.add(piece)
    return counts


def survey(pieces: Iterable[str]) -> tuple[CharacterCounts, list[str]]:
    """The count of every character, and a sample of the text: all of it up to 32 Mi characters.

    Of a larger corpus the sample has every second, fourth, eighth … piece of 1 Mi characters, spread over the whole.
    """
    counts = CharacterCounts()
    sample: list[str] = []
    stride = 1
    for i, piece in enumerate(_even(pieces)):
        counts.add(piece)
        if i % stride == 0:
            sample.append(piece)
        if len(sample) > SAMPLE_PIECES:
            sample = sample[::2]
            stride *= 2
    return counts, sample


def _even(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces of exactly `PIECE` characters, but for the last."""
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            text = "".join(held)
            whole = size // PIECE * PIECE
            yield from (text[i : i + PIECE] for i in range(0, whole, PIECE))
            held, size = [text[whole:]], size - whole
    if size:
        yield "".join(held)
