"""Hostile and unlucky inputs: each ends in text or in one sentence, in bounded memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier
from typing import Any, BinaryIO

import pytest

from checkpoints.errors import CorpusError, RunError
from corpora.archives import Limits
from corpora.reading import read_corpus
from corpora.snapshot import Corpus
from engine.config import DataConfig
from engine.tokens import learn_tokenizer, prepare
from tests.cli import here


@pytest.mark.parametrize("body", [b"a", b"\n\r\n\r", b"a" * 100_000, b"\0" * 100_000])
def test_one_distinct_character_is_nothing_to_learn(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(body)
    said = here("train", "a.txt", "--tokenizer", "byte", cwd=tmp_path, expect=(2,)).err
    assert "a.txt has only one distinct" in said
    assert not [*tmp_path.glob("runs/*/run.json")]


def read(path: Path | str, cache: Path, **options: Any) -> tuple[Corpus, list[str]]:
    notes: list[str] = []
    corpus = read_corpus([path], cache, note=notes.append, **options)
    return corpus, notes


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "there is no text"),
        (b"\xef\xbb\xbf", "there is no text"),
        (b"hello\0world " * 400, "is not text: it holds 400 zero bytes"),
        (b"text\0text", "is not text: it holds 1 zero byte"),
        (b"\x00\x01\x02 binary", "is not text: it holds 1 zero byte"),
        ("a\uffff\ue000\u0378\n".encode("utf-16-le"), "is not text: it holds 3 zero bytes"),
        (b"\x01\x02\x03\x04 binary", "control characters"),
        ("ab\ud83d c".encode("utf-16-le", "surrogatepass"), "is not text"),
        (
            b"\xff\xfe" + "ab\ud83d c".encode("utf-16-le", "surrogatepass"),
            "line 1, byte 6: 3D is not UTF-16-LE",
        ),
        (b"\xff\xfea\0b\0c", "line 1, byte 6: 63 is not UTF-16-LE"),
        (b"\xff\xfea\0\0\0", "holds zero characters"),
        ("grün schön\n".encode() + b"\xed\xa0\xbd\n", "line 2, byte 13: ED is not UTF-8"),
    ],
)
def test_hopeless_files_are_one_sentence(tmp_path: Path, body: bytes, sentence: str) -> None:
    (tmp_path / "a.txt").write_bytes(body)
    with pytest.raises(CorpusError) as caught:
        read(tmp_path / "a.txt", tmp_path / "cache")
    assert sentence in caught.value.message
    assert caught.value.hint
    assert list((tmp_path / "cache" / "text").iterdir()) == []


def test_an_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    with pytest.raises(CorpusError, match="there is no text in"):
        read(tmp_path / "texts", tmp_path / "cache")


def test_a_hundred_thousand_distinct_code_points(tmp_path: Path) -> None:
    text = "".join(chr(code) for code in range(0x10000, 0x10000 + 100_000))
    (tmp_path / "a.txt").write_bytes(text.encode())
    corpus, _ = read(tmp_path / "a.txt", tmp_path / "cache")
    assert len(corpus.counts) == 100_000
    assert "".join(corpus.pieces()) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp437"])
def test_one_line_of_50_mb_is_read_in_little_memory(tmp_path: Path, encoding: str) -> None:
    line = "the quick brown fox sautés ½ a lazy dog and so on and on "
    block = (line * 10_000).encode(encoding)
    with (tmp_path / "a.txt").open("wb") as file:
        for _ in range(50_000_000 // len(block)):
            file.write(block)
    tracemalloc.start()
    try:
        corpus, _ = read(tmp_path / "a.txt", tmp_path / "cache")
        for piece in corpus.pieces():
            assert len(piece) <= 1 << 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert corpus.chars == 50_000_000 // len(block) * 10_000 * len(line)
    assert corpus.text(corpus.chars - len(line), corpus.chars) == line
    # 16 MiB of the file aside in memory, 9 MiB of character counts, a few blocks of a MiB.
    assert peak < 48 << 20


def test_a_fifo_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"through the pipe\n" * 9999,))
    writer.start()
    corpus, _ = read(fifo, tmp_path / "cache")
    writer.join()
    assert "".join(corpus.pieces()) == "through the pipe\n" * 9999


def test_a_fifo_in_a_folder_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "a.txt").write_text("text\n")
    corpus, notes = read(folder, tmp_path / "cache")
    assert "".join(corpus.pieces()) == "text\n"
    assert any("pipe: not an ordinary file" in note for note in notes)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/null"])
def test_devices_are_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(CorpusError, match="is a device"):
        read(device, tmp_path / "cache")


class Endless:
    """Like `yes`."""

    def isatty(self) -> bool:
        return False

    def read(self, size: int) -> bytes:
        return b"yes\n" * (size // 4)


@pytest.mark.parametrize("binary", [False, True])
def test_an_endless_pipe_is_stopped_at_the_limit(tmp_path: Path, binary: bool) -> None:
    endless: BinaryIO = Endless()  # type: ignore[assignment]
    limits = Limits(pipe_bytes=5_000_000)
    with pytest.raises(CorpusError, match="more than 5,000,000 bytes"):
        read("-", tmp_path / "cache", stdin=endless, limits=limits, binary=binary)
    assert list((tmp_path / "cache" / "text").iterdir()) == []


def test_a_folder_with_a_symlink_loop_is_read_once(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha\n")
    (folder / "sub" / "b.txt").write_text("beta\n")
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "gone.txt").symlink_to(tmp_path / "nowhere")
    corpus, notes = read(folder, tmp_path / "cache")
    assert "".join(corpus.pieces()) == "alpha\nbeta\n"
    assert any("link back" in note for note in notes)
    assert any("gone.txt" in note for note in notes)


def test_a_file_that_grows_is_read_as_it_was_when_opened(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    before = "before\n" * 400_000
    file.write_text(before)

    def grow(_done: int, _total: int | None) -> None:
        with file.open("a") as more:
            more.write("after\n" * 100_000)

    corpus, notes = read(file, tmp_path / "cache", progress=grow)
    assert "".join(corpus.pieces()) == before
    assert any("changed while it was read" in note for note in notes)


def test_a_file_that_shrinks_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("before\n" * 400_000)
    corpus, notes = read(file, tmp_path / "cache", progress=lambda *_: os.truncate(file, 1_400_000))
    assert corpus.chars == 1_400_000
    assert any("shrank while it was read: 1,400,000 of 2,800,000" in note for note in notes)


def test_a_file_that_vanishes_while_it_is_read_is_still_read(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("before\n" * 400_000)
    corpus, notes = read(file, tmp_path / "cache", progress=lambda *_: file.unlink(missing_ok=True))
    assert corpus.chars == 2_800_000
    assert any("was deleted while it was read" in note for note in notes)


def test_a_file_that_vanishes_before_its_turn(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    second = folder / "b.txt"
    (folder / "a.txt").write_text("alpha\n")
    second.write_text("beta\n")

    def gone(done: int, _total: int | None) -> None:
        if done:  # not while the folder is listed
            second.unlink(missing_ok=True)

    corpus, notes = read(folder, tmp_path / "cache", progress=gone)
    assert "".join(corpus.pieces()) == "alpha\n"
    assert any("b.txt: could not be opened" in note for note in notes)
    second.write_text("beta\n")
    files = [folder / "a.txt", second]
    with pytest.raises(CorpusError, match=r"b\.txt could not be opened"):
        read_corpus(files, tmp_path / "cache", note=print, progress=gone)


def _read_in_child(path: Path, cache: Path, start: Barrier) -> None:
    start.wait()
    for _ in range(5):
        corpus, _notes = read(path, cache)
        assert "".join(corpus.pieces()) == path.read_text()


def test_two_processes_read_the_same_corpus_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a shared text\n" * 50_000)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    children = [
        context.Process(target=_read_in_child, args=(file, tmp_path / "cache", start))
        for _ in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    names = sorted(path.suffix for path in (tmp_path / "cache" / "text").iterdir())
    assert names == [".json", ".txt"]


@contextlib.contextmanager
def small_disk(size_bytes: int) -> Iterator[None]:
    """No file may grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [3_000_000, 40_000_000])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"a text that is too long\n" * (size // 24))
    with small_disk(1_000_000), pytest.raises(RunError, match="could not be kept") as caught:
        read(file, tmp_path / "cache")
    assert "free some space" in caught.value.hint
    assert list((tmp_path / "cache" / "text").iterdir()) == []
    assert read(file, tmp_path / "cache")[0].chars == size // 24 * 24


def test_a_full_disk_while_tokens_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a text that is too long\n" * 200_000)
    corpus, _ = read(tmp_path / "a.txt", tmp_path / "cache")
    config = DataConfig()
    tokenizer = learn_tokenizer(corpus, config)
    with small_disk(1_000_000), pytest.raises(RunError, match="could not be written") as caught:
        prepare(corpus, tokenizer, config, cache=tmp_path / "cache")
    assert caught.value.hint
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []
    tokens = prepare(corpus, tokenizer, config, cache=tmp_path / "cache")
    assert len(tokens.train.tokens) == tokens.train.chars


def test_a_snapshot_that_shrinks_or_vanishes_before_it_is_encoded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the text\n" * 1000)
    corpus, _ = read(tmp_path / "a.txt", tmp_path / "cache")
    config = DataConfig()
    tokenizer = learn_tokenizer(corpus, config)
    os.truncate(corpus.path, 500)
    with pytest.raises(CorpusError, match="ends at 500"):
        prepare(corpus, tokenizer, config, cache=tmp_path / "cache")
    corpus.path.unlink()
    with pytest.raises(CorpusError, match="cannot be opened"):
        prepare(corpus, tokenizer, config, cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []


def test_names_that_are_not_utf_8_can_still_be_told(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, body in (
        (b"caf\xe9.txt", b"text\n"),
        (b"\xff.png", b"\0\0"),
        (b"\xfe.txt", b"sant\xe9\n"),
    ):
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(body)
    corpus, notes = read(folder, tmp_path / "cache")
    assert corpus.chars == len("text\nsanté\n")
    said = "".join([*notes, *(source.path for source in corpus.sources)])
    assert "caf?.txt" in said
    assert said.encode()
