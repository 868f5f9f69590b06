"""Files by URL and hash: resumable, told in percent, and never half under their final name.

A download goes to `<file>.part`; a cut connection is taken up where it ended (HTTP Range), at once a few times and
again at the next call. Only what has the expected hash gets the file's name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from checkpoints.errors import CorpusError
from checkpoints.files import reason

Progress = Callable[[int, int], None]
"""Told bytes that are there and bytes in all (0 where the server does not say)."""

BLOCK = 1 << 16
TRIES = 5
TIMEOUT_S = 30.0

LARGEST = 2 << 30
"""Bytes; no corpus of the catalogue comes near, and a server that never ends must not fill the disk."""


def silent(_: int, __: int) -> None:
    """The progress of who wants to hear nothing."""


def download(
    url: str, path: Path, *, digest: str, size: int = 0, progress: Progress = silent
) -> Path:
    """The file at `path`, fetched from `url` unless it is there with the right hash.

    `digest` is `sha256:HEX` or `git:HEX` (a git blob's id). Raises CorpusError in a sentence: no connection, an error
    of the server, another hash, a full disk. What was fetched so far is kept only where fetching can go on from it.
    """
    if path.is_file() and has_digest(path, digest):
        return path
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, size, progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            part.unlink(missing_ok=True)
            raise CorpusError(
                f"the disk is full: {path} could not be fetched",
                hint="free some space, or name another folder with RNNSTUDIO_CACHE",
            ) from error
        raise CorpusError(
            f"{part} cannot be written: {reason(error)}",
            hint="name another folder with RNNSTUDIO_CACHE",
        ) from error
    if not has_digest(part, digest):
        got = part.stat().st_size
        part.unlink()
        raise CorpusError(
            f"what {url} sent ({got:,} bytes) is not the file that the catalogue knows: its hash is another one",
            hint="try again later; if it stays so, the file was changed at its source, and nothing of it was kept",
        )
    part.replace(path)
    return path


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file has a hash, `sha256:HEX` or `git:HEX`."""
    kind, _, expected = digest.partition(":")
    size = path.stat().st_size
    hasher = hashlib.new("sha1" if kind == "git" else "sha256", usedforsecurity=False)
    if kind == "git":
        hasher.update(b"blob %d\0" % size)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest() == expected


def _fetch(url: str, part: Path, size: int, progress: Progress) -> None:
    """Fills `part`, going on from what it holds. Each try that brings something new gives another one."""
    failures = 0
    while True:
        there = part.stat().st_size if part.exists() else 0
        if size and there >= size:
            return
        try:
            if _once(url, part, there, size, progress):
                return
        except (
            urllib.error.URLError,
            http.client.HTTPException,
            TimeoutError,
            ConnectionError,
        ) as error:
            if isinstance(error, urllib.error.HTTPError):
                if error.code == 416 and there:  # no such range: the part is longer than the file
                    part.unlink()
                    failures += 1
                    if failures < TRIES:
                        continue
                raise CorpusError(
                    f"{url} answered {error.code} {error.reason}",
                    hint="try again later, or take a corpus that needs no network: abc-tunes",
                ) from error
            why = getattr(error, "reason", None) or error
        else:
            why = "the connection was cut"
        now = part.stat().st_size if part.exists() else 0
        failures = 0 if now > there else failures + 1
        if failures >= TRIES or (not now and failures):
            kept = f"; {now:,} bytes are kept, and the next call goes on from there" if now else ""
            raise CorpusError(
                f"{url} could not be fetched: {why}{kept}",
                hint="look to the network and call it again, or take one that needs none: abc-tunes",
            )


def _once(url: str, part: Path, there: int, size: int, progress: Progress) -> bool:
    """One request; True if the answer was whole."""
    if not url.startswith(("https://", "http://")):
        raise CorpusError(
            f"{url} is no address of the web", hint="use one that begins with https://"
        )
    request = urllib.request.Request(
        url, headers={"User-Agent": "rnnstudio", "Accept-Encoding": "identity"}
    )
    if there:
        request.add_header("Range", f"bytes={there}-")
    with contextlib.closing(urllib.request.urlopen(request, timeout=TIMEOUT_S)) as answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        start = there if resumed else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else 0
        if max(total, size) > LARGEST:
            raise CorpusError(
                f"{url} is {total / 1e9:.1f} GB; at most {LARGEST / 1e9:.1f} are fetched",
                hint="fetch it by other means, and train on the file",
            )
        done = start
        with part.open("ab" if resumed else "wb") as file:
            while block := _read(answer):
                file.write(block)
                done += len(block)
                progress(done, total or size)
                if done > LARGEST:
                    raise CorpusError(
                        f"{url} sent more than {LARGEST / 1e9:.1f} GB and did not end",
                        hint="fetch it by other means, and train on the file",
                    )
            file.flush()
            os.fsync(file.fileno())
    return done >= total if total else True


def _read(answer: object) -> bytes:
    """The next block; what a cut connection had sent is not thrown away, and reads as the end."""
    try:
        return cast(BinaryIO, answer).read(BLOCK)
    except http.client.IncompleteRead as error:
        return error.partial
    except (ConnectionError, TimeoutError):
        return b""
