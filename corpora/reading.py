"""Any text that a person owns, read into one normalised snapshot.

    files, folders, globs, archives, `-`   (sources.py, archives.py)
        -> bytes, copied aside as they were when they were opened
        -> text, by the encoding found or named (encodings.py)
        -> LF line ends
        -> <cache>/text/<sha256>.txt   (snapshot.py)

Everything streams: memory does not grow with the corpus, nor with its longest line. The real input is always read and
hashed, so an edited corpus can never be taken for the one that an earlier run cached.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from checkpoints.errors import CorpusError
from corpora.archives import DamagedError, Limits, Skipped, Source
from corpora.encodings import BrokenTextError, Encoding, NotTextError, decode, detect, named, survey
from corpora.snapshot import ELSEWHERE, Corpus, SnapshotWriter, SourceFile, writing
from corpora.sources import DAMAGED, Found, find, open_sources

BLOCK = 1 << 20
# Smaller inputs are copied aside in memory, larger ones on disk.
ASIDE_IN_MEMORY = 16 << 20
BINARY = "binary"

Progress = Callable[[int, int | None], None]
"""Told how much is done, and of how much; None where that is not known yet."""


@dataclass(slots=True)
class _LineEnds:
    """What became LF, told once for the whole corpus."""

    crlf: int = 0
    cr: int = 0

    def unify(self, pieces: Iterator[str]) -> Iterator[str]:
        held = ""  # a CR at the end of a piece, whose LF may open the next
        for piece in pieces:
            text = held + piece
            held = "\r" if text.endswith("\r") else ""
            text = text[: len(text) - len(held)]
            if "\r" in text:
                crlf = text.count("\r\n")
                self.crlf += crlf
                self.cr += text.count("\r") - crlf
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            yield text
        if held:
            self.cr += 1
            yield "\n"

    def sentence(self) -> str:
        kinds = [f"{n:,} {name}" for n, name in ((self.crlf, "CRLF"), (self.cr, "CR")) if n]
        return f"line ends: {' and '.join(kinds)} became LF" if kinds else ""


def read_corpus(
    paths: Sequence[str | Path],
    cache: Path,
    *,
    binary: bool = False,
    or_bytes: bool = False,
    encoding: str | None = None,
    note: Callable[[str], None],
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
    limits: Limits | None = None,
    elsewhere: str = ELSEWHERE,
) -> Corpus:
    """Read everything that `paths` name, in their order, into one snapshot in `cache`.

    `binary` takes the bytes as they are; `or_bytes` does so where something that was named is no text. `encoding`
    overrules what would be found out. `note` is told what a person should know (an encoding that was guessed, files
    passed over); `progress` gets bytes read and their total, None where that cannot be known, as while folders are
    gone through. Between files a line end is added where one is missing.

    `stdin` is what `-` means, the process's own unless given. `elsewhere` is the option or variable that names another
    cache, for whoever finds this one full. Raises CorpusError for what cannot be read and for an
    empty or one-character corpus; RunError where the cache cannot be written.
    """
    limits = limits or Limits()
    if encoding is not None:
        named(encoding)
    if stdin is None and sys.stdin is not None:
        stdin = sys.stdin.buffer
    skipped = Skipped()
    visit = {} if progress is None else {"visit": partial(progress, 0, None)}
    found = find([str(path) for path in paths], skipped=skipped, **visit)

    _tell_twice(found, note)

    def read(*, binary: bool) -> Corpus:
        return _read(
            found,
            cache,
            binary=binary,
            encoding=encoding,
            note=note,
            progress=progress,
            stdin=stdin,
            limits=limits,
            skipped=skipped,
            elsewhere=elsewhere,
        )

    try:
        return read(binary=binary)
    except (NotTextError, BrokenTextError) as error:
        if not or_bytes or any(file.once for file in found):
            raise
        note(f"{error.message}; so all is read as the bytes it has")
        return read(binary=True)


def _tell_twice(found: Sequence[Found], note: Callable[[str], None]) -> None:
    """Says which files were named more than once."""
    times = Counter(file.path.absolute() for file in found)
    named_again = [path for path, count in times.items() if count > 1]
    if named_again:
        more = f" and {len(named_again) - 1:,} more" if len(named_again) > 1 else ""
        note(
            f"{named_again[0]}{more}: named more than once, so that what is held out may be learned too"
        )


def _read(
    found: Sequence[Found],
    cache: Path,
    *,
    binary: bool,
    encoding: str | None,
    note: Callable[[str], None],
    progress: Progress | None,
    stdin: BinaryIO | None,
    limits: Limits,
    skipped: Skipped,
    elsewhere: str,
) -> Corpus:
    sizes = [file.size_bytes for file in found]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    line_ends = _LineEnds()
    guessed: dict[str, list[str]] = {}
    with SnapshotWriter(cache, binary=binary, elsewhere=elsewhere) as writer:
        done = 0
        for source in open_sources(found, limits=limits, skipped=skipped, note=note, stdin=stdin):

            def tell(size: int) -> None:
                nonlocal done
                done += size
                if progress is not None:
                    progress(done, total)

            try:
                if binary:
                    _copy_bytes(source, writer, tell)
                    continue
                said = _read_text(source, writer, encoding, line_ends, cache, tell, skipped)
            except DamagedError:
                skipped.add(DAMAGED, source.name)
                continue
            if said:
                guessed.setdefault(said, []).append(printable(source.name))
        for said, names in guessed.items():
            others = f" and {len(names) - 1:,} other files" if len(names) > 1 else ""
            note(f"{names[0]}{others}: read as {said}")
        if sentence := line_ends.sentence():
            note(sentence)
        for sentence in skipped.sentences():
            note(printable(sentence))
        _enough(writer, found, skipped)
        return writer.publish()


def _read_text(
    source: Source,
    writer: SnapshotWriter,
    encoding: str | None,
    line_ends: _LineEnds,
    cache: Path,
    tell: Callable[[int], None],
    skipped: Skipped,
) -> str:
    """Append one source's text. Returns what is to be said of its encoding."""
    with (
        writing(cache, writer.elsewhere),
        tempfile.SpooledTemporaryFile(ASIDE_IN_MEMORY, dir=str(writer.folder)) as aside,
    ):

        def copied() -> Iterator[bytes]:
            while block := source.stream.read(BLOCK):
                aside.write(block)
                tell(len(block))
                yield block

        seen = survey(copied())
        try:
            name = source.name
            chosen = named(encoding, seen, name) if encoding else detect(seen, aside, name)
        except NotTextError:
            if source.named:
                raise
            skipped.add(BINARY, source.name)
            return ""
        text = line_ends.unify(decode(aside, chosen, source.name))
        _append(source, writer, chosen, text, seen.size)
        return chosen.said


