"""The encoded corpus: token ids in a memory-mapped file, made once and shared by all runs that want the same.

    <cache>/tokens/<key>/
        tokens.bin      ids, little-endian uint8, uint16 or uint32 as the vocabulary needs
        documents.bin   uint64: where documents start, for each part counted from the part's own first token
        meta.json       sizes, checksums, and which range of each belongs to training, validation and test

The key is a hash of everything that the ids depend on: the text, the tokenizer, the documents, the split. The folder
is built beside its place and renamed, so that it is seen whole or not at all and several runs may want it at once. A
run keeps hard links, so that it can go on when cache and corpus are gone. Memory does not grow with the corpus.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from checkpoints.errors import CorpusError, RunError
from checkpoints.files import DISK, reason, way_out
from corpora.snapshot import ABANDONED_S, Corpus
from engine.config import DataConfig
from engine.encoding import FILES, FORMAT, PARTS, Progress, encode
from engine.ids import Ids, damaged
from engine.splits import Split, Starts, document_starts, split
from engine.tokenizers import find
from engine.tokenizers.base import Tokenizer
from engine.tokenizers.byte import ByteTokenizer

# `open_tokens` looks at the checksum of files up to this size (0.1 s); of larger ones at the size alone.
CHECKED_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Training, validation or test: ids on disk, read as they are touched."""

    tokens: Ids
    chars: int
    document_starts: npt.NDArray[np.uint64]
    """(documents,) ascending from 0, counted from this part's first token; empty unless in document mode."""

    def text(self, tokenizer: Tokenizer, start: int = 0, stop: int | None = None) -> str:
        """The text of tokens `start` up to `stop`; document ends read as nothing."""
        return tokenizer.decode(self.tokens[start:stop])


@dataclass(frozen=True, slots=True)
class TokenFile:
    """An encoded corpus. In document mode each document ends with `document_end`."""

    folder: Path
    key: str
    vocab_size: int
    document_mode: bool
    train: Part
    valid: Part
    test: Part


def learn_tokenizer(corpus: Corpus, config: DataConfig) -> Tokenizer:
    """The tokenizer that the settings name, for this corpus. Raises CorpusError if bytes are to be read as text."""
    kind = find(config.tokenizer)
    if corpus.binary and kind is not ByteTokenizer:
        raise CorpusError(
            f"a binary corpus cannot be cut by the {config.tokenizer} tokenizer",
            hint="use --tokenizer byte",
        )
    pieces = () if corpus.binary else corpus.pieces()
    return kind.learn(pieces, vocab_size=config.vocab_size)


def prepare(
    corpus: Corpus,
    tokenizer: Tokenizer,
    config: DataConfig,
    *,
    cache: Path,
    run_tokens: Path | None = None,
    starts: Starts | None = None,
    document_mode: bool = False,
    where: Split | None = None,
    progress: Progress | None = None,
) -> TokenFile:
    """The corpus as tokens: from the cache where a whole copy is, else encoded now.

    `starts` says where documents start (each file does, too): there the split is cut, unless `where` says how, and in
    `document_mode` each document is encoded by itself and followed by `document_end`. With `run_tokens`, a folder that
    need not exist, the run gets hard links, or copies where the file system has none, and these are what is returned.

    Raises RunError where cache or run cannot be written, CorpusError where the snapshot is gone.
    """
    digest = hashlib.sha256()
    found = split(corpus, config, _digested(document_starts(corpus, starts), digest))
    where = where or found
    key = _key(corpus, tokenizer, where, digest.hexdigest() if document_mode else "")
    folder = cache / "tokens" / key
    with _writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        if not _is_whole(folder, key):
            documents = document_starts(corpus, starts) if document_mode else None
            with _built_beside(folder, key) as building:
                encode(building, key, corpus, tokenizer, where, documents, progress)
    tokens = _open(folder)
    return tokens if run_tokens is None else keep_tokens(tokens, run_tokens)


def keep_tokens(tokens: TokenFile, run_tokens: Path) -> TokenFile:
    """The same tokens as hard links in `run_tokens`, or as copies where the file system has none.

    Raises RunError where they cannot be written.
    """
    with _writing(run_tokens):
        if not _is_whole(run_tokens, tokens.key):
            with _built_beside(run_tokens, tokens.key) as building:
                for name in (*FILES, "meta.json"):
                    _link(tokens.folder / name, building / name)
    return _open(run_tokens)


