"""From the corpus' text to the files of a token folder (tokens.py), in one pass and little memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from checkpoints.errors import CorpusError
from checkpoints.files import sync_descriptor
from corpora.snapshot import Corpus
from engine.splits import Split
from engine.tokenizers.base import Ids, Tokenizer
from engine.tokenizers.byte import ByteTokenizer

FORMAT = 1
FILES = ("tokens.bin", "documents.bin")
PARTS = ("train", "valid", "test")

Progress = Callable[[int, int], None]
"""Gets the characters that are done and their total."""


class CorpusText:
    """The corpus read on and on, up to one offset after the other."""

    def __init__(self, corpus: Corpus) -> None:
        self._pieces: Iterator[Any] = corpus.byte_pieces() if corpus.binary else corpus.pieces()
        self._piece: Any = b"" if corpus.binary else ""
        self._used = 0
        self.at = 0

    def until(self, stop: int) -> Iterator[Any]:
        """What lies between here and `stop`, in pieces: str, or bytes of a binary corpus."""
        while self.at < stop:
            if self._used == len(self._piece):
                self._piece, self._used = next(self._pieces, None), 0
                if self._piece is None:
                    raise CorpusError(
                        f"the corpus' text ends at {self.at:,} although it was longer when it was read",
                        hint="give the corpus to `rnnstudio train` again; it is then read afresh",
                    )
            part = self._piece[self._used : self._used + stop - self.at]
            self._used += len(part)
            self.at += len(part)
            yield part


def encode(
    folder: Path,
    key: str,
    corpus: Corpus,
    tokenizer: Tokenizer,
    where: Split,
    documents: Iterator[int] | None,
    progress: Progress | None,
) -> None:
    """Write the files of a token folder. `documents`: where they start, in document mode."""
    dtype = _smallest(tokenizer.vocab_size)
    text = CorpusText(corpus)
    ids_of = _encoder(corpus, tokenizer)
    parts: dict[str, dict[str, int]] = {}
    with _Output(folder / FILES[0]) as tokens, _Output(folder / FILES[1]) as starts:
        stops = _stops(documents, where)
        for name, (start, end) in zip(PARTS, where.parts, strict=True):
            first, first_document = tokens.items, starts.items
            while text.at < end:
                stop, ends_document = next(stops)
                if documents is not None:
                    starts.write(np.array([tokens.items - first], dtype="<u8"))
                for ids in ids_of(text.until(stop)):
                    tokens.write(ids.astype(dtype))
                    if progress is not None:
                        progress(text.at, corpus.chars)
                if ends_document:
                    tokens.write(np.array([tokenizer.document_end], dtype=dtype))
            parts[name] = {
                "chars": end - start,
                "tokens": tokens.items - first,
                "documents": starts.items - first_document,
            }
    meta = {
        "format": FORMAT,
        "key": key,
        "dtype": dtype.name,
        "vocab_size": tokenizer.vocab_size,
        "document_mode": documents is not None,
        "parts": parts,
        "files": {
            name: {"size_bytes": out.size_bytes, "sha256": out.digest.hexdigest()}
            for name, out in zip(FILES, (tokens, starts), strict=True)
        },
    }
    with (folder / "meta.json").open("xb") as file:
        file.write(json.dumps(meta, indent=1).encode())
        file.flush()
        sync_descriptor(file.fileno())


def _encoder(corpus: Corpus, tokenizer: Tokenizer) -> Callable[[Iterator[Any]], Iterator[Ids]]:
    if not corpus.binary:
        return tokenizer.encode_pieces
    if not isinstance(tokenizer, ByteTokenizer):
        raise CorpusError(
            f"a binary corpus cannot be cut by the {tokenizer.name} tokenizer",
            hint="use --tokenizer byte",
        )
    encode_bytes = tokenizer.encode_bytes
    return lambda pieces: map(encode_bytes, pieces)


def _stops(documents: Iterator[int] | None, where: Split) -> Iterator[tuple[int, bool]]:
    """Where to stop encoding, one place after the other, and whether a document ends there.

    A cut of the split inside a document stops, too, but no document ends.
    """
    if documents is None:
        yield from ((place, False) for place in sorted({where.valid, where.test, where.end}))
        return
    cuts = [cut for cut in sorted({where.valid, where.test}) if 0 < cut < where.end]
    for start in documents:
        while cuts and cuts[0] <= start:
            cut = cuts.pop(0)
            if cut < start:
                yield cut, False
        if start:
            yield start, True
    yield from ((cut, False) for cut in cuts)
    yield where.end, True


class _Output:
    """A file of numbers that is counted and hashed as it is written, and on the disk when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self.digest = hashlib.sha256()
        self.items = 0
        self.size_bytes = 0

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._file.flush()
                sync_descriptor(self._file.fileno())
        finally:
            with contextlib.suppress(OSError):  # a full disk refuses the last block once more
                self._file.close()

    def write(self, numbers: npt.NDArray[Any]) -> None:
        data = numbers.tobytes()
        self._file.write(data)
        self.digest.update(data)
        self.items += len(numbers)
        self.size_bytes += len(data)


def _smallest(vocab_size: int) -> np.dtype[Any]:
    """The smallest type that holds every id."""
    for name, size in (("<u1", 1 << 8), ("<u2", 1 << 16)):
        if vocab_size <= size:
            return np.dtype(name)
    return np.dtype("<u4")