def _append(
    source: Source, writer: SnapshotWriter, chosen: Encoding, text: Iterator[str], size_bytes: int
) -> None:
    started = False
    start = writer.chars
    for piece in text:
        if "\0" in piece:
            raise CorpusError(
                f"{source.name}, read as {chosen.name}, holds zero characters",
                hint="is it text? --encoding NAME names another encoding",
            )
        if piece and not started:
            started = True
            if not writer.ends_line:
                writer.write_text("\n")
            start = writer.chars
        try:
            writer.write_text(piece)
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{source.name}, read as {chosen.name}, holds half of a surrogate pair, which is no character",
                hint="name another encoding with --encoding NAME",
            ) from error
    writer.sources.append(
        SourceFile(printable(source.name), size_bytes, writer.chars - start, chosen.name, start)
    )


def printable(name: str) -> str:
    """A name whose bytes are not UTF-8 (Python holds them as lone surrogates), fit for a log."""
    return name.encode("utf-8", "replace").decode()


def _copy_bytes(source: Source, writer: SnapshotWriter, tell: Callable[[int], None]) -> None:
    start = writer.chars
    try:
        while block := source.stream.read(BLOCK):
            writer.write_bytes(block)
            tell(len(block))
    finally:  # of a damaged one, what came before the damage
        size = writer.chars - start
        writer.sources.append(SourceFile(printable(source.name), size, size, "bytes", start))


def _enough(writer: SnapshotWriter, found: Sequence[Found], skipped: Skipped) -> None:
    names = ", ".join(str(file.path) for file in found[:3])
    names += f" and {len(found) - 3:,} more" if len(found) > 3 else ""
    if writer.chars == 0 and skipped.count(BINARY):
        raise NotTextError(names, "there are only binary files")
    if writer.chars == 0:
        where = "on standard input" if names == "-" else f"in {names or 'that folder'}"
        raise CorpusError(
            f"there is no text {where}",
            hint="is it the right one?",
        )