def open_tokens(run_tokens: Path) -> TokenFile:
    """The tokens that a run keeps. Raises RunError where they are missing or damaged."""
    try:
        key = str(_read_meta(run_tokens)["key"])
        whole = _is_whole(run_tokens, key, checked_bytes=CHECKED_BYTES)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise damaged(run_tokens)
    return _open(run_tokens)


def _key(corpus: Corpus, tokenizer: Tokenizer, where: Split, documents: str) -> str:
    files = {name: hashlib.sha256(data).hexdigest() for name, data in tokenizer.to_files().items()}
    parts = [FORMAT, corpus.sha256, corpus.binary, files, where.parts, documents]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _digested(starts: Iterator[int], digest: hashlib._Hash) -> Iterator[int]:
    """The same, while their hash is made: so a genre that cuts differently never meets its old tokens."""
    block = array("Q")
    for start in starts:
        block.append(start)
        if len(block) == 8192:
            digest.update(block)
            block = array("Q")
        yield start
    digest.update(block)


def _read_meta(folder: Path) -> dict[str, Any]:
    meta = json.loads((folder / "meta.json").read_bytes())
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError("not the meta.json of this version")
    return meta


def _is_whole(folder: Path, key: str, *, checked_bytes: int | None = None) -> bool:
    """Whether a folder holds the tokens of this key undamaged; checksums only of files up to `checked_bytes`."""
    try:
        meta = _read_meta(folder)
        if meta["key"] != key:
            return False
        for name in FILES:
            path, kept = folder / name, meta["files"][name]
            size = path.stat().st_size
            if size != kept["size_bytes"]:
                return False
            if checked_bytes is None or size <= checked_bytes:
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != kept["sha256"]:
                        return False
        counts = {
            name: sum(meta["parts"][part][name] for part in PARTS)
            for name in ("tokens", "documents")
        }
        width = np.dtype(meta["dtype"]).itemsize
        sizes = [meta["files"][name]["size_bytes"] for name in FILES]
        return sizes == [counts["tokens"] * width, counts["documents"] * 8]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _open(folder: Path) -> TokenFile:
    meta = _read_meta(folder)
    dtype = np.dtype(meta["dtype"]).newbyteorder("<")
    tokens, documents = _map(folder / FILES[0], dtype), _map(folder / FILES[1], np.dtype("<u8"))
    parts: list[Part] = []
    first = first_document = 0
    for name in PARTS:
        kept = meta["parts"][name]
        stop, stop_document = first + kept["tokens"], first_document + kept["documents"]
        ids = Ids(tokens[first:stop], vocab_size=meta["vocab_size"], folder=folder)
        parts.append(Part(ids, kept["chars"], documents[first_document:stop_document]))
        first, first_document = stop, stop_document
    train, valid, test = parts
    return TokenFile(
        folder, meta["key"], meta["vocab_size"], meta["document_mode"], train, valid, test
    )


def _map(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if path.stat().st_size == 0:  # which no system maps
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r")


@contextlib.contextmanager
def _built_beside(folder: Path, key: str) -> Iterator[Path]:
    """A new folder to fill; on leaving it takes the place of `folder`, unless a whole one came there meanwhile."""
    building = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}.tmp")
    building.mkdir(parents=True)
    try:
        yield building
        DISK.sync_folder(building)
        while True:
            try:
                building.rename(folder)
                DISK.sync_folder(folder.parent)
                return
            except OSError:
                if not folder.exists():
                    raise
            if _is_whole(folder, key):
                return
            # Damaged, or of another key: out of the way, then once more. Another process may have been faster.
            damaged = building.with_suffix(f".{secrets.token_hex(4)}.tmp")
            with contextlib.suppress(FileNotFoundError):
                folder.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _link(path: Path, new: Path) -> None:
    try:
        os.link(path, new)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, new)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-built, once nobody can be building it any more."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"the encoded corpus could not be written to {folder}: {reason(error)}",
            hint=way_out(error),
        ) from error
