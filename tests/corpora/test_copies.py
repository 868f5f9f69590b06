"""Copied passages, against a search of every passage."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpora import copies
from corpora.copies import LEAST, CopyIndex

TRAINING = (
    "the old man sat on the quay and looked at the boats — the boats of the harbour — until the evening came. "
    * 3
)


def brute_longest(text: str, training: str) -> int:
    best = 0
    for i in range(len(text)):
        while text[i : i + best + 1] in training and i + best < len(text):
            best += 1
    return best


def brute_share(text: str, training: str) -> float:
    inside = [False] * len(text)
    for i in range(len(text) - LEAST + 1):
        if text[i : i + LEAST] in training:
            inside[i : i + LEAST] = [True] * LEAST
    return sum(inside) / len(text)


@given(
    training=st.text(alphabet="ab é漢", max_size=200),
    parts=st.lists(
        st.tuples(
            st.integers(0, 199), st.integers(0, 60), st.text(alphabet="abc é漢🎵", max_size=8)
        ),
        min_size=1,
        max_size=6,
    ),
)
@example(training="", parts=[(0, 5, "abc")])
@settings(max_examples=200, deadline=None)
def test_copies_are_those_of_a_search_of_every_passage(
    training: str, parts: list[tuple[int, int, str]]
) -> None:
    text = "".join(training[at : at + length] + own for at, length, own in parts)
    found = CopyIndex([training[:70], training[70:]]).find(text)
    if not text:
        return
    assert len(found.longest) == brute_longest(text, training)
    assert found.share == pytest.approx(brute_share(text, training))
    assert found.longest in text
    assert found.longest in training


@pytest.mark.parametrize("seed", range(40))
def test_passages_about_as_long_as_what_counts_and_overlapping_ones(seed: int) -> None:
    rng = random.Random(seed)
    training = "".join(rng.choice("abcdé漢") for _ in range(400))
    parts = []
    for _ in range(8):
        at, length = rng.randrange(370), rng.randrange(LEAST - 3, LEAST + 8)
        # Now and then a passage goes on from the middle of the one before: the two overlap in the training text.
        parts.append(training[at : at + length] + rng.choice(["", "e", "ê", "語"]))
    text = "".join(parts)
    found = CopyIndex([training]).find(text)
    assert found.share == pytest.approx(brute_share(text, training))
    assert len(found.longest) == brute_longest(text, training)


def test_exactly_twenty_characters_are_a_copy_and_nineteen_are_not() -> None:
    index = CopyIndex([TRAINING])
    assert index.find("#" + TRAINING[10 : 10 + LEAST] + "#").share == pytest.approx(20 / 22)
    assert index.find("#" + TRAINING[10 : 9 + LEAST] + "#").share == 0


def test_passages_that_overlap_are_counted_once() -> None:
    training = "abcdefghijklmnopqrstuvwxyz0123 | mnopqrstuvwxyz0123456789ABCDEFGH"
    text = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH!!!!"
    found = CopyIndex([training]).find(text)
    assert found.share == pytest.approx(44 / 48)


def test_a_character_is_never_copied_in_part() -> None:
    # é and ê begin with the same byte.
    assert CopyIndex(["abcé"]).find("abcê").longest == "abc"


def test_a_text_copied_whole_is_one_passage() -> None:
    rng = random.Random(0)
    training = "".join(rng.choice("abcdefgh \n") for _ in range(30_000))
    found = CopyIndex([training]).find(training[5000:25_000])
    assert found.share == 1.0
    assert found.longest == training[5000:25_000]


def test_own_words_are_no_copies() -> None:
    found = CopyIndex([TRAINING]).find("nothing of this was written before, as far as I know")
    assert found.share == 0.0


def test_of_a_long_training_text_spaced_pieces_are_kept() -> None:
    rng = random.Random(1)
    pieces = ["".join(rng.choice("abcdefgh") for _ in range(1000)) for _ in range(64)]
    index = CopyIndex(pieces, limit=10_000)
    kept = [i for i, piece in enumerate(pieces) if index.find(piece).share == 1.0]
    assert kept == [0, 8, 16, 24, 32, 40, 48, 56]


@given(text=st.text("ab\0é", min_size=1, max_size=300) | st.text(min_size=1, max_size=60))
@example("a" * 1000)
@example("".join(map(chr, range(1, 500))))
def test_without_the_library_the_suffixes_are_in_order_too(text: str) -> None:
    data = text.encode()
    assert copies._doubled(data).tolist() == sorted(range(len(data)), key=lambda i: data[i:])
