"""What is particular to characters and bytes: which ids, which spelling, how the vocabulary grows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from engine.tokenizers._spelling import SpellingDecoder
from engine.tokenizers.byte import ByteTokenizer
from engine.tokenizers.char import CharTokenizer

from .texts import CORPUS, any_text

LEARNED = CharTokenizer.learn([CORPUS])


def naive_ids(characters: str, text: str) -> list[int]:
    """The definition, one character at a time."""
    ids: list[int] = []
    for c in text:
        if c in characters:
            ids.append(16 + characters.index(c))
        else:
            for byte in c.encode("utf-8", "surrogatepass"):
                ids += [byte // 16, byte % 16]
    return ids


@given(text=any_text)
@settings(max_examples=120, deadline=None)
def test_encoding_agrees_with_the_definition(text: str) -> None:
    assert LEARNED.encode(text).tolist() == naive_ids(LEARNED.characters, text)


def test_golden() -> None:
    tokenizer = CharTokenizer.learn(["Ahoy, you\n", "Ça va?"])
    assert tokenizer.characters == "\n ,?Aahouvy\u00c7"
    assert tokenizer.vocab_size == 16 + 12 + 1
    # capitals are characters of their own; the unseen é is C3 A9 in halves
    assert tokenizer.encode("Ah, é").tolist() == [20, 22, 18, 17, 0xC, 0x3, 0xA, 0x9]
    assert ByteTokenizer().encode("Aé").tolist() == [0x41, 0xC3, 0xA9]


def test_the_most_frequent_characters_are_kept_where_there_are_too_many() -> None:
    tokenizer = CharTokenizer.learn(["cabbacab"], vocab_size=16 + 2 + 1)
    assert tokenizer.characters == "ab"
    assert CharTokenizer.learn(["abc"], vocab_size=17).characters == ""
    many = "".join(map(chr, range(0x20000, 0x20000 + 61_000)))
    tokenizer = CharTokenizer.learn([many, many[500:]])
    assert len(tokenizer.characters) == 60_000
    assert tokenizer.vocab_size <= 1 << 16
    assert tokenizer.characters == many[500:60_500]
    assert tokenizer.decode(tokenizer.encode(many)) == many


def test_unseen_characters_are_named_once_in_order() -> None:
    tokenizer = CharTokenizer.learn(["abc"])
    assert tokenizer.unseen("zabz\nc\ud800") == ["z", "\n", "\ud800"]
    assert ByteTokenizer().unseen("zabz") == []


def test_growing_keeps_what_every_old_id_means() -> None:
    old = CharTokenizer.learn(["hello"])
    new, old_ids = old.extended(["yellow ", "\nhollow"])
    assert new.characters == "ehlo" + "\n wy"
    assert len(old_ids) == new.vocab_size
    assert [old.token_text(i) for i in old_ids if i is not None] == [
        old.token_text(i) for i in range(old.vocab_size)
    ]
    for i, was in enumerate(old_ids):
        assert (new.token_text(i) in "\n wy" and i != new.document_end) == (was is None)
        assert was is None or new.token_text(i) == old.token_text(was)
    assert old_ids[new.document_end] == old.document_end
    assert [old_ids[i] for i in new.encode("hello é")] == [
        *old.encode("hello").tolist(),
        None,
        *old.encode("é").tolist(),
    ]


def test_nothing_new_changes_nothing() -> None:
    old = CharTokenizer.learn(["hello"])
    same, old_ids = old.extended(["hole"])
    assert same.to_files() == old.to_files()
    assert old_ids == list(range(old.vocab_size))
    byte = ByteTokenizer()
    assert byte.extended(["anything"]) == (byte, list(range(257)))


def test_broken_spellings_read_as_replacement_characters() -> None:
    tokenizer = CharTokenizer.learn(["a"])
    a = 16
    assert tokenizer.decode([a, 0xE, a]) == "a\ufffda"
    assert tokenizer.decode([0xE, 0x2, 0x8, 0x2, a]) == "\ufffda"
    assert tokenizer.decode([0xE, 0x2, 0x8, 0x2, 0xA, 0xC]) == "€"
    assert tokenizer.decode([0xF, 0xF]) == "\ufffd"
    assert tokenizer.decode([0xE, 0xD, 0xA, 0x0, 0x8, 0x0]) == "\ud800"


def test_a_character_is_shown_only_when_it_is_whole() -> None:
    decoder = SpellingDecoder(CharTokenizer("a")._strings)
    assert [decoder.push(i) for i in (0xE, 0x2, 0x8, 0x2, 0xA, 0xC, 16)] == [
        "",
        "",
        "",
        "",
        "",
        "€",
        "a",
    ]


def test_any_bytes_come_back() -> None:
    tokenizer = ByteTokenizer()
    data = bytes(range(256)) * 3
    ids = tokenizer.encode_bytes(data)
    assert ids.tolist() == list(data)
    with_end = np.append(ids, tokenizer.document_end)
    assert tokenizer.decode_bytes(with_end) == data
    assert tokenizer.token_text(0xE2) == "<E2>"
    assert tokenizer.token_text(0x41) == "A"
