"""Compressed files and archives: read as streams, nothing believed, nothing written outside the cache."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from checkpoints.errors import CorpusError
from corpora.archives import Limits
from corpora.reading import read_corpus

TEXT = "".join(f"line {i} of the text, with some words\n" for i in range(2000))


def read(path: Path, *, limits: Limits | None = None) -> tuple[str, list[str]]:
    notes: list[str] = []
    corpus = read_corpus([path], path.parent / "cache", note=notes.append, limits=limits)
    return "".join(corpus.pieces()), notes


def make_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, body in members:
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_compressed_files(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    file = tmp_path / f"a.txt.{suffix}"
    file.write_bytes(pack(TEXT.encode()))
    assert read(file) == (TEXT, [])
    file.write_bytes(pack(TEXT.encode())[:-20])
    with pytest.raises(CorpusError, match="could not be unpacked"):
        read(file)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.bz2", "w:bz2"), ("tar.xz", "w:xz")],
)
def test_tars_are_read_and_their_traps_passed_over(tmp_path: Path, suffix: str, mode: str) -> None:
    trap = b"stolen\n"
    file = make_tar(
        tmp_path / f"a.{suffix}",
        [
            (member("./one.txt"), TEXT.encode()),
            (member("../escape.txt"), trap),
            (member("/etc/absolute.txt"), trap),
            (member("in/../../up.txt"), trap),
            (member("link.txt", tarfile.SYMTYPE, "/etc/passwd"), b""),
            (member("hard.txt", tarfile.LNKTYPE, "one.txt"), b""),
            (member("fifo", tarfile.FIFOTYPE), b""),
            (member("dev", tarfile.CHRTYPE), b""),
            (member("holes", tarfile.GNUTYPE_SPARSE), b""),
            (member(".git/config"), trap),
            (member("more.zip"), trap),
            (member("pic.png"), b"\x89PNG\0\0"),
            (member("sub", tarfile.DIRTYPE), b""),
            (member("sub/two.txt"), b"two\n"),
        ],
        mode,
    )
    text, notes = read(file)
    assert text == TEXT + "two\n"
    said = "\n".join(notes)
    for name in ("escape", "absolute", "up.txt", "link.txt", "hard.txt", "fifo", "dev", "holes"):
        assert f"{name}" in said
    for name in (".git", "more.zip", "pic.png"):
        assert name in said
    (outside,) = [note for note in notes if "leads outside" in note]
    assert all(name in outside for name in ("escape", "absolute", "up.txt"))
    (links,) = [note for note in notes if "links inside archives" in note]
    assert all(name in links for name in ("link.txt", "hard.txt"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{suffix}", "cache"]


def test_a_tar_broken_in_the_middle_is_not_taken_for_its_first_half(tmp_path: Path) -> None:
    members = [(member("a.txt"), b"xy" * 300), (member("b.txt"), b"b\n")]
    file = make_tar(tmp_path / "a.tar", members, "w")
    assert read(file)[0] == "xy" * 300 + "\nb\n"
    body = bytearray(file.read_bytes())
    assert body[1536:1541] == b"b.txt"
    body[1536] ^= 1
    file.write_bytes(body)
    with pytest.raises(CorpusError, match="could not be unpacked"):
        read(file)
    file.write_bytes(body[:800])
    with pytest.raises(CorpusError, match="could not be unpacked"):
        read(file)


def test_zips_are_read_and_their_traps_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.txt", TEXT)
        archive.writestr("../escape.txt", "stolen")
        archive.writestr("C:\\windows.txt", "stolen")
        archive.writestr("/abs.txt", "stolen")
        archive.writestr("__MACOSX/._one.txt", "stolen")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("sub/two.txt", "two\n")
    text, notes = read(file)
    assert text == TEXT + "two\n"
    for name in ("escape", "windows", "abs", "MACOSX", "link.txt"):
        assert name in "\n".join(notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "cache"]


def test_an_encrypted_or_broken_zip_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one.txt", TEXT)
    body = bytearray(file.read_bytes())
    at = body.find(b"line 700")
    file.write_bytes(body[:at] + b"LINE" + body[at + 4 :])
    with pytest.raises(CorpusError, match=r"could not be unpacked: Bad CRC"):
        read(file)
    body[body.find(b"PK\1\2") + 8] |= 1
    file.write_bytes(body)
    with pytest.raises(CorpusError, match="encrypted"):
        read(file)
    file.write_bytes(b"PK\3\4 nonsense")
    with pytest.raises(CorpusError, match="could not be unpacked"):
        read(file)


@pytest.mark.parametrize("suffix", ["gz", "zip", "tar.gz"])
def test_a_decompression_bomb_is_stopped_early(tmp_path: Path, suffix: str) -> None:
    bomb = b"ab" * 1_500_000
    file = tmp_path / f"bomb.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", bomb)
    elif suffix == "gz":
        file.write_bytes(gzip.compress(bomb))
    else:
        make_tar(file, [(member("a.txt"), bomb)])
    assert len(read(file)[0]) == 3_000_000  # too small to be a threat
    with pytest.raises(CorpusError, match="200 times its size"):
        read(file, limits=Limits(ratio_from_bytes=1_000_000))
    with pytest.raises(CorpusError, match="more than 2,000,000 bytes"):
        read(file, limits=Limits(unpacked_bytes=2_000_000))


def test_a_bomb_of_many_zipped_files_is_counted_together(tmp_path: Path) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(5):
            archive.writestr(f"{i}.txt", b"ab" * 300_000)
    with pytest.raises(CorpusError, match="more than 2,000,000 bytes"):
        read(file, limits=Limits(unpacked_bytes=2_000_000))


def test_too_many_files_in_an_archive(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "a.tar", [(member(f"{i}.txt"), b"x\n") for i in range(20)], "w")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(20):
            archive.writestr(f"{i}.txt", "x\n")
    for file in (tar, tmp_path / "a.zip"):
        assert read(file, limits=Limits(entries=20))[0] == "x\n" * 20
        with pytest.raises(CorpusError, match="more than 19 files"):
            read(file, limits=Limits(entries=19))


def test_archives_in_a_folder_are_opened(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"packed\n"))
    (folder / "b.txt").write_text("plain\n")
    assert read(folder)[0] == "packed\nplain\n"


def test_a_damaged_archive_in_a_folder_is_passed_over_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode())[:-20])
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("bad.txt", TEXT)
        archive.writestr("good.txt", "good\n")
    body = (folder / "b.zip").read_bytes()
    (folder / "b.zip").write_bytes(body.replace(b"line 700", b"LINE 700"))
    (folder / "c.zip").write_bytes(b"PK\3\4 nonsense")
    make_tar(
        folder / "d.tar",
        [(member("whole.txt"), b"whole\n"), (member("cut.txt"), TEXT.encode())],
        "w",
    )
    body = (folder / "d.tar").read_bytes()
    (folder / "d.tar").write_bytes(body[: len(body) // 2])
    (folder / "z.txt").write_text("plain\n")
    text, notes = read(folder)
    assert text == "good\nwhole\nplain\n"
    (said,) = notes
    assert said.endswith(": damaged or cut short")  # of four: no "it is"
    for name in ("a.txt.gz", "bad.txt", "c.zip"):
        assert name in said
    with pytest.raises(CorpusError, match="could not be unpacked"):
        read(folder / "c.zip")


def test_a_zip_whose_names_are_no_utf8_is_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT)
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("grün.txt", TEXT)
    packed = (folder / "b.zip").read_bytes()
    (folder / "b.zip").write_bytes(packed.replace("ü".encode(), b"\xff\xff"))
    text, notes = read(folder)
    assert text == TEXT
    assert "damaged or cut short" in notes[0]
    with pytest.raises(CorpusError, match="could not be unpacked"):
        read(folder / "b.zip")


def test_an_archive_that_may_not_be_opened_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text(TEXT)
    for name in ("b.txt.gz", "c.zip"):
        (folder / name).write_bytes(gzip.compress(TEXT.encode()))
    opened = Path.open

    def refused(path: Path, mode: str = "r") -> IO[Any]:
        if path.suffix in (".gz", ".zip"):  # as the system does, but for root
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode)

    monkeypatch.setattr(Path, "open", refused)
    for name in ("b.txt.gz", "c.zip"):
        with pytest.raises(CorpusError, match="could not be opened: permission denied") as caught:
            read(folder / name)
        assert "ls -l" in caught.value.hint
    assert "could not be opened (permission denied)" in read(folder)[1][0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with names")
def test_a_compressed_pipe_of_any_size_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "a.txt.gz"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(TEXT.encode()),))
    writer.start()
    assert read(pipe, limits=Limits(ratio_from_bytes=1000))[0] == TEXT
    writer.join()


def test_an_encrypted_member_of_an_archive_in_a_folder_is_passed_over_and_said(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("secret.txt", TEXT)
    body = bytearray((folder / "a.zip").read_bytes())
    body[body.find(b"PK\1\2") + 8] |= 1
    (folder / "a.zip").write_bytes(body)
    (folder / "b.txt").write_text("plain\n")
    text, notes = read(folder)
    assert text == "plain\n"
    assert "a.zip: secret.txt: encrypted" in notes[0]
