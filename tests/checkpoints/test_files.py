"""Files are written whole, and really brought to the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from checkpoints.checkpoint import write_checkpoint
from checkpoints.errors import UserError
from checkpoints.files import DISK, reason, way_out, write_atomic


def test_a_file_is_written_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content in ("ä\n", "ö\r\n"):
        write_atomic(path, content)
        assert path.read_bytes() == content.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a.txt could not be written: no such file or directory$"):
        write_atomic(tmp_path / "gone" / "a.txt", b"")


def test_nothing_is_renamed_over_another(tmp_path: Path) -> None:
    """Not over an empty folder either, which the system's own rename replaces without a word."""
    for name in ("new", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for taken in ("there", "link"):
        with pytest.raises(FileExistsError):
            DISK.rename(tmp_path / "new", tmp_path / taken)
    with pytest.raises(FileExistsError):
        DISK.write(tmp_path / "link", b"through the link")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.name == "nt", reason="folders are not synced there")
def test_a_save_really_syncs_each_file_and_both_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def fsync(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    path = write_checkpoint(tmp_path, 1, {"a": b"1", "b": b"2"})
    order = [path / "a", path / "b", path / "MANIFEST.json", path, tmp_path]
    assert synced == [p.stat().st_ino for p in order]


@pytest.mark.parametrize("number", [n for n in errno.errorcode if n < 134])
def test_every_error_of_a_disk_has_a_reason_and_a_way_out(number: int) -> None:
    error = OSError(number, os.strerror(number), "x")
    assert str(number) not in reason(error)
    assert not reason(error)[0].isupper()
    assert len(way_out(error)) > 20
    assert reason(OSError("Broken")) == "broken"
    assert reason(OSError()) == "oSError"
