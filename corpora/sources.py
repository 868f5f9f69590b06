"""From what the user named (files, folders, globs, archives, `-`) to the streams that are read."""

from __future__ import annotations

import difflib
import glob
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from checkpoints.errors import CorpusError
from checkpoints.files import reason
from checkpoints.paths import is_file, is_folder
from corpora.archives import DamagedError, Limits, Skipped, Source, is_archive, open_archive

STDIN = "-"
DAMAGED = "damaged or cut short"


@dataclass(frozen=True, slots=True)
class Found:
    """A file that will be read: named by the user, or found in a folder or by a pattern."""

    path: Path
    named: bool
    size_bytes: int | None
    """None where it cannot be known beforehand: pipes, archives."""
    once: bool = False
    """A pipe, which cannot be read a second time."""


def find(
    paths: Sequence[str], *, skipped: Skipped, visit: Callable[[], object] = lambda: None
) -> list[Found]:
    """All files that these paths mean, in the order given, folders' in sorted order.

    `visit` is called at each folder and each match of a pattern: `/` takes minutes, and whoever no longer wants it
    raises there. Raises CorpusError where a path means nothing or something that never ends.
    """
    if not paths:
        raise CorpusError("no corpus was named", hint="rnnstudio train FILE")
    found: list[Found] = []
    for name in paths:
        if not name:  # which Path takes for the current folder
            raise CorpusError("an empty name is no file", hint="is a variable of the shell unset?")
        path = Path(name)
        if name == STDIN:
            found.append(Found(path, True, None, once=True))
        # One that may not be looked at, or has too long a name, is taken for a file: opening it says what is wrong.
        elif is_folder(path):
            found += (_found(file) for file in _walk(path, skipped, visit))
        elif os.path.lexists(path) or not glob.has_magic(name):
            found.append(_named(path))
        else:
            matches: list[Path] = []
            for text in glob.iglob(name, recursive=True):  # noqa: PTH207 - Path.glob wants a base
                visit()
                matches.append(Path(text))
            if not matches:
                raise CorpusError(f"no file matches {name}", hint="`ls` shows what is there")
            for match in sorted(matches, key=str):
                # With **, a folder's files match by themselves.
                if is_file(match):
                    found.append(_found(match))
                elif is_folder(match) and "**" not in name:
                    found += (_found(file) for file in _walk(match, skipped, visit))
    return found


def open_sources(
    found: Sequence[Found],
    *,
    limits: Limits,
    skipped: Skipped,
    note: Callable[[str], None],
    stdin: BinaryIO | None,
) -> Iterator[Source]:
    """The streams of these files, one after another, archives member by member."""
    for file in found:
        if str(file.path) == STDIN and file.named:
            if stdin is None:
                raise CorpusError("there is no standard input to read", hint="name a file")
            if stdin.isatty():
                note("reading what you type; Ctrl-D at the start of a line ends it")
            yield Source("standard input", Pipe(stdin, "standard input", limits), True)
            continue
        try:
            stream = file.path.open("rb")
        except OSError as error:
            if file.named:
                raise CorpusError(
                    f"{file.path} could not be opened: {reason(error)}",
                    hint=_permissions(error),
                ) from error
            skipped.add(f"could not be opened ({reason(error)})", str(file.path))
            continue
        with stream:
            if is_archive(file.path):
                try:
                    yield from open_archive(
                        file.path, stream, named=file.named, limits=limits, skipped=skipped
                    )
                except DamagedError:
                    skipped.add(DAMAGED, str(file.path))
            elif stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
                yield Source(str(file.path), Pipe(stream, str(file.path), limits), file.named)
            else:
                frozen = AsOpened(stream, file.path)
                yield Source(str(file.path), frozen, file.named)
                if said := frozen.change():
                    note(said)


class Pipe:
    """A pipe, read to its end or to the limit."""

    def __init__(self, stream: BinaryIO, name: str, limits: Limits) -> None:
        self._stream, self._name, self._limits = stream, name, limits
        self._read = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise CorpusError(
                f"{self._name} could not be read: {reason(error)}",
                hint="write it to a file first, and give that",
            ) from error
        self._read += len(data)
        if self._read > self._limits.pipe_bytes:
            raise CorpusError(
                f"{self._name} gave more than {self._limits.pipe_bytes:,} bytes, the limit for pipes",
                hint="does it ever end? Save what you want to a file and train on that",
            )
        return data


