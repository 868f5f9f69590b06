"""Pieces that are changed before they are learned: nothing of what is held out is learned in another key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from corpora import genres
from corpora.reading import read_corpus
from corpora.snapshot import Corpus
from engine.config import DataConfig
from engine.rewriting import rewritten
from engine.splits import Split
from engine.tokens import TokenFile, learn_tokenizer, prepare

TUNES = genres.find("abc_tunes")
KEYS = ("C", "Gm", "Ador", "Eb")
BOOK = "".join(
    f'X:{i}\nT:Tune {i}\nM:4/4\nL:1/8\nK:{KEYS[i % 4]}\n"C"CDEF G{"ABcdefg"[i % 7]}{i % 3 + 2}|e8|]\n\n'
    for i in range(1, 61)
)


def corpus_of(*books: str, folder: Path) -> Corpus:
    files = [folder / f"{i}.abc" for i in range(len(books))]
    for file, book in zip(files, books, strict=True):
        file.write_text(book)
    return read_corpus(files, folder / "cache", note=lambda _: None)


def learned(
    corpus: Corpus, folder: Path, config: DataConfig
) -> tuple[Corpus, Split, TokenFile, list[str]]:
    text, where = rewritten(corpus, config, TUNES, cache=folder / "cache", note=lambda _: None)
    tokenizer = learn_tokenizer(text, config)
    tokens = prepare(
        text,
        tokenizer,
        config,
        cache=folder / "cache",
        starts=TUNES.document_starts,
        document_mode=True,
        where=where,
    )
    parts = [p.text(tokenizer) for p in (tokens.train, tokens.valid, tokens.test)]
    return text, where, tokens, parts


def titles(text: str) -> list[str]:
    return re.findall("^T:(.*)", text, re.MULTILINE)


@pytest.mark.parametrize("split", ["tail", "nanogpt"])
def test_a_tune_and_its_copies_stand_on_one_side(tmp_path: Path, split: str) -> None:
    config = DataConfig(transpose="all", split=split, valid_fraction=0.1, test_fraction=0.1)  # type: ignore[arg-type]
    _, _, tokens, (train, valid, test) = learned(corpus_of(BOOK, folder=tmp_path), tmp_path, config)
    held_out = titles(valid) + titles(test)
    assert held_out
    assert not set(held_out) & set(titles(train))
    assert len(held_out) == len(set(held_out))  # once each
    assert sorted(titles(train)) == sorted(12 * list(dict.fromkeys(titles(train))))
    assert len(titles(train)) / 12 + len(held_out) == 60
    assert len(tokens.train.document_starts) == len(titles(train))
    assert len(set(re.findall(r"K:([A-G][b#]?)", train))) >= 12
    assert BOOK.endswith(valid + test)  # as they were


def test_the_settings_make_other_tokens_and_the_same_ones_again(tmp_path: Path) -> None:
    corpus = corpus_of(BOOK, folder=tmp_path)
    configs = [
        DataConfig(transpose="all"),
        DataConfig(transpose="D"),
        DataConfig(titles=False),
        DataConfig(chords=False),
    ]
    keys = [learned(corpus, tmp_path, config)[2].key for config in configs]
    assert len(set(keys)) == len(configs)
    assert learned(corpus, tmp_path, configs[0])[2].key == keys[0]


def test_a_piece_across_the_cut_is_learned_whole(tmp_path: Path) -> None:
    """One long tune and a short one: no document begins near the cut, and the long one goes to the training text."""
    long = "X:1\nT:Long\nK:C\n" + "CDEF GABc|\n" * 200 + "\n"
    config = DataConfig(transpose="D", valid_fraction=0.3, test_fraction=0.0)
    _, where, _, (train, valid, _) = learned(corpus_of(long, folder=tmp_path), tmp_path, config)
    assert titles(train) == ["Long"]
    assert valid == ""
    assert where.valid == where.end


def test_pieces_of_any_length_and_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = learned(corpus_of(BOOK, folder=tmp_path), tmp_path, DataConfig(chords=False))
    monkeypatch.setattr("corpora.snapshot.PIECE_BYTES", 50)
    cut = BOOK.index("X:31")
    two = learned(
        corpus_of(BOOK[:cut], BOOK[cut:], folder=tmp_path), tmp_path, DataConfig(chords=False)
    )
    assert one[0].sha256 == two[0].sha256
    assert '"' not in "".join(one[3])


@pytest.mark.parametrize(
    "config",
    [DataConfig(transpose="D", chords=False), DataConfig(transpose="all", titles=False)],
    ids=["in one key", "in all keys"],
)
def test_another_text_is_changed_as_what_was_held_out(tmp_path: Path, config: DataConfig) -> None:
    corpus = corpus_of(BOOK, folder=tmp_path)
    _, _, _, (_, valid, test) = learned(corpus, tmp_path, config)
    told: list[str] = []
    other, _ = rewritten(
        corpus, config, TUNES, cache=tmp_path / "cache", note=told.append, all_held_out=True
    )
    whole = "".join(other.pieces())
    assert whole.endswith(valid + test)
    assert whole.count("X:") == 60, "each once"
    assert len(told) == 1
    assert "all twelve keys" not in told[0]


def test_another_text_stays_where_only_the_learned_copies_were_changed(tmp_path: Path) -> None:
    corpus = corpus_of(BOOK, folder=tmp_path)
    config = DataConfig(transpose="all")
    same, _ = rewritten(corpus, config, TUNES, cache=tmp_path, note=pytest.fail, all_held_out=True)
    assert same is corpus
