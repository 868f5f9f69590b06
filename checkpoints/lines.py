"""Append-only files of lines: written by one `os.write` a line, read by byte offset while they grow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is not one of ours; readers pass over it without holding it in memory."""

_BLOCK_BYTES = 64 * 1024
_HEAD_BYTES = 256
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


def open_for_append(path: Path) -> int:
    """A descriptor to append lines to a file, which is made if it is not there."""
    return os.open(path, _APPEND, 0o666)


def append(fd: int, line: bytes) -> None:
    """Append a line (its end included) whole or not at all.

    One `os.write`, so that lines of several writers never mix. If the disk takes only a part, the part is cut off
    again and OSError raised.
    """
    before = os.fstat(fd).st_size
    try:
        written = os.write(fd, line)
        while written < len(line):  # a nearly full disk takes a part, and says why at the next call
            written += os.write(fd, line[written:])
    except OSError:
        with suppress(OSError):
            os.ftruncate(fd, before)
        raise


def content(fd: int) -> bytes:
    """All that was written to a descriptor's file, which may have lost its name since."""
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        return file.read()


def cut_torn_line(path: Path) -> int:
    """Cut off a last line that has no end, as a kill in mid-write leaves it; gives the bytes cut."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            begin = max(0, end - _BLOCK_BYTES)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
    return size - end


class LineReader:
    """The whole lines of a growing file, each given once.

    A half-written last line waits until its end has come. A file that was replaced, or cut shorter than what was read,
    is read again from its start, and `generation` grows by one so that a view can begin again too.
    """

    def __init__(self, path: Path, *, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        """Bytes that were read and given as lines."""
        self.generation = 0
        self.overlong = 0
        """Lines longer than MAX_LINE_BYTES, which were passed over."""
        self._identity: tuple[int, int] | None = None
        self._head = b""
        self._inside_overlong = False

    def poll(self, *, max_bytes: int = 64 * 1024 * 1024) -> list[bytes]:
        """The lines that are new, without their ends; at most about `max_bytes` of them at once."""
        try:
            with self.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                head = file.read(_HEAD_BYTES)
                self._notice_replacement((stat.st_dev, stat.st_ino), stat.st_size, head)
                if stat.st_size == self.offset:
                    return []
                file.seek(self.offset)
                data = file.read(min(max_bytes, stat.st_size - self.offset))
                while b"\n" not in data and len(data) < MAX_LINE_BYTES:
                    more = file.read(max(len(data), _BLOCK_BYTES))
                    if not more:
                        break
                    data += more
        except OSError:
            return []  # not there (yet), or not to be read just now: nothing new
        return self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        end = data.rfind(b"\n") + 1
        if not end:
            if len(data) >= MAX_LINE_BYTES:
                self._inside_overlong = True
                self.offset += len(data)
            return []
        self.offset += end
        lines = data[: end - 1].split(b"\n")
        if self._inside_overlong:
            self._inside_overlong = False
            self.overlong += 1
            lines = lines[1:]
        return lines

    def _notice_replacement(self, identity: tuple[int, int], size: int, head: bytes) -> None:
        # Only what lies before the offset is settled: a torn last line may be cut and written anew.
        settled = self._head[: self.offset]
        replaced = self._identity is not None and (
            identity != self._identity or not head.startswith(settled)
        )
        if replaced or size < self.offset:
            self.offset = 0
            self.generation += 1
            self._inside_overlong = False
        self._identity, self._head = identity, head


def lines_backwards(path: Path, *, max_bytes: int) -> Iterator[bytes]:
    """The whole lines of a file from its last to its first, as far as they lie in its last `max_bytes`.

    Read block by block, so that a caller who stops early has read little.
    """
    try:
        with path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            stop = max(0, position - max_bytes)
            rest, torn = (
                b"",
                True,
            )  # behind the last line end stands nothing, or a line that has none yet
            while position > stop:
                begin = max(stop, position - _BLOCK_BYTES)
                file.seek(begin)
                first, *lines = (file.read(position - begin) + rest).split(b"\n")
                position, rest = begin, first
                if lines and torn:
                    lines.pop()
                    torn = False
                yield from reversed(lines)
            if not (stop or torn):
                yield rest
    except OSError:
        return


def read_tail(path: Path, max_bytes: int) -> list[bytes]:
    """The whole lines among the last `max_bytes` of a file; all of them where the file is shorter."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - max_bytes)
            file.seek(begin)
            lines = file.read(max_bytes).split(b"\n")
    except OSError:
        return []
    return lines[
        1 if begin else 0 : -1
    ]  # the last has no end yet, the first may lack its beginning
