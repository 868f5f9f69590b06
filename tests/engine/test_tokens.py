"""Token files: the same ids as encoding the text in one go, made once, never stale, kept by the run."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoints.errors import CorpusError, RunError
from corpora.reading import read_corpus
from corpora.snapshot import Corpus
from engine import tokenizers
from engine.config import DataConfig
from engine.tokenizers.base import Tokenizer
from engine.tokenizers.char import CharTokenizer
from engine.tokens import Part, TokenFile, learn_tokenizer, open_tokens, prepare
from engine.training.lanes import fits

LINES = "".join(f"line {i} of a text that is long enough\n" for i in range(300))


def corpus_of(text: str | bytes, folder: Path, *, binary: bool = False) -> Corpus:
    file = folder / "corpus.txt"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_corpus([file], folder / "cache", note=lambda _: None, binary=binary)


def at_marks(pieces: Iterable[str]) -> Iterator[int]:
    """Documents start at each `#` (and at 0)."""
    yield 0
    offset = 0
    for piece in pieces:
        yield from (offset + mark.start() for mark in re.finditer("#", piece))
        offset += len(piece)


def parts(tokens: TokenFile) -> tuple[Part, Part, Part]:
    return tokens.train, tokens.valid, tokens.test


def texts(tokens: TokenFile, tokenizer: Tokenizer) -> list[str]:
    return [part.text(tokenizer) for part in parts(tokens)]


def made(
    corpus: Corpus, folder: Path, config: DataConfig | None = None, **options: object
) -> tuple[TokenFile, Tokenizer]:
    config = config or DataConfig()
    tokenizer = learn_tokenizer(corpus, config)
    return prepare(corpus, tokenizer, config, cache=folder / "cache", **options), tokenizer  # type: ignore[arg-type]


@pytest.mark.parametrize("name", tokenizers.names())
def test_a_real_text_comes_back_whole_from_its_three_parts(tmp_path: Path, name: str) -> None:
    text = LINES + "Grüße, 中文 und 🥊!\n" * 40
    corpus = corpus_of(text, tmp_path)
    tokens, tokenizer = made(corpus, tmp_path, DataConfig(tokenizer=name))
    assert "".join(texts(tokens, tokenizer)) == text
    assert [part.chars for part in parts(tokens)] == [len(t) for t in texts(tokens, tokenizer)]
    assert tokens.vocab_size == tokenizer.vocab_size
    assert not tokens.train.tokens[:].flags.writeable


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text(st.sampled_from("ab#\nä中"), min_size=2, max_size=200),
    name=st.sampled_from(["char", "byte"]),
    piece=st.integers(4, 50),
    valid=st.sampled_from([0.0, 0.1, 0.4]),
    test=st.sampled_from([0.0, 0.05, 0.3]),
    kind=st.sampled_from(["tail", "nanogpt"]),
)
def test_documents_are_encoded_one_by_one_wherever_the_pieces_are_cut(
    tmp_path: Path, text: str, name: str, piece: int, valid: float, test: float, kind: str
) -> None:
    """The oracle: cut the whole text at its marks and at the split, encode each by itself, put them together."""
    text = "xy" + text
    corpus = corpus_of(text, tmp_path)
    config = DataConfig(tokenizer=name, split=kind, valid_fraction=valid, test_fraction=test)  # type: ignore[arg-type]
    tokenizer = learn_tokenizer(corpus, config)
    shutil.rmtree(tmp_path / "cache" / "tokens", ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        pieces = Corpus.pieces
        patch.setattr(Corpus, "pieces", lambda self: pieces(self, piece))
        tokens = prepare(
            corpus,
            tokenizer,
            config,
            cache=tmp_path / "cache",
            starts=at_marks,
            document_mode=True,
        )
    marks = {0, *(i for i, char in enumerate(text) if char == "#")}
    begin = 0
    for part in parts(tokens):
        end = begin + part.chars
        places = sorted({begin, end} | {mark for mark in marks if begin <= mark < end})
        expected: list[int] = []
        expected_starts: list[int] = []
        for start, stop in pairwise(places):
            expected_starts.append(len(expected))
            expected += tokenizer.encode(text[start:stop]).tolist()
            if stop in marks or stop == len(text):
                expected.append(tokenizer.document_end)
        assert part.tokens[:].tolist() == expected
        assert part.document_starts.tolist() == expected_starts
        begin = end
    assert begin == len(text)


def test_the_tail_is_cut_at_documents(tmp_path: Path) -> None:
    text = "".join(f"#document {i}\n" for i in range(200))
    tokens, tokenizer = made(corpus_of(text, tmp_path), tmp_path, starts=at_marks)
    train, valid, test = texts(tokens, tokenizer)
    assert valid.startswith("#document 1")
    assert test.startswith("#document 19")
    assert abs(len(valid) - 0.05 * len(text)) < 15
    assert abs(len(test) - 0.05 * len(text)) < 15
    assert train + valid + test == text
    assert len(tokens.train.document_starts) == 0


def test_the_tail_is_cut_at_files(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / f"{i:02}.txt").write_text(f"file {i:02}, first line\nand the second line\n")
    files = sorted(tmp_path.glob("*.txt"))
    corpus = read_corpus(files, tmp_path / "cache", note=print)
    tokens, tokenizer = made(corpus, tmp_path, document_mode=True)
    assert [len(part.document_starts) for part in parts(tokens)] == [36, 2, 2]
    assert texts(tokens, tokenizer)[2].startswith("file 38")


def test_the_tail_is_cut_at_lines_where_no_document_is_near(tmp_path: Path) -> None:
    tokens, tokenizer = made(corpus_of(LINES, tmp_path), tmp_path, starts=lambda _: iter([0, 5]))
    train, valid, test = texts(tokens, tokenizer)
    assert valid.startswith("line 27")
    assert test.startswith("line 285")
    assert train + valid + test == LINES


def test_one_long_line_is_cut_anywhere(tmp_path: Path) -> None:
    text = "abcdefghij" * 100
    tokens, _ = made(corpus_of(text, tmp_path), tmp_path)
    assert [part.chars for part in parts(tokens)] == [900, 50, 50]


@pytest.mark.parametrize(
    ("valid", "test", "chars"),
    [
        (0.0, 0.0, [1000, 0, 0]),
        (0.1, 0.0, [900, 100, 0]),
        (0.0, 0.2, [800, 0, 200]),
        (0.01, 0.5, [490, 10, 500]),
    ],
)
def test_fractions_may_be_zero(tmp_path: Path, valid: float, test: float, chars: list[int]) -> None:
    config = DataConfig(valid_fraction=valid, test_fraction=test)
    tokens, _ = made(corpus_of("abcdefghij" * 100, tmp_path), tmp_path, config)
    assert [part.chars for part in parts(tokens)] == chars
    assert [len(part.tokens) for part in parts(tokens)] == chars


@pytest.mark.parametrize("share", [0.1, 0.15, 0.2, 0.25, 0.3])
def test_what_is_not_held_out_is_empty_wherever_lines_end(tmp_path: Path, share: float) -> None:
    corpus = corpus_of(LINES, tmp_path)
    without_valid, _ = made(corpus, tmp_path, DataConfig(valid_fraction=0, test_fraction=share))
    assert without_valid.valid.chars == 0
    without_test, _ = made(corpus, tmp_path, DataConfig(valid_fraction=share, test_fraction=0))
    assert without_test.test.chars == 0


def test_a_part_never_vanishes_because_a_document_is_near(tmp_path: Path) -> None:
    text = "".join("#" + "x" * 399 for _ in range(25))
    config = DataConfig(valid_fraction=0.01, test_fraction=0.5)
    tokens, _ = made(corpus_of(text, tmp_path), tmp_path, config, starts=at_marks)
    assert all(part.chars for part in parts(tokens))


@pytest.mark.parametrize("chars", [500, 999, 1111, 1_115_394])
def test_the_nanogpt_split_is_nanogpts(tmp_path: Path, chars: int) -> None:
    text = ("To be, or not\n" * (chars // 14 + 1))[:chars]
    tokens, tokenizer = made(corpus_of(text, tmp_path), tmp_path, DataConfig(split="nanogpt"))
    # data[:int(n*0.9)] and data[int(n*0.9):] in nanoGPT's data/shakespeare_char/prepare.py
    assert texts(tokens, tokenizer) == [text[: int(chars * 0.9)], text[int(chars * 0.9) :], ""]


def test_ids_take_the_smallest_type(tmp_path: Path) -> None:
    few = corpus_of("ab\n" * 100, tmp_path)
    assert made(few, tmp_path)[0].train.tokens[:].dtype == np.uint8
    assert made(few, tmp_path, DataConfig(tokenizer="byte"))[0].train.tokens[:].dtype == np.uint16
    # 16 nibbles, 239 characters and the document's end are 256 ids; one more does not fit a byte.
    for distinct, dtype in ((239, np.uint8), (240, np.uint16)):
        corpus = corpus_of("".join(chr(0x4E00 + i) for i in range(distinct)), tmp_path)
        tokens, tokenizer = made(corpus, tmp_path)
        assert tokens.train.tokens[:].dtype == dtype
        assert "".join(texts(tokens, tokenizer)) == "".join(corpus.pieces())


def test_binary_corpora_are_bytes(tmp_path: Path) -> None:
    body = bytes(range(256)) * 20
    corpus = corpus_of(body, tmp_path, binary=True)
    tokens, _ = made(corpus, tmp_path, DataConfig(tokenizer="byte"))
    assert b"".join(part.tokens[:].astype(np.uint8).tobytes() for part in parts(tokens)) == body
    with pytest.raises(CorpusError, match="binary corpus"):
        made(corpus, tmp_path, DataConfig(tokenizer="char"))
    with pytest.raises(CorpusError, match="binary corpus"):
        prepare(corpus, CharTokenizer("ab"), DataConfig(), cache=tmp_path / "cache")


def test_the_same_wish_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpus_of(LINES, tmp_path)
    first, _ = made(corpus, tmp_path)
    monkeypatch.setattr(CharTokenizer, "encode", None)
    again, _ = made(corpus, tmp_path)
    assert again.folder == first.folder
    np.testing.assert_array_equal(again.train.tokens[:], first.train.tokens[:])


def test_whatever_the_ids_depend_on_makes_other_tokens(tmp_path: Path) -> None:
    corpus = corpus_of(LINES.replace("line", "#line"), tmp_path)
    config = DataConfig()
    keys = [
        made(corpus, tmp_path)[0].key,
        made(corpus, tmp_path, DataConfig(tokenizer="byte"))[0].key,
        made(corpus, tmp_path, DataConfig(valid_fraction=0.2))[0].key,
        made(corpus, tmp_path, DataConfig(split="nanogpt"))[0].key,
        made(corpus, tmp_path, document_mode=True)[0].key,
        made(corpus, tmp_path, document_mode=True, starts=at_marks)[0].key,
        prepare(corpus, CharTokenizer("abc"), config, cache=tmp_path / "cache").key,
        made(corpus_of(LINES.replace("line", "#nile"), tmp_path), tmp_path)[0].key,
    ]
    assert len(set(keys)) == len(keys)


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize("name", ["tokens.bin", "documents.bin", "meta.json"])
@pytest.mark.parametrize(
    "damage", [Path.unlink, flip, lambda path: os.truncate(path, 5)], ids=["gone", "flipped", "cut"]
)
def test_a_damaged_cache_is_rebuilt_in_silence(tmp_path: Path, name: str, damage: object) -> None:
    corpus = corpus_of(LINES.replace("line", "#line"), tmp_path)
    first, _ = made(corpus, tmp_path, document_mode=True, starts=at_marks)
    expected = first.train.tokens[:].tolist(), first.train.document_starts.tolist()
    path = first.folder / name
    whole = path.read_bytes()
    assert callable(damage)
    damage(path)
    again, _ = made(corpus, tmp_path, document_mode=True, starts=at_marks)
    assert (again.train.tokens[:].tolist(), again.train.document_starts.tolist()) == expected
    if name != "meta.json":
        assert path.read_bytes() == whole
    assert [p.name for p in first.folder.parent.iterdir()] == [first.key]


def test_a_run_keeps_its_tokens_when_cache_and_corpus_are_gone(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    corpus = corpus_of(LINES, tmp_path)
    tokens, tokenizer = made(corpus, tmp_path, run_tokens=run / "tokens")
    assert tokens.folder == run / "tokens"
    cached = tmp_path / "cache" / "tokens" / tokens.key
    assert (cached / "tokens.bin").stat().st_ino == (run / "tokens" / "tokens.bin").stat().st_ino
    shutil.rmtree(tmp_path / "cache")
    again = open_tokens(run / "tokens")
    assert "".join(texts(again, tokenizer)) == LINES
    assert "".join(texts(tokens, tokenizer)) == LINES
    assert sorted(path.name for path in run.iterdir()) == ["tokens"]


def test_where_links_cannot_be_made_the_run_gets_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    run = tmp_path / "run"
    tokens, tokenizer = made(corpus_of(LINES, tmp_path), tmp_path, run_tokens=run / "tokens")
    assert "".join(texts(tokens, tokenizer)) == LINES
    assert (run / "tokens" / "tokens.bin").stat().st_nlink == 1


@pytest.mark.parametrize("name", ["tokens.bin", "documents.bin", "meta.json"])
@pytest.mark.parametrize("damage", [Path.unlink, flip, lambda path: os.truncate(path, 5)])
def test_a_runs_damaged_tokens_are_a_sentence(tmp_path: Path, name: str, damage: object) -> None:
    run = tmp_path / "first"
    corpus = corpus_of(LINES.replace("line", "#line"), tmp_path)
    made(corpus, tmp_path, run_tokens=run / "tokens", document_mode=True, starts=at_marks)
    assert callable(damage)
    body = json.loads((run / "tokens" / "meta.json").read_text())
    if name == "meta.json" and damage is flip:
        # A flipped bit in JSON may be any field: here one that the sizes hold against.
        body["parts"]["train"]["tokens"] ^= 1
        (run / "tokens" / name).write_text(json.dumps(body))
    else:
        damage(run / "tokens" / name)
    with pytest.raises(RunError, match="missing or damaged") as caught:
        open_tokens(run / "tokens")
    assert caught.value.hint.endswith("/first")


def test_a_cut_file_is_noticed_even_if_it_is_too_large_for_a_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.tokens.CHECKED_BYTES", 0)
    tokens, _ = made(corpus_of(LINES, tmp_path), tmp_path, run_tokens=tmp_path / "run" / "tokens")
    assert len(open_tokens(tokens.folder).train.tokens) == tokens.train.chars
    os.truncate(tokens.folder / "tokens.bin", 100)
    with pytest.raises(RunError, match="missing or damaged"):
        open_tokens(tokens.folder)


def test_other_tokens_take_the_place_of_a_runs_old_ones(tmp_path: Path) -> None:
    corpus = corpus_of(LINES, tmp_path)
    made(corpus, tmp_path, run_tokens=tmp_path / "run" / "tokens")
    config = DataConfig(split="nanogpt")
    tokens, tokenizer = made(corpus, tmp_path, config, run_tokens=tmp_path / "run" / "tokens")
    assert tokens.test.chars == 0
    assert "".join(texts(open_tokens(tokens.folder), tokenizer)) == LINES


def _prepare_in_child(folder: Path, number: int, start: Barrier) -> None:
    corpus = read_corpus([folder / "corpus.txt"], folder / "cache", note=print)
    config = DataConfig()
    tokenizer = learn_tokenizer(corpus, config)
    for turn in range(4):
        start.wait()
        tokens = prepare(
            corpus,
            tokenizer,
            config,
            cache=folder / "cache",
            run_tokens=folder / f"run{number}.{turn}",
        )
        assert "".join(texts(tokens, tokenizer)) == (folder / "corpus.txt").read_text()
        start.wait()
        if number == 0:
            shutil.rmtree(folder / "cache" / "tokens")


def test_two_processes_may_want_the_same_tokens_at_once(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(LINES * 20)
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    children = [
        context.Process(target=_prepare_in_child, args=(tmp_path, number, start))
        for number in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]


@pytest.mark.parametrize("document_mode", [False, True])
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, document_mode: bool) -> None:
    block = "".join(f"{'#' if i % 400 == 0 else ''}line {i} äöü of the text\n" for i in range(8000))
    peaks = []
    for size in (8 << 20, 64 << 20) if not document_mode else (2 << 20, 12 << 20):
        with (tmp_path / "corpus.txt").open("w") as file:
            for _ in range(size // len(block)):
                file.write(block)
        tracemalloc.start()
        try:
            corpus = read_corpus([tmp_path / "corpus.txt"], tmp_path / "cache", note=print)
            made(
                corpus,
                tmp_path,
                starts=at_marks if document_mode else None,
                document_mode=document_mode,
            )
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + (
        24 << 20
    )  # what is copied aside moves from 8 to 16 MiB of memory, then to disk
    assert peaks[1] < 64 << 20


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    corpus = corpus_of(LINES, tmp_path)
    (tmp_path / "cache" / "tokens").write_text("a file where the folder should be")
    with pytest.raises(RunError, match="could not be written"):
        made(corpus, tmp_path)


def test_progress_ends_at_the_corpus_length(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    corpus = corpus_of(LINES, tmp_path)
    made(corpus, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(LINES), len(LINES))
    assert told == sorted(told)


def test_five_hundred_characters_are_enough(tmp_path: Path) -> None:
    tokens, _ = made(corpus_of(LINES[:500], tmp_path), tmp_path)
    lanes, bptt, said = fits(len(tokens.train.tokens), 16, 64)
    assert (lanes, bptt) == (4, 32)
    assert "4 lanes of 32 instead of 16 of 64" in said
