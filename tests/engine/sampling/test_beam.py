"""Beam search against exhaustive search, greedy search and a naive beam."""

from __future__ import annotations

import itertools
import math
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError
from engine.config import ModelConfig, SampleConfig
from engine.evaluation import score
from engine.model import Model
from engine.sampling.beam import beam_search, write_likeliest
from engine.sampling.prime import prime_ids
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Request
from tests.engine import tiny

END = 3
PRIME = np.array([0, 2, 1])


@cache
def small(seed: int) -> Model:
    """Four tokens, the last of which ends a text."""
    config = ModelConfig(num_layers=1, hidden_size=5, embedding_size=3)
    model = Model(config, 4, rng=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        assert model.output_weight is not None
        model.output_weight.mul_(4)
    return model


@cache
def nats(seed: int, tokens: tuple[int, ...]) -> float:
    if not tokens:
        return 0.0
    model = small(seed)
    inputs = torch.tensor([*PRIME, *tokens[:-1]]).unsqueeze(1)
    with torch.no_grad():
        own = model(inputs, model.initial_state(1))[0][:, 0].double().log_softmax(-1)
    return -sum(float(own[len(PRIME) - 1 + i, token]) for i, token in enumerate(tokens))


def complete(tokens: tuple[int, ...], length: int) -> bool:
    return len(tokens) == length or tokens[-1:] == (END,)


def all_texts(length: int) -> list[tuple[int, ...]]:
    unended = [t for n in range(length) for t in itertools.product(range(END), repeat=n)]
    return [t for u in unended for t in ((*u, x) for x in range(4)) if complete(t, length)]


@given(seed=st.integers(0, 30), length=st.integers(1, 4))
@settings(max_examples=25)
def test_a_beam_of_all_texts_is_exhaustive_search(seed: int, length: int) -> None:
    expected = sorted(all_texts(length), key=lambda t: nats(seed, t))
    found = beam_search(small(seed), PRIME, width=200, ended=lambda t: complete(t, length))
    assert found[0].tokens == expected[0]
    assert {b.tokens for b in found} == set(expected)
    for beam, text in zip(found, expected, strict=True):
        assert beam.nats == pytest.approx(nats(seed, text), abs=1e-5)


@given(seed=st.integers(0, 30), length=st.integers(1, 6), width=st.integers(1, 4))
@settings(max_examples=40)
def test_a_narrow_beam_agrees_with_a_naive_one(seed: int, length: int, width: int) -> None:
    beams: list[tuple[int, ...]] = [()]
    while not all(complete(b, length) for b in beams):
        pool = [
            t for b in beams for t in ([b] if complete(b, length) else [(*b, x) for x in range(4)])
        ]
        beams = sorted(pool, key=lambda t: nats(seed, t))[:width]
    found = beam_search(small(seed), PRIME, width=width, ended=lambda t: complete(t, length))
    assert [b.tokens for b in found] == beams
    for beam in found:
        assert beam.nats == pytest.approx(nats(seed, beam.tokens), abs=1e-5)


def test_the_widest_beam_is_never_beaten() -> None:
    for seed in range(8):
        best = beam_search(small(seed), PRIME, width=400, ended=lambda t: complete(t, 5))[0].nats
        for width in (1, 2, 5):
            found = beam_search(small(seed), PRIME, width=width, ended=lambda t: complete(t, 5))
            assert found[0].nats >= best - 1e-6


def test_a_beam_of_one_is_greedy() -> None:
    tokenizer = tiny.tokenizer()
    model = tiny.model(tokenizer.vocab_size)
    greedy = Sampler(model, tokenizer, documents=False).write(
        [Request(seed=1, prime="abc", length=40, config=SampleConfig(temperature=0.0))]
    )[0]
    (found,) = beam_search(
        model,
        prime_ids(tokenizer, "abc", documents=False),
        width=1,
        ended=lambda t: len(t) == 40,
        never=tokenizer.document_end,
    )
    assert tokenizer.decode(found.tokens) == greedy.text
    assert found.nats == pytest.approx(greedy.nats, rel=1e-5)


def test_a_token_that_may_never_come_does_not() -> None:
    for seed in range(5):
        found = beam_search(small(seed), PRIME, width=500, ended=lambda t: len(t) == 3, never=END)
        assert len(found) == 27
        assert all(END not in b.tokens and math.isfinite(b.nats) for b in found)


@pytest.mark.parametrize("documents", [False, True])
def test_the_likeliest_texts_have_the_likelihood_that_the_evaluator_finds(documents: bool) -> None:
    tokenizer = tiny.tokenizer()
    model = tiny.model(tokenizer.vocab_size, sharpness=2.0, end_bias=-60.0)
    request = Request(seed=0, prime="head", length=12)
    samples = write_likeliest(model, tokenizer, request, width=5, documents=documents)
    assert [s.index for s in samples] == [0, 1, 2, 3, 4]
    assert [s.nats for s in samples] == sorted(s.nats for s in samples)
    assert len({s.text for s in samples}) == 5
    for sample in samples:
        assert (sample.reason, len(sample.text)) == ("length", 12)
        measured = score(model, tokenizer, sample.text, documents=documents, prime="head")
        assert sample.nats_per_char == pytest.approx(measured.nats_per_char, rel=1e-5)


def test_a_stop_text_ends_the_likeliest_too() -> None:
    tokenizer = tiny.tokenizer()
    model = tiny.model(tokenizer.vocab_size, sharpness=2.0)
    (free, *_) = write_likeliest(
        model, tokenizer, Request(seed=0, length=12), width=4, documents=False
    )
    stop = free.text[5:7]
    stopped = write_likeliest(
        model, tokenizer, Request(seed=0, length=12, stop=stop), width=4, documents=False
    )
    assert all(stop not in s.text for s in stopped)
    assert stopped[0].reason == "stop"


def test_a_model_that_computes_no_number_is_a_sentence() -> None:
    model = Model(ModelConfig(hidden_size=5), 4, rng=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.output_bias.fill_(math.nan)
    with pytest.raises(CheckpointError, match="not a number"):
        beam_search(model, PRIME, width=2, ended=partial(complete, length=3))
