"""Disks that fail: one that remembers what a power cut would leave, and ones that refuse or kill at an operation.

The model of a power cut is POSIX at its word, as SQLite's crash tests take it: a file's content is certain only after
it was synced, a name in a folder only after the folder was synced; of what was not, any part may have reached the disk,
in any order. A rename within a folder happens whole or not at all.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from checkpoints.files import FileSystem

Tree = dict[str, "bytes | Tree"]
Change = list[tuple[str, "File | Folder | None"]]  # names set (or removed) in one step


@dataclass
class File:
    """`durable` is what a power cut surely leaves; None: nothing but perhaps an empty file."""

    now: bytes
    durable: bytes | None = None


@dataclass
class Folder:
    now: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def change(self, *names: tuple[str, File | Folder | None]) -> None:
        _apply(self.now, list(names))
        self.pending.append(list(names))


def _apply(entries: dict[str, File | Folder], change: Change) -> None:
    for name, node in change:
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


class QuickDisk(FileSystem):
    """The disk without waiting for it: what a power cut would leave is modelled here, not tried."""

    def sync_file(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    def sync_folder(self, path: Path) -> None:
        if not path.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


class RecordingDisk(QuickDisk):
    """Does everything for real and keeps a journal of it; folders are removed entry by entry, as the system does."""

    def __init__(self) -> None:
        self.journal: list[tuple[str, Path, Path | bytes | None]] = []

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)
        self.journal.append(("make_folder", path, None))

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data)
        self.journal.append(("write", path, data))

    def sync_file(self, path: Path) -> None:
        super().sync_file(path)
        self.journal.append(("sync_file", path, None))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.journal.append(("sync_folder", path, None))

    def rename(self, path: Path, new: Path) -> None:
        super().rename(path, new)
        self.journal.append(("rename", path, new))

    def replace(self, path: Path, new: Path) -> None:
        super().replace(path, new)
        self.journal.append(("rename", path, new))

    def remove_file(self, path: Path) -> None:
        super().remove_file(path)
        self.journal.append(("remove", path, None))

    def remove_tree(self, path: Path) -> None:
        for inside in sorted(path.iterdir()):
            self.journal.append(("remove", inside, None))
        self.journal.append(("remove", path, None))
        super().remove_tree(path)


def content(step: int) -> dict[str, bytes]:
    """The files of a checkpoint, known from its step alone."""
    rng = random.Random(step)
    return {name: rng.randbytes(rng.randrange(200_000)) for name in ("model", "optimizer", "state")}


def read_tree(root: Path) -> Tree:
    return {p.name: read_tree(p) if p.is_dir() else p.read_bytes() for p in root.iterdir()}


def write_tree(root: Path, tree: Tree) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name, node in tree.items():
        if isinstance(node, bytes):
            (root / name).write_bytes(node)
        else:
            write_tree(root / name, node)


def after_power_cut(
    before: Tree,
    root: Path,
    journal: list[tuple[str, Path, Path | bytes | None]],
    *,
    keep: Callable[[], bool],
    part: Callable[[int], int],
) -> Tree:
    """What may lie under `root` after the operations of the journal and a power cut.

    `keep` decides for each unsynced change of a folder whether it reached the disk, `part` how many bytes of an
    unsynced file of so many did.
    """
    top = _durable(before)
    for what, path, argument in journal:
        parts = path.relative_to(root).parts
        if what == "sync_folder":
            folder = _folder(top, parts)
            folder.durable, folder.pending = dict(folder.now), []
            continue
        folder, name = _folder(top, parts[:-1]), parts[-1]
        if what == "make_folder":
            folder.change((name, Folder()))
        elif what == "write":
            assert isinstance(argument, bytes)
            folder.change((name, File(argument)))
        elif what == "sync_file":
            file = folder.now[name]
            assert isinstance(file, File)
            file.durable = file.now
        elif what == "remove":
            folder.change((name, None))
        else:
            assert what == "rename"
            assert isinstance(argument, Path)
            assert argument.parent == path.parent
            folder.change((name, None), (argument.name, folder.now[name]))
    return _survivors(top, keep, part)


def _durable(tree: Tree) -> Folder:
    nodes: dict[str, File | Folder] = {
        name: File(node, node) if isinstance(node, bytes) else _durable(node)
        for name, node in tree.items()
    }
    return Folder(now=dict(nodes), durable=dict(nodes))


def _folder(top: Folder, parts: tuple[str, ...]) -> Folder:
    for name in parts:
        node = top.now[name]
        assert isinstance(node, Folder)
        top = node
    return top


def _survivors(folder: Folder, keep: Callable[[], bool], part: Callable[[int], int]) -> Tree:
    entries = dict(folder.durable)
    for change in folder.pending:
        if keep():
            _apply(entries, change)
    tree: Tree = {}
    for name, node in entries.items():
        if isinstance(node, Folder):
            tree[name] = _survivors(node, keep, part)
        else:
            tree[name] = node.now[: part(len(node.now))] if node.durable is None else node.durable
    return tree


def whole(size: int) -> int:
    return size


def empty(size: int) -> int:
    return 0 * size


def power_cuts(
    before: Tree, root: Path, disk: RecordingDisk, *, random_cuts: int
) -> Iterator[tuple[int, Tree]]:
    """After each operation: all of it on disk, only what was synced, and some mixtures; with the operations done."""
    for done in range(len(disk.journal) + 1):
        journal = disk.journal[:done]
        yield done, after_power_cut(before, root, journal, keep=lambda: True, part=whole)
        yield done, after_power_cut(before, root, journal, keep=lambda: False, part=empty)
        # The names are there and the contents are not: what ext4 without a sync is known for.
        yield done, after_power_cut(before, root, journal, keep=lambda: True, part=empty)
        for seed in range(random_cuts):
            rng = random.Random(f"{done} {seed}")
            yield (
                done,
                after_power_cut(
                    before,
                    root,
                    journal,
                    keep=lambda rng=rng: rng.random() < 0.5,
                    part=lambda n, rng=rng: rng.choice((0, n // 2, max(n - 1, 0), n)),
                ),
            )


class FailingDisk(QuickDisk):
    """Fails at its `at`th operation (from 0), once or from there on; a failing write leaves half of its bytes."""

    def __init__(self, at: int, fail: Callable[[Path], None], *, once: bool) -> None:
        self.at, self.fail, self.once = at, fail, once
        self.count = 0

    def _next(self, path: Path) -> None:
        self.count += 1
        if self.count == self.at + 1 or (not self.once and self.count > self.at):
            self.fail(path)

    def make_folder(self, path: Path) -> None:
        self._next(path)
        super().make_folder(path)

    def write(self, path: Path, data: bytes) -> None:
        try:
            self._next(path)
        except OSError:
            if path.parent.is_dir():
                path.write_bytes(data[: len(data) // 2])
            raise
        super().write(path, data)

    def sync_file(self, path: Path) -> None:
        self._next(path)
        super().sync_file(path)

    def sync_folder(self, path: Path) -> None:
        self._next(path)
        super().sync_folder(path)

    def rename(self, path: Path, new: Path) -> None:
        self._next(path)
        super().rename(path, new)

    def replace(self, path: Path, new: Path) -> None:
        self._next(path)
        super().replace(path, new)

    def remove_file(self, path: Path) -> None:
        self._next(path)
        super().remove_file(path)

    def remove_tree(self, path: Path) -> None:
        self._next(path)
        super().remove_tree(path)
