"""The checkpoint format: a folder that becomes visible only when it is whole.

    step-0000200/
        model.safetensors, trainer.json, ...     what the caller gives, any plain names
        MANIFEST.json                            format, step, size and sha256 of each file, `about`, its own sha256

A save writes into a hidden sibling folder and syncs each file, then the manifest, then the folder; one rename publishes
it, and a sync of the parent makes that last. What a reader finds under `step-...` is therefore whole, or was damaged
later; the manifest tells. Where a checkpoint of that step exists already, it stands aside as `step-....old` until the
new one is there, and readers still find it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints.errors import CheckpointError, RunError
from checkpoints.files import DISK, FileSystem, reason, way_out
from checkpoints.jsontext import load_object

FORMAT = 1
MANIFEST = "MANIFEST.json"
MAX_FILE_BYTES = 16 * 1024**3
MAX_FILES = 64
MAX_MANIFEST_BYTES = 1024 * 1024

TEMPORARY = ".tmp-"
"""What a folder's name begins with while it is written or removed."""

_ASIDE = ".old"
_FOLDER = re.compile(r"step-(\d{7,15})")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
Skipped = Callable[[Path, CheckpointError], object]
"""Is told of a checkpoint that is passed over, and why."""

# What file managers leave in every folder that a person looks into.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest says of one file."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a checkpoint says of itself. `about` is the writer's; `nats_per_char` in it is the validation loss."""

    step: int
    files: Mapping[str, Entry]
    about: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.files.values())

    @property
    def nats_per_char(self) -> float | None:
        """The validation loss, where the writer measured one."""
        value = self.about.get("nats_per_char")
        return (
            float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        )


def folder_name(step: int) -> str:
    return f"step-{step:07d}"


def step_of(path: Path) -> int | None:
    """The step that a checkpoint folder's name states; None for any other name."""
    match = _FOLDER.fullmatch(path.name.removesuffix(_ASIDE))
    if match is None or folder_name(int(match[1])) != match[0]:
        return None
    return int(match[1])


