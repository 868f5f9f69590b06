"""Compressed files and archives as streams of text files, with limits, and without ever extracting to disk.

An archive comes from anywhere, so nothing in it is believed: names that lead outside, links and devices are skipped
and said; what unpacks to far more than it was is refused (a decompression bomb).
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol, Self, cast

from checkpoints.errors import CorpusError

SUFFIXES = (".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".tar", ".zip")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read before it must be a mistake or an attack."""

    unpacked_bytes: int = 64 << 30
    """What one archive may unpack to."""
    ratio: int = 200
    """How many times its size an archive may unpack to; text seldom passes 10, repetitive logs 100."""
    ratio_from_bytes: int = 16 << 20
    """The ratio is looked at from this much unpacked text on: a short run of spaces packs very well."""
    entries: int = 100_000
    """Files in one archive."""
    pipe_bytes: int = 64 << 30
    """What a pipe may deliver."""


class Stream(Protocol):
    """What can be read: all that is asked of a source."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Source:
    """One text to read. `stream` is valid until the next source is asked for."""

    name: str
    stream: Stream
    named: bool
    """Named by the user: being unreadable is an error; otherwise binary files are skipped, and that is said."""


class DamagedError(CorpusError):
    """An archive that was come across, not named, is damaged: whoever reads passes it over and says so."""


class Skipped:
    """What was passed over, by reason, to be said in one line each."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, reason: str, name: str) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1
        shown = self._names.setdefault(reason, [])
        if len(shown) < 3:
            shown.append(name)

    def count(self, reason: str) -> int:
        return self._counts.get(reason, 0)

    def sentences(self) -> Iterator[str]:
        for reason, count in self._counts.items():
            names = ", ".join(self._names[reason])
            more = f" and {count - 3:,} more" if count > 3 else ""
            yield f"skipped {names}{more}: {reason}"


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def open_archive(
    path: Path, packed: BinaryIO, *, named: bool, limits: Limits, skipped: Skipped
) -> Iterator[Source]:
    """The texts in a compressed file or an archive, one after another; `packed` are its bytes.

    Raises CorpusError where it is damaged, encrypted, or unpacks to more than `limits` allows. One that is not `named`
    raises DamagedError where it is damaged (a member's stream, too), and its encrypted members are skipped.
    """
    name = path.name.lower()
    with _said(path, named=named):
        if name.endswith(".zip"):
            yield from _zip_members(path, packed, limits, skipped, named=named)
            return
        # A pipe does not tell how much came of it; what it may unpack to is limited all the same.
        size = packed.tell if packed.seekable() else lambda: limits.unpacked_bytes
        meter = Metered(_decompress(packed, name), size, path, limits=limits, named=named)
        if ".tar" in name[-8:] or name.endswith((".tgz", ".tbz2", ".txz")):
            yield from _tar_members(path, meter, limits, skipped, named=named)
        else:
            yield Source(str(path), meter, named)


class Metered:
    """A stream of unpacked bytes that ends in a sentence when it outgrows the limits."""

    def __init__(
        self,
        stream: Stream,
        packed: Callable[[], int],
        path: Path,
        *,
        limits: Limits,
        named: bool,
    ) -> None:
        self._stream, self._packed, self._path, self._limits = stream, packed, path, limits
        self._named = named
        self.unpacked = 0

    def read(self, size: int = -1, /) -> bytes:
        with _said(self._path, named=self._named):
            data = self._stream.read(size if 0 <= size < 1 << 20 else 1 << 20)
        self.unpacked += len(data)
        if self.unpacked > self._limits.unpacked_bytes:
            raise CorpusError(
                f"{self._path} unpacks to more than {self._limits.unpacked_bytes:,} bytes, the limit",
                hint="unpack it yourself and give the folder, if you trust it",
            )
        if (
            self.unpacked > self._limits.ratio_from_bytes
            and self.unpacked > self._limits.ratio * max(1, self._packed())
        ):
            raise CorpusError(
                f"{self._path} unpacks to more than {self._limits.ratio} times its size, as a decompression bomb does",
                hint="unpack it yourself and give the folder, if you trust it",
            )
        return data

    def continue_with(self, stream: Stream) -> Self:
        """Go on with the archive's next file; what was unpacked so far still counts."""
        self._stream = stream
        return self


