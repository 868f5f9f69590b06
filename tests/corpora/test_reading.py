"""Reading: whatever form the input has, one normalised text comes out, and nothing is lost in silence."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoints.errors import CorpusError, RunError
from corpora.reading import read_corpus
from corpora.snapshot import Corpus, SnapshotWriter, open_corpus


class Notes(list[str]):
    """What reading said."""

    def __call__(self, text: str) -> None:
        self.append(text)

    def about(self, word: str) -> list[str]:
        return [note for note in self if word in note]


@pytest.fixture
def notes() -> Notes:
    return Notes()


def whole(corpus: Corpus) -> str:
    return "".join(corpus.pieces())


def test_a_plain_file_comes_out_as_it_is_with_its_hash_and_counts(
    tmp_path: Path, notes: Notes
) -> None:
    text = "Zwölf Boxkämpfer jagen Viktor 🥊\nquer über den Sylter Deich\n"
    file = tmp_path / "a.txt"
    file.write_bytes(text.encode())
    corpus = read_corpus([file], tmp_path / "cache", note=notes)
    assert whole(corpus) == text
    assert corpus.path.read_bytes() == text.encode()
    assert corpus.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert corpus.path == tmp_path / "cache" / "text" / f"{corpus.sha256}.txt"
    assert (corpus.chars, corpus.size_bytes) == (len(text), len(text.encode()))
    assert corpus.counts == Counter(text)
    assert notes == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_any_text_survives(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.txt"
    body = f"ab{text}"  # two distinct characters, and no byte order mark in front
    file.write_bytes(body.encode())
    controls = sum(char < " " and char not in "\t\n\x0b\x0c\r\x08\x1a\x1b" for char in text)
    if controls > 0.05 * len(body.encode()):
        with pytest.raises(CorpusError, match="control characters"):
            read_corpus([file], tmp_path / "cache", note=lambda _: None)
        return
    corpus = read_corpus([file], tmp_path / "cache", note=lambda _: None)
    expected = body.replace("\r\n", "\n").replace("\r", "\n")
    assert whole(corpus) == expected
    assert corpus.counts == Counter(expected)
    half = len(expected) // 2
    assert corpus.text(half, len(expected) + 5) == expected[half:]


class Dribble(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, body: bytes, sizes: list[int]) -> None:
        super().__init__(body)
        self.sizes = sizes
        self.turn = 0

    def read(self, _size: int | None = -1, /) -> bytes:
        self.turn += 1
        return super().read(self.sizes[self.turn % len(self.sizes)])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.sampled_from("aä中🥊\r\n"), min_size=2, max_size=60),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=8),
)
def test_how_the_bytes_arrive_makes_no_difference(
    tmp_path: Path, text: str, sizes: list[int]
) -> None:
    body = ("xy" + text).encode()
    pipe = Dribble(body, sizes)
    corpus = read_corpus(["-"], tmp_path / "cache", note=lambda _: None, stdin=pipe)
    expected = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    assert whole(corpus) == expected
    for size in (5, 64):
        assert "".join(corpus.pieces(size)) == expected


def test_a_line_end_across_two_blocks_is_one_line_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.encodings.BLOCK", 4)
    (tmp_path / "a.txt").write_bytes(b"abc\r\nabc\r\r\nab\xc3\xa4\n")
    corpus = read_corpus([tmp_path / "a.txt"], tmp_path / "cache", note=print)
    assert whole(corpus) == "abc\nabc\n\nabä\n"


def test_pieces_end_with_a_line_where_they_can(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("".join(f"line {i}\n" for i in range(1000)))
    pieces = list(read_corpus([file], tmp_path / "cache", note=print).pieces(256))
    assert len(pieces) > 10
    assert all(piece.endswith("\n") for piece in pieces)


def test_a_slice_is_what_the_whole_text_has_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.snapshot.PIECE_BYTES", 100)
    text = "".join(chr(0x3B1 + i % 700) + ("\n" if i % 11 == 0 else "x") for i in range(500))
    with SnapshotWriter(tmp_path, binary=False) as writer:
        for i in range(0, len(text), 37):
            writer.write_text(text[i : i + 37])
        corpus = writer.publish()
    assert len(corpus.index) > 5
    for start, stop in [(0, 1), (0, 5000), (99, 100), (400, 777), (998, 1000), (-5, 3), (7, 7)]:
        assert corpus.text(start, stop) == text[max(0, start) : max(0, stop)]


def test_crlf_and_cr_become_lf_and_are_told_once(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\rthree\n")
    (tmp_path / "b.txt").write_bytes(b"four\r\r\nfive\r")
    corpus = read_corpus([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "cache", note=notes)
    assert whole(corpus) == "one\ntwo\nthree\nfour\n\nfive\n"
    assert notes == ["line ends: 2 CRLF and 3 CR became LF"]


def test_a_folder_is_read_in_sorted_order_without_hidden_and_binary_files(
    tmp_path: Path, notes: Notes
) -> None:
    folder = tmp_path / "texts"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "z.txt").write_text("zzz\n")
    (folder / "c.txt").write_text("no line end")
    (folder / "a.txt").write_text("alpha\n")
    (folder / "d.txt").write_text("delta\n")
    (folder / ".hidden").write_text("secret\n")
    (folder / "pic.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)))
    corpus = read_corpus([folder], tmp_path / "cache", note=notes)
    assert whole(corpus) == "alpha\nno line end\ndelta\nzzz\n"
    names = [Path(source.path).name for source in corpus.sources]
    assert names == ["a.txt", "c.txt", "d.txt", "z.txt"]
    assert [source.start_char for source in corpus.sources] == [0, 6, 18, 24]
    assert [source.chars for source in corpus.sources] == [6, 11, 6, 4]
    assert notes.about("pic.png: binary")
    assert notes.about(".hidden: hidden")


def test_a_run_folder_inside_the_corpus_is_not_read(tmp_path: Path, notes: Notes) -> None:
    run = tmp_path / "texts" / "runs" / "first"
    run.mkdir(parents=True)
    for name in ("run.json", "events.jsonl", "run.log"):
        (run / name).write_text("{}\n")
    (tmp_path / "texts" / "a.txt").write_text("the text\n")
    corpus = read_corpus([tmp_path / "texts"], tmp_path / "cache", note=notes)
    assert whole(corpus) == "the text\n"
    assert notes.about("run of rnnstudio")


def test_a_link_that_may_not_be_followed_is_passed_over(
    tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /proc/1/cwd: its name can be listed, but even looking at it is refused."""
    (tmp_path / "a.txt").write_text("some words\n", "utf-8")
    (tmp_path / "closed").write_text("not for you\n", "utf-8")
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    corpus = read_corpus([str(tmp_path)], tmp_path / ".cache", note=notes)
    assert whole(corpus) == "some words\n"
    assert notes.about("permission denied")