def checkpoint_folders(run: Path) -> list[Path]:
    """A run's checkpoint folders, oldest first; whether they are valid is another question."""
    try:
        names = [entry.name for entry in os.scandir(run) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    paths = [run / name for name in names if step_of(run / name) is not None]
    # By step; where both are there, the one that stands aside comes first: it is the older.
    return sorted(paths, key=lambda path: (step_of(path) or 0, not path.name.endswith(_ASIDE)))


def write_checkpoint(
    run: Path,
    step: int,
    files: Mapping[str, bytes],
    *,
    about: Mapping[str, Any] | None = None,
    disk: FileSystem = DISK,
) -> Path:
    """Save a checkpoint whole or not at all, and give its folder.

    `files` are stored under their plain names, `about` (JSON) in the manifest. When this returns, the checkpoint
    survives a power cut; only then may an older one be removed. Raises RunError if the disk does not take it: the
    older checkpoints are as they were and nothing half-written is to be seen. The caller holds the run's lock.
    """
    for name in files:
        if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST:
            raise ValueError(f"{name!r} is no plain name for a checkpoint's file")
    target = run / folder_name(step)
    temporary = run / f"{TEMPORARY}{target.name}-{secrets.token_hex(4)}"
    aside = target.with_name(target.name + _ASIDE)
    try:
        clean(run, disk=disk)
        disk.make_folder(temporary)
        for name, data in files.items():
            disk.write(temporary / name, data)
            disk.sync_file(temporary / name)
        disk.write(temporary / MANIFEST, _manifest(step, files, about or {}))
        disk.sync_file(temporary / MANIFEST)
        disk.sync_folder(temporary)
        if target.exists():
            disk.rename(target, aside)
        disk.rename(temporary, target)
        disk.sync_folder(run)
        if aside.exists():
            _discard(aside, disk)
    except BaseException as error:
        _discard(temporary, disk)
        if aside.exists() and not target.exists():
            with suppress(OSError):
                disk.rename(aside, target)
        if isinstance(error, OSError):
            raise RunError(
                f"the checkpoint of step {step:,} could not be saved in {run}: {reason(error)}",
                hint=way_out(error) + "; the older checkpoints are as they were",
            ) from error
        raise
    return target


def remove_checkpoint(path: Path, *, disk: FileSystem = DISK) -> None:
    """Remove a checkpoint so that no reader ever sees a part of it. Raises RunError if the disk refuses."""
    hidden = path.with_name(f"{TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    try:
        disk.rename(path, hidden)
        disk.sync_folder(path.parent)
    except OSError as error:
        raise RunError(
            f"the checkpoint {path} could not be removed: {reason(error)}", hint=way_out(error)
        ) from error
    _discard(hidden, disk)


def clean(run: Path, *, disk: FileSystem = DISK) -> None:
    """Tidy up what a killed save left behind: half-written folders go, one that stood aside comes back.

    Only for the holder of the run's lock. What cannot be removed stays; it is hidden and harmless.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(run))
    except OSError:
        return
    for name in names:
        path = run / name
        if name.startswith(TEMPORARY):
            _discard(path, disk)
        elif name.endswith(_ASIDE) and step_of(path) is not None:
            target = path.with_name(name.removesuffix(_ASIDE))
            if target.exists():
                _discard(path, disk)
            else:
                with suppress(OSError):
                    disk.rename(path, target)


def read_manifest(path: Path) -> Manifest:
    """What a checkpoint says of itself, without reading its files: for lists. Raises CheckpointError."""
    data = _read(path, MANIFEST, MAX_MANIFEST_BYTES)
    where = f"the checkpoint {path}"
    body = load_object(data, what=f"{where}: its {MANIFEST}", max_bytes=MAX_MANIFEST_BYTES)
    version = body.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise CheckpointError(
            f"{where} was written by a newer rnnstudio (format {version}; this one reads up to {FORMAT})",
            hint="update rnnstudio: pip install --upgrade rnnstudio",
        )
    body.pop("sha256", None)
    # Compared as bytes: any other spelling of the same content is damage too, so no flipped bit goes unnoticed.
    if version != FORMAT or data != _sealed(body):
        raise _damaged(path, f"its {MANIFEST} was changed after it was written")
    step, about, listed = body.get("step"), body.get("about"), body.get("files")
    if (
        not isinstance(step, int)
        or not _is_count(step)
        or not isinstance(about, dict)
        or not isinstance(listed, dict)
    ):
        raise _damaged(path, f"its {MANIFEST} lacks what it should say")
    if len(listed) > MAX_FILES:
        raise _damaged(path, f"its {MANIFEST} names {len(listed):,} files")
    if step_of(path) not in (None, step):
        raise _damaged(path, f"its {MANIFEST} says step {step:,}")
    return Manifest(step, {name: _entry(path, name, listed[name]) for name in listed}, about)


def read_checkpoint(path: Path) -> dict[str, bytes]:
    """A checkpoint's files by name, every byte verified. Raises CheckpointError if anything is not as it was written.

    Nothing is allocated before names and sizes are checked; links and anything but plain files are refused.
    """
    manifest = read_manifest(path)
    try:
        present = {entry.name for entry in os.scandir(path)} - _LITTER - {MANIFEST}
    except OSError as error:
        raise _unreadable(path, error) from error
    if missing := sorted(manifest.files.keys() - present):
        raise _damaged(path, f"{missing[0]} is missing")
    if extra := sorted(present - manifest.files.keys()):
        raise _damaged(path, f"{extra[0]!r} does not belong to it")
    files = {}
    for name, entry in manifest.files.items():
        data = _read(path, name, MAX_FILE_BYTES, size=entry.size_bytes)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise _damaged(path, f"{name} is not what was written (its sha256 differs)")
        files[name] = data
    return files


def newest_valid(run: Path, *, skipped: Skipped | None = None) -> Path | None:
    """The newest checkpoint that verifies; `skipped` is told of each newer one that does not, and why."""
    for path in reversed(checkpoint_folders(run)):
        try:
            read_checkpoint(path)
        except CheckpointError as error:
            if skipped is not None:
                skipped(path, error)
        else:
            return path
    return None


def _manifest(step: int, files: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    body = {
        "format": FORMAT,
        "step": step,
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        },
        "about": dict(about),
    }
    return _sealed(body)


def _sealed(body: Mapping[str, Any]) -> bytes:
    """The manifest's bytes: the body and its sha256, spelled in the one way that a reader accepts."""
    return _spell({**body, "sha256": _digest(body)})


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_spell(body)).hexdigest()


def _spell(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=1, sort_keys=True, allow_nan=False).encode("ascii") + b"\n"


def _entry(path: Path, name: str, body: object) -> Entry:
    if not _PLAIN_NAME.fullmatch(name):
        raise _damaged(path, f"its {MANIFEST} names {name!r}, which is no plain file name")
    size = body.get("size") if isinstance(body, dict) else None
    digest = body.get("sha256") if isinstance(body, dict) else None
    if not isinstance(size, int) or not _is_count(size) or not isinstance(digest, str):
        raise _damaged(path, f"its {MANIFEST} lacks the size or sha256 of {name}")
    return Entry(size, digest)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read(folder: Path, name: str, max_bytes: int, *, size: int | None = None) -> bytes:
    """A plain file's content, its size checked first; never follows a link or waits at a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if (folder / name).is_symlink():  # where the system has no O_NOFOLLOW
            raise _damaged(folder, f"{name} is a link")
        fd = os.open(folder / name, flags)
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _damaged(folder, f"{name} is no plain file")
            if size is not None and found.st_size != size:
                raise _damaged(folder, f"{name} has {found.st_size:,} bytes instead of {size:,}")
            if found.st_size > max_bytes:
                raise _damaged(folder, f"{name} has {found.st_size:,} bytes, over {max_bytes:,}")
            return file.read(found.st_size)
    except OSError as error:
        raise _unreadable(folder, error) from error
    except MemoryError as error:
        raise CheckpointError(
            f"{folder / name} does not fit into memory", hint="close other programs and try again"
        ) from error


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {path} is damaged: {what}",
        hint="use another one: rnnstudio runs show lists them (resume finds the newest whole one by itself)",
    )


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not (path / MANIFEST).exists():
        what = (
            f"there is no checkpoint at {path}" if not path.is_dir() else f"{path} is no checkpoint"
        )
        return CheckpointError(what, hint="list a run's checkpoints: rnnstudio runs show RUN")
    if error.errno == errno.ELOOP:
        return _damaged(path, "it holds a link")
    return CheckpointError(
        f"the checkpoint {path} cannot be read: {reason(error)}",
        hint="look at its permissions and the disk, or use another checkpoint",
    )


def _discard(path: Path, disk: FileSystem) -> None:
    """Remove a folder as far as the disk lets us; what stays is hidden, and the next save tries again."""
    with suppress(OSError):
        disk.remove_tree(path)