def _decompress(packed: BinaryIO, name: str) -> Stream:
    if name.endswith((".gz", ".tgz")):
        return gzip.GzipFile(fileobj=packed)
    if name.endswith((".bz2", ".tbz2")):
        return bz2.BZ2File(packed)
    if name.endswith((".xz", ".txz")):
        return lzma.LZMAFile(packed)
    return packed


class _Member(tarfile.TarInfo):
    """tarfile takes a broken header in mid-archive for the end, which would drop the rest without a word."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise  # the end, with or without the zero blocks that should mark it
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def _tar_members(
    path: Path, meter: Metered, limits: Limits, skipped: Skipped, *, named: bool
) -> Iterator[Source]:
    stream = cast("IO[bytes]", meter)  # in this mode tarfile asks for nothing but read
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member, bufsize=1 << 16) as tar:
        count = 0
        while (member := tar.next()) is not None:
            # A tarfile keeps every member that it has met; nobody asks for them again.
            tar.members.clear()  # type: ignore[attr-defined]
            count += 1
            _count(path, count, limits)
            label = f"{path}: {member.name}"
            if member.isdir():
                continue
            if member.issym() or member.islnk():
                skipped.add("links inside archives are not followed", label)
            elif not member.isreg() or member.issparse():
                skipped.add("not an ordinary file", label)
            elif reason := _refused(member.name):
                skipped.add(reason, label)
            else:
                text = tar.extractfile(member)
                assert text is not None  # it is a regular file
                yield Source(label, _Said(text, path, named=named), named=False)


def _zip_members(
    path: Path, packed: BinaryIO, limits: Limits, skipped: Skipped, *, named: bool
) -> Iterator[Source]:
    with zipfile.ZipFile(packed) as archive:
        _count(path, len(archive.infolist()), limits)
        size = os.fstat(packed.fileno()).st_size
        meter: Metered | None = None
        for info in archive.infolist():
            label = f"{path}: {info.filename}"
            if info.is_dir():
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                skipped.add("links inside archives are not followed", label)
            elif reason := _refused(info.filename):
                skipped.add(reason, label)
            elif info.flag_bits & 1 and not named:
                skipped.add("encrypted", label)
            elif info.flag_bits & 1:
                raise CorpusError(
                    f"{label} is encrypted", hint="unpack it with its password and give the folder"
                )
            else:
                with archive.open(info) as stream:
                    if meter is None:
                        meter = Metered(stream, lambda: size, path, limits=limits, named=named)
                    yield Source(label, meter.continue_with(stream), named=False)


class _Said:
    """A member's stream whose faults are sentences that name the archive."""

    def __init__(self, stream: IO[bytes], path: Path, *, named: bool) -> None:
        self._stream, self._path, self._named = stream, path, named

    def read(self, size: int, /) -> bytes:
        with _said(self._path, named=self._named):
            return self._stream.read(size)


def _refused(name: str) -> str:
    """Why a member of this name is passed over; empty if it is not."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or ":" in parts[0] or ".." in parts:
        return "a name that leads outside the archive"
    if any(part.startswith(".") and part != "." for part in parts) or parts[0] == "__MACOSX":
        return "hidden"
    if parts[-1].lower().endswith(SUFFIXES):
        return "archives inside archives are not opened"
    return ""


def _count(path: Path, count: int, limits: Limits) -> None:
    if count > limits.entries:
        raise CorpusError(
            f"{path} holds more than {limits.entries:,} files, the limit",
            hint="unpack it yourself and give the folder, if you trust it",
        )


@contextlib.contextmanager
def _said(path: Path, *, named: bool) -> Iterator[None]:
    """Turn what a damaged archive raises into a sentence."""
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        OSError,
        UnicodeDecodeError,  # a zip's names may be said to be UTF-8 and not be it
    ) as error:
        kind = CorpusError if named else DamagedError
        raise kind(
            f"{path} could not be unpacked: {error}",
            hint="it may be damaged or cut short; get it again",
        ) from error