def test_globs_and_names_with_brackets(tmp_path: Path) -> None:
    (tmp_path / "b1.txt").write_text("one\n")
    (tmp_path / "b2.txt").write_text("two\n")
    (tmp_path / "odd[1].txt").write_text("odd\n")

    def read(name: str) -> str:
        return whole(read_corpus([str(tmp_path / name)], tmp_path / "cache", note=print))

    assert read("b*.txt") == "one\ntwo\n"
    assert read("odd[1].txt") == "odd\n"
    assert read("**/b2.*") == "two\n"
    with pytest.raises(CorpusError, match="no file matches"):
        read("x*.txt")


def test_a_misspelt_name_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "shakespeare.txt").write_text("To be\n")
    with pytest.raises(CorpusError, match="there is no file or folder") as caught:
        read_corpus([tmp_path / "shakspeare.txt"], tmp_path / "cache", note=print)
    assert caught.value.hint.endswith("shakespeare.txt?")


def test_a_name_that_the_system_refuses_is_a_sentence(tmp_path: Path) -> None:
    for name in ("n" * 300, "n*" * 150, f"{'n' * 300}/a.txt"):
        with pytest.raises(
            CorpusError, match=r"no file matches|cannot be read: file name too long"
        ):
            read_corpus([tmp_path / name], tmp_path / "cache", note=lambda _: None)


def test_an_empty_name_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text("not meant\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="an empty name is no file"):
        read_corpus([""], tmp_path / "cache", note=print)
    assert whole(read_corpus(["."], tmp_path / "cache", note=print)) == "not meant\n"


def test_an_edited_file_is_read_anew_even_if_its_times_say_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("first version\n")
    before = file.stat()
    first = read_corpus([file], tmp_path / "cache", note=print)
    file.write_text("other version\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = read_corpus([file], tmp_path / "cache", note=print)
    assert first.sha256 != second.sha256
    assert whole(second) == "other version\n"
    assert whole(first) == "first version\n"


def test_a_damaged_snapshot_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("the text\n")
    corpus = read_corpus([file], tmp_path / "cache", note=print)
    corpus.path.write_text("the TEXT\n")
    assert whole(read_corpus([file], tmp_path / "cache", note=print)) == "the text\n"


def test_a_snapshot_is_opened_again_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("αβγ the text\n" * 50)
    corpus = read_corpus([file], tmp_path / "cache", note=print)
    assert open_corpus(tmp_path / "cache", corpus.sha256) == corpus
    assert open_corpus(tmp_path / "cache", "0" * 64) is None
    corpus.path.write_text("cut")
    assert open_corpus(tmp_path / "cache", corpus.sha256) is None
    sidecar = corpus.path.with_suffix(".json")
    for broken in ("{", "[]", json.dumps({"format": 1})):
        sidecar.write_text(broken)
        assert open_corpus(tmp_path / "cache", corpus.sha256) is None


def test_binary_keeps_every_byte(tmp_path: Path) -> None:
    body = bytes(range(256)) * 3 + b"\r\n\r\xff"
    (tmp_path / "a.bin").write_bytes(body)
    (tmp_path / "b.bin").write_bytes(b"\0tail")
    files = [tmp_path / "a.bin", tmp_path / "b.bin"]
    corpus = read_corpus(files, tmp_path / "cache", binary=True, note=print)
    assert b"".join(corpus.byte_pieces(100)) == body + b"\0tail"
    assert (corpus.chars, corpus.binary, corpus.path.suffix) == (len(body) + 5, True, ".bin")
    assert [source.start_char for source in corpus.sources] == [0, len(body)]
    assert corpus.text(250, 260) == (body + b"\0tail")[250:260].decode("latin-1")
    with pytest.raises(CorpusError, match="bytes, not characters"):
        next(corpus.pieces())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\0\1\2 binary", "zero byte"),
        ("grün schön\n".encode() * 9 + b"\xff\n", "line 10, byte 117"),
    ],
)
def test_what_is_no_text_can_be_read_as_bytes_instead(
    tmp_path: Path, notes: Notes, body: bytes, why: str
) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(body)
    with pytest.raises(CorpusError, match=why):
        read_corpus([file], tmp_path / "cache", note=notes)
    corpus = read_corpus([file], tmp_path / "cache", or_bytes=True, note=notes)
    assert corpus.binary
    assert b"".join(corpus.byte_pieces()) == body
    assert notes.about("all is read as the bytes it has")
    with pytest.raises(CorpusError, match=why):  # a pipe is gone once it was read
        read_corpus(["-"], tmp_path / "cache", or_bytes=True, note=notes, stdin=io.BytesIO(body))


