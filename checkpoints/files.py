"""Every operation of a save, so that whatever another process reads is written whole or not at all.

`FileSystem` is the one door to the disk for writing: tests put their own in its place to count, stop, drop or fail each
operation, as SQLite's crash tests do.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from checkpoints.errors import UserError


class FileSystem:
    """The operations that a save is made of; each raises OSError as the system does."""

    def make_folder(self, path: Path) -> None:
        """Make a folder that is not there yet."""
        path.mkdir()

    def write(self, path: Path, data: bytes) -> None:
        """Write a file that is not there yet. Not durable before `sync_file`."""
        with path.open("xb") as file:
            file.write(data)

    def sync_file(self, path: Path) -> None:
        """Bring a file's content to the disk itself."""
        # Windows flushes only through a handle that may write.
        fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            sync_descriptor(fd)
        finally:
            os.close(fd)

    def sync_folder(self, path: Path) -> None:
        """Bring a folder's entries to the disk: without it a new name may be lost with the power."""
        if os.name == "nt":  # NTFS journals its folders and offers no such call
            return
        fd = os.open(path, os.O_RDONLY)
        try:
            sync_descriptor(fd)
        finally:
            os.close(fd)

    def rename(self, path: Path, new: Path) -> None:
        """Give a file or folder another name that nothing has yet."""
        # os.rename would replace an empty folder without a word. One process writes a run (its lock), so looking
        # first is enough.
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))
        path.rename(new)

    def replace(self, path: Path, new: Path) -> None:
        """Give a file another name; a file of that name is replaced in the same instant."""
        path.replace(new)

    def remove_file(self, path: Path) -> None:
        path.unlink()

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and what is in it; links are removed, not followed."""
        shutil.rmtree(path)


DISK = FileSystem()
"""The real one."""

FREE_SPACE = "free some space on that disk and try again"
"""The way out of a full disk."""


def sync_descriptor(fd: int) -> None:
    """Bring an open file's content to the disk itself."""
    if sys.platform == "darwin":
        import fcntl

        # There fsync stops at the drive's own cache.
        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def write_atomic(path: Path, data: bytes | str, *, disk: FileSystem = DISK) -> None:
    """Write a file so that a reader finds the old content or the new, also after a crash; never a part.

    Text is written as UTF-8. Raises UserError, with the old file as it was, if the disk does not take it.
    """
    if isinstance(data, str):
        data = data.encode("utf-8")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        disk.write(temporary, data)
        disk.sync_file(temporary)
        disk.replace(temporary, path)
        disk.sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            disk.remove_file(temporary)
        if isinstance(error, OSError):
            raise UserError(
                f"{path} could not be written: {reason(error)}", hint=way_out(error)
            ) from error
        raise


def reason(error: OSError) -> str:
    """Why an operation failed, in the system's words, without its numbers and quotes."""
    text = error.strerror or str(error) or type(error).__name__
    return text[0].lower() + text[1:]


def way_out(error: OSError) -> str:
    """What a person can do about a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return FREE_SPACE
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "choose a folder that you may write to, for example with --runs"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "a file stands where a folder should be; move it, or choose another folder"
    if error.errno in (errno.ENOENT, errno.ESTALE):
        return "the folder is not there (any more); make it or choose another"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "too many files are open; close some programs or raise the limit (ulimit -n)"
    return "look at the disk's health, or choose a folder on another one"
