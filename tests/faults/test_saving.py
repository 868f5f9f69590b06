"""A save may be stopped anywhere, by a kill, a power cut or a failing disk: what is found afterwards is whole."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from checkpoints.checkpoint import (
    checkpoint_folders,
    clean,
    newest_valid,
    read_checkpoint,
    remove_checkpoint,
    step_of,
    write_checkpoint,
)
from checkpoints.errors import RnnStudioError, RunError
from checkpoints.files import FileSystem, write_atomic
from tests.faults.crashdisk import (
    FailingDisk,
    QuickDisk,
    RecordingDisk,
    Tree,
    after_power_cut,
    empty,
    power_cuts,
    read_tree,
    whole,
    write_tree,
)

OLDER = {"model.safetensors": b"older" * 40, "trainer.json": b'{"step": 100}'}
OLD = {"model.safetensors": b"old" * 50, "trainer.json": b'{"step": 200}'}
NEW = {"model.safetensors": b"new" * 60, "optimizer.safetensors": b"o" * 77, "trainer.json": b"{}"}
Files = Mapping[str, bytes]


def first_save(run: Path, disk: FileSystem) -> None:
    write_checkpoint(run, 300, NEW, disk=disk)


def save_over_the_same_step(run: Path, disk: FileSystem) -> None:
    write_checkpoint(run, 200, NEW, disk=disk)


def save_and_prune(run: Path, disk: FileSystem) -> None:
    write_checkpoint(run, 300, NEW, disk=disk)
    remove_checkpoint(run / "step-0000200", disk=disk)
    remove_checkpoint(run / "step-0000100", disk=disk)


def save_after_a_kill(run: Path, disk: FileSystem) -> None:
    clean(run, disk=disk)
    write_checkpoint(run, 300, NEW, disk=disk)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def prepare(run: Path, *steps: int) -> None:
    for step in steps:
        write_checkpoint(run, step, {100: OLDER, 200: OLD}[step], disk=QuickDisk())


def nothing(run: Path) -> None:
    del run


def one_checkpoint(run: Path) -> None:
    prepare(run, 200)


def two_checkpoints(run: Path) -> None:
    prepare(run, 100, 200)


def left_by_a_kill(run: Path) -> None:
    """A half-written folder, and the only checkpoint still standing aside for its successor."""
    prepare(run, 200)
    (run / "step-0000200").rename(run / "step-0000200.old")
    half = run / ".tmp-step-0000200-0123abcd"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")


SCENES: dict[
    str, tuple[Callable[[Path], None], Callable[[Path, FileSystem], None], list[Files]]
] = {
    "the first save": (nothing, first_save, [NEW]),
    "a save beside another": (one_checkpoint, first_save, [OLD, NEW]),
    "a save over the same step": (one_checkpoint, save_over_the_same_step, [OLD, NEW]),
    "a save that prunes": (two_checkpoints, save_and_prune, [OLD, NEW]),
    "a save after a kill": (left_by_a_kill, save_after_a_kill, [OLD, NEW]),
    "a save over what a kill left": (left_by_a_kill, save_over_the_same_step, [OLD, NEW]),
}


@pytest.mark.parametrize("scene", SCENES)
def test_after_a_power_cut_at_any_moment_a_valid_checkpoint_is_found(
    scene: str, tmp_path: Path
) -> None:
    prepare, save, allowed = SCENES[scene]
    run, survivor = tmp_path / "run", tmp_path / "survivor"
    run.mkdir()
    prepare(run)
    before = read_tree(run)
    disk = RecordingDisk()
    save(run, disk)
    cuts = seen_old = seen_new = 0
    for done, tree in power_cuts(before, run, disk, random_cuts=9):
        cuts += 1
        write_tree(survivor, tree)
        newest = newest_valid(survivor)
        found = None if newest is None else read_checkpoint(newest)
        assert found in allowed or (found is None and not before)
        for path in checkpoint_folders(survivor):  # nor is a half-removed one ever to be seen
            if not path.with_name(path.name.removesuffix(".old")).exists() or path.suffix != ".old":
                read_checkpoint(path)
        seen_old, seen_new = seen_old + (found != NEW), seen_new + (found == NEW)
        if done == len(disk.journal):
            assert found == NEW  # the save had returned: it lasts, whatever was not synced
        # The next save works, and leaves nothing behind of what the power cut left.
        write_checkpoint(survivor, 400, OLD, disk=QuickDisk())
        assert all(step_of(survivor / name) is not None for name in names(survivor))
        assert not [path for path in checkpoint_folders(survivor) if path.suffix == ".old"]
        assert newest_valid(survivor) == survivor / "step-0000400"
    assert cuts >= 12 * 10
    assert seen_old > 9
    assert seen_new > 9


def test_the_model_of_power_cuts_finds_a_save_without_syncs(tmp_path: Path) -> None:
    """The test above is able to fail: leave out one kind of sync, and some power cut leaves no valid checkpoint."""

    def no_sync(path: Path) -> None:
        del path

    for broken in ("sync_file", "sync_folder"):
        run, survivor = tmp_path / f"run-{broken}", tmp_path / "survivor"
        run.mkdir()
        prepare(run, 200)
        before = read_tree(run)
        disk = RecordingDisk()
        setattr(disk, broken, no_sync)
        save_and_prune_old(run, disk)
        lost = 0
        for _, tree in power_cuts(before, run, disk, random_cuts=9):
            write_tree(survivor, tree)
            lost += newest_valid(survivor) is None
        assert lost > 0


def save_and_prune_old(run: Path, disk: FileSystem) -> None:
    write_checkpoint(run, 300, NEW, disk=disk)
    remove_checkpoint(run / "step-0000200", disk=disk)


@pytest.mark.parametrize("before", [{}, {"run.json": b"old" * 30}])
def test_a_file_that_is_replaced_is_old_or_new(before: Tree, tmp_path: Path) -> None:
    root, survivor = tmp_path / "root", tmp_path / "survivor"
    write_tree(root, before)
    disk = RecordingDisk()
    write_atomic(root / "run.json", "new ü", disk=disk)
    for done, tree in power_cuts(before, root, disk, random_cuts=9):
        write_tree(survivor, tree)
        found = tree.get("run.json")
        assert found in (before.get("run.json"), "new ü".encode())
        if done == len(disk.journal):
            assert found == "new ü".encode()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.faults.crashdisk import FailingDisk
from tests.faults.test_saving import save_over_the_same_step
def kill(path): os.kill(os.getpid(), signal.SIGKILL)
save_over_the_same_step(Path(sys.argv[1]), FailingDisk(int(sys.argv[2]), kill, once=True))
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("at", [1, 3, 8, 9, 10, 11, 12])
def test_a_process_really_killed_between_two_operations_leaves_a_valid_checkpoint(
    at: int, tmp_path: Path
) -> None:
    prepare(tmp_path, 200)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(at)], capture_output=True, check=False
    )
    assert (child.returncode, child.stdout) == (-signal.SIGKILL, b""), child.stderr
    newest = newest_valid(tmp_path)
    assert newest is not None
    assert read_checkpoint(newest) == (OLD if at < 12 else NEW)
    write_checkpoint(tmp_path, 200, NEW)
    assert names(tmp_path) == ["step-0000200"]


def refuse(number: int) -> Callable[[Path], None]:
    def fail(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return fail


OPERATIONS = 14  # of a save over the same step; a test holds that
TROUBLES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS, "EDQUOT": errno.EDQUOT}


def test_a_save_has_as_many_operations_as_the_faults_below_assume(tmp_path: Path) -> None:
    prepare(tmp_path, 200)
    disk = FailingDisk(10**6, refuse(errno.EIO), once=True)
    save_over_the_same_step(tmp_path, disk)
    assert disk.count == OPERATIONS


@pytest.mark.parametrize("once", [True, False], ids=["once", "from there on"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_disk_that_fails_at_any_operation_costs_only_the_new_checkpoint(
    trouble: str, once: bool, tmp_path: Path
) -> None:
    for at in range(OPERATIONS):
        run = tmp_path / str(at)
        run.mkdir()
        prepare(run, 100, 200)
        disk = FailingDisk(at, refuse(TROUBLES[trouble]), once=once)
        if at == OPERATIONS - 1:  # what stood aside cannot be removed: the next save tries again
            save_over_the_same_step(run, disk)
        else:
            with pytest.raises(RunError) as caught:
                save_over_the_same_step(run, disk)
            message = f"the checkpoint of step 200 could not be saved in {run}: "
            assert caught.value.message.lower() == message + os.strerror(TROUBLES[trouble]).lower()
            assert "the older checkpoints are as they were" in caught.value.hint
        newest = newest_valid(run, skipped=lambda path, error: pytest.fail(f"{path}: {error}"))
        assert newest is not None
        renamed = at >= 12  # published, and only then the disk failed
        assert read_checkpoint(newest) == (NEW if renamed else OLD)
        visible = [name for name in names(run) if not name.startswith(".")]
        aside = {"step-0000200.old"} if not once or at >= 12 else set()
        assert {"step-0000100"} <= set(visible) <= {"step-0000100", "step-0000200"} | aside
        if once and at < 12:
            assert names(run) == ["step-0000100", "step-0000200"]
        # The disk is well again: training goes on, nothing is left behind.
        save_over_the_same_step(run, QuickDisk())
        assert names(run) == ["step-0000100", "step-0000200"]
        assert read_checkpoint(run / "step-0000200") == NEW


def test_a_folder_that_vanishes_during_a_save_is_a_sentence(tmp_path: Path) -> None:
    for at in range(OPERATIONS - 1):
        run = tmp_path / str(at)
        run.mkdir()
        prepare(run, 200)

        def vanish(path: Path, run: Path = run) -> None:
            del path
            shutil.rmtree(run)

        with pytest.raises(RunError, match=r"could not be saved in .*: no such file or directory"):
            save_over_the_same_step(run, FailingDisk(at, vanish, once=True))
        assert not run.exists()  # and nothing is made in its place


@pytest.mark.parametrize("at", range(4))
def test_a_file_that_cannot_be_replaced_stays_as_it_was(at: int, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    with pytest.raises(RnnStudioError, match=r"run.json could not be written: no space left") as e:
        write_atomic(path, b"new", disk=FailingDisk(at, refuse(errno.ENOSPC), once=True))
    assert "free some space" in e.value.hint
    assert path.read_bytes() == (b"new" if at == 3 else b"old")
    assert names(tmp_path) == ["run.json"]


def test_a_keyboard_interrupt_in_a_save_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt(str(path))

    for at in range(12):
        run = tmp_path / str(at)
        run.mkdir()
        prepare(run, 200)
        with pytest.raises(KeyboardInterrupt):
            save_over_the_same_step(run, FailingDisk(at, interrupt, once=True))
        assert names(run) == ["step-0000200"]
        assert read_checkpoint(run / "step-0000200") == OLD


def test_the_crash_model_itself(tmp_path: Path) -> None:
    """Small cases worked out by hand."""
    root = tmp_path
    a, b = root / "a", root / "b"
    yes, no = (lambda: True), (lambda: False)

    journal: list[tuple[str, Path, Path | bytes | None]] = [("write", a, b"xy")]
    assert after_power_cut({}, root, journal, keep=no, part=whole) == {}
    assert after_power_cut({}, root, journal, keep=yes, part=empty) == {"a": b""}
    journal.append(("sync_file", a, None))
    assert after_power_cut({}, root, journal, keep=no, part=whole) == {}  # the name is not synced
    assert after_power_cut({}, root, journal, keep=yes, part=empty) == {"a": b"xy"}
    journal.append(("sync_folder", root, None))
    assert after_power_cut({}, root, journal, keep=no, part=empty) == {"a": b"xy"}
    journal.append(("rename", a, b))
    assert after_power_cut({}, root, journal, keep=no, part=empty) == {"a": b"xy"}
    assert after_power_cut({}, root, journal, keep=yes, part=empty) == {"b": b"xy"}