def test_text_stays_text_where_bytes_would_do(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "b.png").write_bytes(b"\x89PNG\0\0")
    paths = [tmp_path / "a.txt", tmp_path / "pics"]
    corpus = read_corpus(paths, tmp_path / "cache", or_bytes=True, note=notes)
    assert whole(corpus) == "one\ntwo\n"
    with pytest.raises(CorpusError, match="only binary files"):
        read_corpus(paths[1:], tmp_path / "cache", note=notes)
    pictures = read_corpus(paths[1:], tmp_path / "cache", or_bytes=True, note=notes)
    assert b"".join(pictures.byte_pieces()) == b"\x89PNG\0\0"


def test_a_dash_is_the_process_own_input_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from the pipe\n")))
    assert whole(read_corpus(["-"], tmp_path / "cache", note=print)) == "from the pipe\n"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CorpusError, match="no standard input"):
        read_corpus(["-"], tmp_path / "cache", note=print)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab" * 2_000_000)
    (tmp_path / "b.txt").write_text("cd")
    told: list[tuple[int, int | None]] = []
    read_corpus(
        [tmp_path / "a.txt", tmp_path / "b.txt"],
        tmp_path / "cache",
        note=print,
        progress=lambda done, total: told.append((done, total)),
    )
    assert len(told) > 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (4_000_002, 4_000_002)


def test_nothing_is_left_behind_when_reading_fails(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("fine\n")
    (tmp_path / "b.bin").write_bytes(b"\0\1\2")
    files = [tmp_path / "a.txt", tmp_path / "b.bin"]
    with pytest.raises(CorpusError, match=r"b\.bin is not text"):
        read_corpus(files, tmp_path / "cache", note=print)
    assert list((tmp_path / "cache" / "text").iterdir()) == []


def test_what_a_killed_process_left_is_swept_a_day_later(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "text"
    folder.mkdir(parents=True)
    (tmp_path / "a.txt").write_text("fine\n")
    old, new = folder / ".old.tmp", folder / ".new.tmp"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    read_corpus([tmp_path / "a.txt"], tmp_path / "cache", note=print)
    assert new.exists()
    assert not old.exists()


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("fine\n")
    (tmp_path / "cache").write_text("a file where the folder should be")
    for elsewhere in ("--runs DIR", "TMPDIR"):
        with pytest.raises(RunError, match="could not be kept") as caught:
            read_corpus([tmp_path / "a.txt"], tmp_path / "cache", note=print, elsewhere=elsewhere)
        assert caught.value.hint.endswith(f"; {elsewhere} names another place")


def test_a_run_is_no_text(tmp_path: Path, notes: Notes) -> None:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    for name in ("run.json", "events.jsonl"):
        (run / name).write_text("{}\n")
    with pytest.raises(CorpusError, match="is a run of rnnstudio") as caught:
        read_corpus([run], tmp_path / "cache", note=notes)
    assert f"--from {run}" in caught.value.hint


def test_a_file_that_is_named_twice_is_said(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "a.txt").write_text("the text\n")
    (tmp_path / "b.txt").write_text("another\n")
    read_corpus([tmp_path], tmp_path / "cache", note=notes)
    assert not notes.about("more than once")
    read_corpus([tmp_path, tmp_path / "b.txt"], tmp_path / "cache", note=notes)
    assert notes.about(f"{tmp_path / 'b.txt'}: named more than once")
