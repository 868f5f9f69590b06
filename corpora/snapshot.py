"""A corpus as it was read: one normalised text file named by its own hash, and what is known about it.

    <cache>/text/<sha256>.txt     UTF-8, LF line ends (or `.bin`: the bytes as they came)
    <cache>/text/<sha256>.json    sources, encodings, character counts

Both are written to temporary files, fsynced and renamed, so another process sees them whole or not at all.
"""

from __future__ import annotations

import bisect
import codecs
import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from checkpoints.errors import CorpusError, RunError
from checkpoints.files import reason, way_out

FORMAT = 1
PIECE_BYTES = 1 << 20
ABANDONED_S = 24 * 3600.0
ELSEWHERE = "--runs DIR"
"""How who trains names another place for the cache."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file, and where its text begins in the corpus."""

    path: str
    """As the user knows it; a file inside an archive reads `books.zip: a/b.txt`."""
    size_bytes: int
    chars: int
    encoding: str
    start_char: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """All inputs as one text. `chars` counts code points; for a binary corpus everything counts bytes."""

    path: Path
    sha256: str
    chars: int
    size_bytes: int
    sources: tuple[SourceFile, ...]
    counts: Mapping[str, int]
    """How often each character occurs; empty for a binary corpus."""
    binary: bool = False
    index: tuple[tuple[int, int], ...] = field(default=((0, 0),), repr=False)
    """(character, byte) offsets about every MiB, so that a slice is found without reading from the start."""

    def pieces(self, size: int = PIECE_BYTES) -> Iterator[str]:
        """The text in pieces of up to `size` bytes, cut after a line end wherever the piece has one.

        The cuts depend on the text alone. Raises CorpusError for a binary corpus and where the snapshot is gone.
        """
        if self.binary:
            raise CorpusError(
                "a binary corpus has bytes, not characters", hint="use --tokenizer byte"
            )
        rest = b""
        for block in self.byte_pieces(size):
            data = rest + block
            cut = data.rfind(b"\n") + 1 or _whole_characters(data)
            if cut:
                yield data[:cut].decode("utf-8")
            rest = data[cut:]
        if rest:
            yield rest.decode("utf-8")

    def byte_pieces(self, size: int = PIECE_BYTES) -> Iterator[bytes]:
        """The snapshot's bytes in pieces of `size` (the last may be shorter)."""
        with self._open() as file:
            while block := file.read(size):
                yield block

    def text(self, start: int, stop: int) -> str:
        """Characters `start` up to `stop` (clipped to the corpus); meant for small slices.

        In a binary corpus each byte reads as the character of the same number (Latin-1).
        """
        start, stop = max(0, start), min(stop, self.chars)
        if start >= stop:
            return ""
        with self._open() as file:
            if self.binary:
                file.seek(start)
                return file.read(stop - start).decode("latin-1")
            char, byte = self.index[bisect.bisect_right(self.index, (start, self.size_bytes)) - 1]
            file.seek(byte)
            decoder = codecs.getincrementaldecoder("utf-8")()
            found: list[str] = []
            while char < stop and (block := file.read(1 << 16)):
                piece = decoder.decode(block)
                found.append(piece[max(0, start - char) : stop - char])
                char += len(piece)
            return "".join(found)

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise CorpusError(
                f"the corpus' text {self.path} cannot be opened: {reason(error)}",
                hint="give the corpus to `rnnstudio train` again; it is then read afresh",
            ) from error


def open_corpus(cache: Path, sha256: str) -> Corpus | None:
    """The corpus that was once read under this hash; None where the cache no longer holds it whole."""
    folder = cache / "text"
    try:
        body = json.loads((folder / f"{sha256}.json").read_bytes())
        if body["format"] != FORMAT:
            return None
        corpus = Corpus(
            path=folder / body["file"],
            sha256=sha256,
            chars=body["chars"],
            size_bytes=body["size_bytes"],
            sources=tuple(SourceFile(**source) for source in body["sources"]),
            counts=body["counts"],
            binary=body["binary"],
            index=tuple((char, byte) for char, byte in body["index"]),
        )
        with corpus.path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return corpus if whole else None


