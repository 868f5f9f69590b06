"""What is particular to words: where a text is cut, what gets a token, how the rest is spelled."""

from __future__ import annotations

import json

import pytest

from checkpoints.errors import CheckpointError
from engine.tokenizers import load
from engine.tokenizers.word import WordTokenizer

from .texts import CORPUS


def shown(tokenizer: WordTokenizer, text: str) -> list[str]:
    return [tokenizer.token_text(int(i)) for i in tokenizer.encode(text)]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Don't stop, O’Neill!", ["Don't", " ", "stop", ",", " ", "O’Neill", "!"]),
        ("'tis the dogs' bone", ["'", "tis", " ", "the", " ", "dogs", "'", " ", "bone"]),
        (
            "in 1984 \n\n\n    if\t\tx",
            ["in", " ", *"1984", " ", "\n\n\n", "    ", "if", "\t\t", "x"],
        ),
        ("naïve Größe", ["naïve", " ", "Größe"]),
        ("cafe\u0301 नमस्ते", ["cafe\u0301", " ", "नमस्ते"]),
        ("Мельница и вода", ["Мельница", " ", "и", " ", "вода"]),
        ("水车转了 ok", ["水", "车", "转", "了", " ", "ok"]),
        ("foo_bar->x2", ["foo", "_", "bar", "-", ">", "x", "2"]),
        ("a ½ b", ["a", " ", "½", " ", "b"]),
    ],
)
def test_a_frequent_text_is_cut_into_its_units(text: str, units: list[str]) -> None:
    tokenizer = WordTokenizer.learn([f"{text}\r" * 5])
    assert shown(tokenizer, text) == units


def test_golden() -> None:
    tokenizer = WordTokenizer.learn(["The cat saw the cat.\nThe cat ran."] * 3)
    # 16 nibbles; 13 characters: \n space . T a c e h n r s t w; the words by frequency; the end
    assert tokenizer.vocab_size == 16 + 13 + 5 + 1
    assert [tokenizer.token_text(i) for i in range(29, 34)] == ["cat", "The", "ran", "saw", "the"]
    assert tokenizer.encode("The cat sat").tolist() == [30, 17, 29, 17, 26, 20, 27]
    assert tokenizer.encode("é").tolist() == [0xC, 0x3, 0xA, 0x9]


def test_rare_and_new_words_are_spelled_and_never_lost() -> None:
    tokenizer = WordTokenizer.learn(["mill mill mill wheel wheel "])
    assert shown(tokenizer, "mill wheel") == ["mill", " ", *"wheel"]
    assert shown(tokenizer, "hello") == ["h", "e", "l", "l", "<6>", "<F>"]
    assert tokenizer.unseen("hello zoo") == ["o", "z"]


def test_a_cap_divides_between_characters_and_words() -> None:
    corpus = "".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)} " * 3 for i in range(400))
    tokenizer = WordTokenizer.learn([corpus], vocab_size=117)
    assert tokenizer.vocab_size == 117
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 500))) + "mill " * 9
    tokenizer = WordTokenizer.learn([many], vocab_size=117)
    assert tokenizer.vocab_size <= 117
    assert "mill" in shown(tokenizer, "the mill")


def test_a_small_corpus_gets_few_words() -> None:
    words = [f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)]
    corpus = " ".join(words * 3)  # 7,199 characters: less than 256 times 250
    assert WordTokenizer.learn([corpus]).vocab_size == 16 + 27 + 256 + 1
    assert WordTokenizer.learn([corpus] * 13).vocab_size == 16 + 27 + 13 * len(corpus) // 250 + 1


def test_growing_adds_characters_and_keeps_every_word() -> None:
    old = WordTokenizer.learn([CORPUS * 3])
    new, old_ids = old.extended(["ξένος", CORPUS])
    assert new.unseen("ξένος") == []
    assert old.unseen("ξένος") == list("ξένος")
    assert [old.token_text(i) for i in old_ids if i is not None] == [
        old.token_text(i) for i in range(old.vocab_size)
    ]
    for i, was in enumerate(old_ids):
        assert (
            new.token_text(i) == old.token_text(was)
            if was is not None
            else new.token_text(i) in "ξένος"
        )
    assert [old_ids[i] for i in new.encode(CORPUS)] == old.encode(CORPUS).tolist()
    assert old_ids[new.document_end] == old.document_end
    assert load(new.to_files()).to_files() == new.to_files()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (None, "no list"),
        (["ab", 3], "no list"),
        (["ab", "ab"], "twice"),
        (["a"], "one of its words is none"),
        ([""], "one of its words is none"),
        (["two words"], "one of its words is none"),
        (["x" * 41], "one of its words is none"),
        ([chr(0x400 + i % 200) + chr(0x400 + i // 200) for i in range(32_001)], "at most 32,000"),
    ],
    ids=range(8),
)
def test_damaged_words_are_refused(words: object, says: str) -> None:
    body = {"name": "word", "version": 1, "characters": "ab", "words": words}
    with pytest.raises(CheckpointError, match=says):
        load({"tokenizer.json": json.dumps(body).encode()})