class AsOpened:
    """A file as long as it was when it was opened, whatever is appended meanwhile."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._before = os.fstat(stream.fileno())
        self._left = self._before.st_size

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(min(size, self._left))
        except OSError as error:
            raise CorpusError(
                f"{self._path} could not be read: {reason(error)}",
                hint="is its disk or network share still there?",
            ) from error
        self._left -= len(data)
        return data

    def change(self) -> str:
        """A sentence where the file is no longer what it was when it was opened."""
        now = os.fstat(self._stream.fileno())
        size, read = self._before.st_size, self._before.st_size - self._left
        if now.st_nlink == 0:
            return f"{self._path} was deleted while it was read; all {read:,} bytes were still got"
        if now.st_size == size and now.st_mtime_ns == self._before.st_mtime_ns:
            return ""
        if read < size:
            return f"{self._path} shrank while it was read: {read:,} of {size:,} bytes were got"
        return f"{self._path} changed while it was read; its first {read:,} bytes, as long as it was, are used"


def _named(path: Path) -> Found:
    try:
        status = path.stat()
    except OSError as error:
        raise CorpusError(_missing(path, error), hint=_nearest(path)) from error
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        raise CorpusError(
            f"{path} is a device, which may never end",
            hint="use - for standard input, or save what you want to a file",
        )
    if stat.S_ISSOCK(status.st_mode):
        raise CorpusError(f"{path} is a socket, not a text", hint="use - for standard input")
    known = stat.S_ISREG(status.st_mode) and not is_archive(path)
    size = status.st_size if known else None
    return Found(path, True, size, once=stat.S_ISFIFO(status.st_mode))


def _found(path: Path) -> Found:
    try:
        return Found(path, False, None if is_archive(path) else path.stat().st_size)
    except OSError:  # it vanished a moment ago; opening it will say so
        return Found(path, False, None)


def _walk(folder: Path, skipped: Skipped, visit: Callable[[], object]) -> Iterator[Path]:
    """Every readable file below a folder, sorted; links are followed, but no folder is entered twice."""
    entered: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        visit()
        try:
            status = here.stat()
            names = sorted(path.name for path in here.iterdir())
        except OSError as error:
            skipped.add(f"could not be opened ({reason(error)})", str(here))
            continue
        if (status.st_dev, status.st_ino) in entered:
            skipped.add("a link back to a folder that is read already", str(here))
            continue
        entered.add((status.st_dev, status.st_ino))
        if {"run.json", "events.jsonl"} <= set(names):
            if here == folder:
                raise CorpusError(
                    f"{folder} is a run of rnnstudio, and no text",
                    hint=f"to learn on from it: rnnstudio train TEXT --from {shlex.quote(str(folder))}",
                )
            skipped.add("a run of rnnstudio", str(here))
            continue
        below: list[Path] = []
        for path in (here / name for name in names):
            if path.name.startswith("."):
                skipped.add("hidden", str(path))
                continue
            try:
                mode = path.stat().st_mode
            except OSError as error:  # a dangling link, a link that may not be followed
                skipped.add(f"could not be opened ({reason(error)})", str(path))
                continue
            if stat.S_ISDIR(mode):
                below.append(path)
            elif stat.S_ISREG(mode):
                yield path
            else:
                skipped.add("not an ordinary file", str(path))
        waiting += reversed(below)


def _missing(path: Path, error: OSError) -> str:
    if os.path.islink(path):  # noqa: PTH114
        return f"{path} is a link to something that is not there"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"there is no file or folder {path}"
    return f"{path} cannot be read: {reason(error)}"


def _nearest(path: Path) -> str:
    try:
        siblings = [sibling.name for sibling in path.parent.iterdir()]
        others = [name for name in siblings if name != path.name]  # itself: a link into nowhere
        close = difflib.get_close_matches(path.name, others, n=1)
    except OSError:
        close = []
    return (
        f"did you mean {path.parent / close[0]}?" if close else "check the spelling and the folder"
    )


def _permissions(error: OSError) -> str:
    return "you may not read it; see `ls -l`" if isinstance(error, PermissionError) else ""
