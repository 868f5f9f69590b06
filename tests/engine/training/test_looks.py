"""What a look reads of a long text: a bounded part, measured as that part is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from corpora import genres
from corpora.reading import read_corpus
from engine.config import DataConfig
from engine.evaluation import evaluate
from engine.sampling.prime import prime_ids
from engine.training import looks
from tests.engine import tiny
from tests.engine.test_tokens import corpus_of, made


@pytest.mark.parametrize(("most", "read"), [(600, 600), (599, 599), (10**6, 3000)])
def test_of_long_held_out_text_the_beginning_is_read_with_its_own_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, read: int
) -> None:
    config = DataConfig(tokenizer="byte", split="nanogpt")
    tokens, tokenizer = made(corpus_of("aé" * 10_000, tmp_path), tmp_path, config)
    model = tiny.model(tokenizer.vocab_size)
    monkeypatch.setattr(looks, "VALIDATION_TOKENS", most)
    found = looks.validate(model, tokenizer, tokens.valid, documents=False)
    chars = 2 * read // 3 if read % 3 == 0 else 2 * (read + 1) // 3  # half an é counts as one
    expected = evaluate(
        model,
        tokens.valid.tokens[:read],
        chars=chars,
        before=prime_ids(tokenizer, "", documents=False),
        lanes=read // 256,
    )
    assert found is not None
    assert (found.tokens, found.chars, found.protocol) == (read, chars, expected.protocol)
    assert found.nats_per_char == expected.nats_per_char


@pytest.mark.parametrize(
    ("most", "part", "count"), [(400, 100, 4), (10**6, 1000, 9), (10**6, 10**6, 1)]
)
def test_of_long_training_text_the_judge_knows_parts_from_all_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, part: int, count: int
) -> None:
    text = "".join(f"{i:09}\n" for i in range(1000))
    config = DataConfig(valid_fraction=0.1, test_fraction=0.0)
    tokens, tokenizer = made(corpus_of(text, tmp_path), tmp_path, config)
    monkeypatch.setattr(looks, "JUDGED_CHARS", most)
    monkeypatch.setattr(looks, "PART_CHARS", part)
    known: list[str] = []

    def judge(_genre: object, pieces: Any, held_out: str, **_: object) -> None:
        known.extend(pieces)
        assert held_out == text[9000:]

    monkeypatch.setattr(looks, "Judge", judge)
    looks.make_judge(genres.find("prose"), tokenizer, tokens, sample_chars=100)
    assert len(known) == count
    assert sum(map(len, known)) == min(most, 9000)
    starts = [text.index(piece[:10]) for piece in known]
    assert {b - a for a, b in pairwise(starts)} <= {9000 // count}
    assert all(text.startswith(piece, at) for piece, at in zip(known, starts, strict=True))


def test_of_a_binary_text_each_byte_is_a_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = "é".encode() * 5000 + b"\xff\x00"  # two bytes might be read as one character
    path = tmp_path / "noise.bin"
    path.write_bytes(data)
    corpus = read_corpus([path], tmp_path / "cache", binary=True, note=print)
    tokens, tokenizer = made(corpus, tmp_path, DataConfig(tokenizer="byte", split="nanogpt"))
    monkeypatch.setattr(looks, "VALIDATION_TOKENS", 600)
    found = looks.validate(
        tiny.model(tokenizer.vocab_size), tokenizer, tokens.valid, documents=False
    )
    assert found is not None
    assert (found.tokens, found.chars) == (600, 600)