class SnapshotWriter:
    """Writes a snapshot piece by piece; `publish` makes it visible. Leaving the `with` block earlier leaves nothing."""

    def __init__(self, cache: Path, *, binary: bool, elsewhere: str = ELSEWHERE) -> None:
        self.binary = binary
        self.elsewhere = elsewhere
        self.chars = 0
        self.size_bytes = 0
        self.sources: list[SourceFile] = []
        self.folder = cache / "text"
        self._hash = hashlib.sha256()
        self._last = b""
        self._index = [(0, 0)]
        self._code_points = np.zeros(0x110000, dtype=np.int64)
        self._bytes = np.zeros(256, dtype=np.int64)
        with writing(cache, elsewhere):
            self.folder.mkdir(parents=True, exist_ok=True)
            _sweep(self.folder)
            self._path = self.folder / f".{secrets.token_hex(8)}.tmp"
            self._file = self._path.open("xb")

    def __enter__(self) -> SnapshotWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk refuses the last block once more
            self._file.close()
        self._path.unlink(missing_ok=True)

    @property
    def ends_line(self) -> bool:
        """Whether what was written so far ends with a line end (or is empty)."""
        return self._last in (b"", b"\n")

    def write_text(self, text: str) -> None:
        """Append text. Raises UnicodeEncodeError on a lone surrogate."""
        if not text:
            return
        data = text.encode("utf-8")
        codes = np.frombuffer(data, np.uint8) if text.isascii() else _code_points(text)
        seen = np.bincount(codes)
        self._code_points[: len(seen)] += seen
        self._append(data, len(text))

    def write_bytes(self, data: bytes) -> None:
        """Append raw bytes to a binary snapshot."""
        if data:
            self._bytes += np.bincount(np.frombuffer(data, np.uint8), minlength=256)
            self._append(data, len(data))

    def _append(self, data: bytes, chars: int) -> None:
        with writing(self.folder, self.elsewhere):
            self._file.write(data)
        self._hash.update(data)
        self._last = data[-1:]
        self.chars += chars
        self.size_bytes += len(data)
        if self.size_bytes - self._index[-1][1] >= PIECE_BYTES:
            self._index.append((self.chars, self.size_bytes))

    def publish(self) -> Corpus:
        """Make the snapshot visible under its hash, over an older copy of the same text if there is one."""
        sha256 = self._hash.hexdigest()
        found = np.flatnonzero(self._code_points)
        corpus = Corpus(
            path=self.folder / f"{sha256}.{'bin' if self.binary else 'txt'}",
            sha256=sha256,
            chars=self.chars,
            size_bytes=self.size_bytes,
            sources=tuple(self.sources),
            counts={chr(code): int(self._code_points[code]) for code in found},
            binary=self.binary,
            index=tuple(self._index),
        )
        body = {
            "format": FORMAT,
            "file": corpus.path.name,
            "chars": corpus.chars,
            "size_bytes": corpus.size_bytes,
            "binary": corpus.binary,
            "sources": [asdict(source) for source in corpus.sources],
            "counts": dict(corpus.counts),
            "index": corpus.index,
        }
        with writing(self.folder, self.elsewhere):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            # The old copy is never trusted: what was just read and hashed takes its place.
            self._path.replace(corpus.path)
            sidecar = self.folder / f".{secrets.token_hex(8)}.tmp"
            try:
                with sidecar.open("xb") as file:
                    file.write(json.dumps(body).encode())
                    file.flush()
                    os.fsync(file.fileno())
                sidecar.replace(self.folder / f"{sha256}.json")
            finally:
                sidecar.unlink(missing_ok=True)
        return corpus


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written, once nobody can be writing it any more."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


@contextlib.contextmanager
def writing(folder: Path, elsewhere: str) -> Iterator[None]:
    """Turn a failure to write below `folder` into a sentence; `elsewhere` is what names another place."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"the corpus could not be kept in {folder}: {reason(error)}",
            hint=f"{way_out(error)}; {elsewhere} names another place",
        ) from error


def _code_points(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _whole_characters(data: bytes) -> int:
    """How many of these bytes make whole UTF-8 characters."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return len(data)
        if byte >= 0xC0:
            width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) if width <= back else len(data) - back
    return len(data)
