"""The sampler against a naive loop, and what it promises: seeds, streaming, ends, likelihoods."""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError
from engine.config import MAX_SEED, SampleConfig
from engine.evaluation import score
from engine.model import Model
from engine.sampling import filters
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request, Sample
from engine.tokenizers.base import Tokenizer
from engine.tokenizers.byte import ByteTokenizer
from engine.tokenizers.char import CharTokenizer
from tests.engine import tiny

LETTERS = tiny.tokenizer()
PLAIN = SampleConfig(temperature=1.0)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.model(LETTERS.vocab_size)


def naive(
    model: Model, tokenizer: Tokenizer, request: Request, *, documents: bool
) -> tuple[str, float]:
    """The text and its nats, written as a loop over everything read so far: no carried state, no lanes."""
    rng = torch.Generator().manual_seed(request.seed)
    uniforms = torch.rand(512, generator=rng, dtype=torch.float64)
    end = tokenizer.document_end
    context = [int(i) for i in tokenizer.encode(request.prime or ("" if documents else "\n"))]
    if documents:
        context = [end, *context]
    drawn: list[int] = []
    nats = 0.0
    while len(tokenizer.decode(drawn)) < request.length:
        with torch.no_grad():
            inputs = torch.tensor([*context, *drawn]).unsqueeze(1)
            logits = model(inputs, model.initial_state(1))[0][-1]
        own = logits.double().log_softmax(-1)
        allowed = own.clone()
        if not documents:
            allowed[0, end] = -math.inf
            allowed = allowed.log_softmax(-1)
        recent = torch.tensor([drawn[-64:] or [-1]])
        cumulated = filters.apply(allowed, request.config, recent).exp().cumsum(-1)[0]
        token = int((cumulated <= uniforms[len(drawn)] * cumulated[-1]).sum())
        drawn.append(token)
        nats -= float(own[0, token])
        if token == end:
            break
    return tokenizer.decode(drawn)[: request.length], nats


CONFIGS = [
    PLAIN,
    replace(PLAIN, temperature=0.0),
    replace(PLAIN, temperature=1.4, top_k=5, repetition_penalty=1.5),
    replace(PLAIN, temperature=0.9, top_p=0.8, min_p=0.01, typical_p=0.95),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize("prime", ["", "abba\nhe"])
def test_sampler_agrees_with_a_naive_loop(
    model: Model, config: SampleConfig, documents: bool, prime: str
) -> None:
    request = Request(seed=11, prime=prime, config=config, length=60)
    (found,) = Sampler(model, LETTERS, documents=documents).write([request])
    text, nats = naive(model, LETTERS, request, documents=documents)
    assert found.text == text
    assert found.nats == pytest.approx(nats, rel=5e-5, abs=1e-4)
    assert found.chars == len(text)


@pytest.mark.parametrize("cell", ["gru", "rnn", "mut1"])
def test_every_kind_of_cell_writes_as_its_forward_pass_reads(cell: str) -> None:
    model = tiny.model(LETTERS.vocab_size, cell=cell)
    request = Request(seed=3, prime="cab", config=PLAIN, length=40)
    (found,) = Sampler(model, LETTERS, documents=False).write([request])
    assert found.text == naive(model, LETTERS, request, documents=False)[0]


@pytest.mark.parametrize("weights", ["float32", "auto"])
@pytest.mark.parametrize("lanes", [0, 1, 8])
def test_a_seed_writes_the_same_whatever_is_written_beside_it(
    model: Model, lanes: int, weights: Any
) -> None:
    sampler = Sampler(model, LETTERS, documents=True, lanes=lanes)
    config = SampleConfig(temperature=1.0, weights=weights)
    requests = [
        *Request(seed=5, length=80, config=config).copies(11),
        *Request(seed=5, length=50, prime="head", config=replace(config, temperature=0.8)).copies(
            6
        ),
        Request(seed=5, length=120, prime="abc" * 200, config=replace(config, top_k=4)),
    ]
    together = sampler.write(requests)
    assert [s.index for s in together] == list(range(len(requests)))
    for i in (0, 3, 10, 11, 14, 17):
        (alone,) = sampler.write([requests[i]])
        assert (alone.text, alone.nats) == (together[i].text, together[i].nats)
    order = np.random.default_rng(0).permutation(len(requests))
    shuffled = sampler.write([requests[i] for i in order])
    for i, sample in zip(order, shuffled, strict=True):
        assert (sample.text, sample.nats) == (together[i].text, together[i].nats)


@pytest.mark.parametrize("hidden", [12, 100, 192])
@pytest.mark.parametrize("cell", ["lstm", "gru", "mut3"])
def test_a_row_has_the_same_bits_wherever_it_stands_among_the_lanes(cell: str, hidden: int) -> None:
    """What more than one lane relies on: the other rows and the place do not matter to the last bit."""
    model = tiny.model(LETTERS.vocab_size, cell=cell, hidden=hidden)
    rng = torch.Generator().manual_seed(0)
    states = [torch.randn(8, hidden, generator=rng) for _ in range(4)]
    tokens = torch.randint(0, LETTERS.vocab_size, (8,), generator=rng)
    per_layer = 2 if cell == "lstm" else 1

    def run(order: list[int]) -> torch.Tensor:
        state = tuple(
            tuple(states[layer * 2 + part][order] for part in range(per_layer))
            for layer in range(2)
        )
        with torch.inference_mode():
            return model.step(tokens[order], state)[0]

    straight = run(list(range(8)))
    for order in ([7, 6, 5, 4, 3, 2, 1, 0], [2, 0, 1, 7, 3, 3, 3, 6], [4] * 8):
        assert torch.equal(run(order), straight[order])


def test_seeds_count_up_and_differ(model: Model) -> None:
    request = Request(seed=MAX_SEED, length=60, config=PLAIN)
    assert [r.seed for r in request.copies(3)] == [MAX_SEED, 0, 1]
    sampler = Sampler(model, LETTERS, documents=False)
    texts = [s.text for s in sampler.write(request.copies(4))]
    assert len(set(texts)) == 4
    (second,) = sampler.write([Request(seed=0, length=60, config=PLAIN)])
    assert second.text == texts[1]


@pytest.mark.parametrize("lanes", [1, 4])
def test_texts_of_different_settings_come_in_the_order_of_the_requests(
    model: Model, lanes: int
) -> None:
    sampler = Sampler(model, LETTERS, documents=False, lanes=lanes)
    requests = [
        Request(seed=i, length=5, config=SampleConfig(temperature=1 + i % 3)) for i in range(9)
    ]
    begun = list(dict.fromkeys(item.index for item in sampler.stream(requests)))
    assert begun == (list(range(9)) if lanes == 1 else [0, 3, 6, 1, 4, 7, 2, 5, 8])


@pytest.mark.parametrize("side_by_side", [False, True])
def test_pieces_make_up_the_sample(model: Model, side_by_side: bool) -> None:
    sampler = Sampler(model, LETTERS, documents=True, lanes=1)
    requests = Request(seed=1, length=30).copies(3)
    texts = ["", "", ""]
    finished: list[Sample] = []
    order: list[int] = []
    for item in sampler.stream(requests, side_by_side=side_by_side):
        if isinstance(item, Piece):
            texts[item.index] += item.text
            order.append(item.index)
        else:
            finished.append(item)
    assert texts == [s.text for s in sorted(finished, key=lambda s: s.index)]
    assert (order == sorted(order)) is not side_by_side
    assert texts == [s.text for s in sampler.write(requests)]


def test_the_reported_likelihood_is_the_evaluators() -> None:
    """A bug that made samples garbage while the loss fell would show here (torch-rnn issue 24)."""
    model = tiny.model(LETTERS.vocab_size, end_bias=-60.0)  # test_evaluation has texts that end
    for documents, prime, config in itertools.product(
        (False, True), ("", "a bad head"), (PLAIN, replace(PLAIN, temperature=0.5, top_p=0.9))
    ):
        sampler = Sampler(model, LETTERS, documents=documents)
        for sample in sampler.write(
            Request(seed=2, prime=prime, config=config, length=300).copies(3)
        ):
            assert sample.reason == "length"
            measured = score(model, LETTERS, sample.text, documents=documents, prime=prime)
            assert sample.nats_per_char == pytest.approx(measured.nats_per_char, rel=1e-5)
            assert (sample.chars, sample.tokens) == (measured.chars, measured.tokens)


def test_length_counts_characters_exactly(model: Model) -> None:
    for length in (1, 2, 77):
        (sample,) = Sampler(model, LETTERS, documents=False).write([Request(seed=1, length=length)])
        assert len(sample.text) == sample.chars == length
        assert sample.reason == "length"


def test_a_documents_end_ends_a_text_and_one_long_text_never_has_one() -> None:
    model = tiny.model(LETTERS.vocab_size)
    with torch.no_grad():
        model.output_bias[LETTERS.document_end] = 8.0
    (ended,) = Sampler(model, LETTERS, documents=True).write([Request(seed=1, length=0)])
    assert ended.reason == "document end"
    assert ended.chars < 100
    (endless,) = Sampler(model, LETTERS, documents=False).write([Request(seed=1, length=300)])
    assert endless.chars == 300
    (greedy,) = Sampler(model, LETTERS, documents=False).write(
        [Request(seed=1, length=50, config=SampleConfig(temperature=0.0))]
    )
    assert greedy.chars == 50


@pytest.mark.parametrize("keep_text", [True, False])
def test_endless_text_streams_until_it_is_closed(model: Model, keep_text: bool) -> None:
    stream = Sampler(model, LETTERS, documents=False).stream(
        [Request(seed=1, length=0, keep_text=keep_text)]
    )
    pieces = list(itertools.islice(stream, 500))
    assert all(isinstance(p, Piece) and p.text for p in pieces)
    stream.close()  # type: ignore[attr-defined]
    assert next(stream, None) is None


class Script(Model):
    """A network that writes what it is told to: token by token, whatever it reads."""

    def __init__(self, tokens: list[int], vocab_size: int) -> None:
        super().__init__(tiny.model(vocab_size).config, vocab_size, rng=torch.Generator())
        self.script = tokens
        self.calls = 0

    def step(self, tokens, state):  # type: ignore[no-untyped-def]
        logits = torch.full((len(tokens), self.vocab_size), -50.0)
        logits[:, self.script[self.calls % len(self.script)]] = 50.0
        self.calls += 1
        return logits, state


def write_script(
    tokens: list[int], tokenizer: Tokenizer, request: Request, *, documents: bool = False
) -> tuple[list[str], Sample]:
    sampler = Sampler(Script(tokens, tokenizer.vocab_size), tokenizer, documents=documents)
    items = list(sampler.stream([request]))
    (sample,) = [i for i in items if isinstance(i, Sample)]
    return [i.text for i in items if isinstance(i, Piece)], sample


@given(
    text=st.text("ab", min_size=1, max_size=30),
    stop=st.text("ab", min_size=1, max_size=4),
    length=st.integers(1, 40),
)
@settings(max_examples=60)
def test_stop_text_ends_the_sample_and_never_shows(text: str, stop: str, length: int) -> None:
    tokens = [int(i) for i in LETTERS.encode(text)]
    whole = (text * (length // len(text) + len(stop) + 2))[: length + len(stop)]
    found = whole.find(stop)
    expected = whole[:found] if 0 <= found <= length else whole[:length]
    pieces, sample = write_script(tokens, LETTERS, Request(seed=1, length=length, stop=stop))
    # Length is reached as soon as enough characters are drawn, a stop text that is still open or not.
    if found + len(stop) > length and found >= 0:
        expected = whole[:length]
    assert sample.text == "".join(pieces) == expected
    assert sample.reason == ("stop" if found >= 0 and found + len(stop) <= length else "length")


def test_bytes_are_held_back_until_they_make_a_character() -> None:
    tokenizer = ByteTokenizer()
    text = "aé世🎵"
    tokens = [int(i) for i in tokenizer.encode(text)]
    pieces, sample = write_script(tokens, tokenizer, Request(seed=1, length=8))
    assert pieces == list(text * 2)
    assert sample.tokens == 2 * len(text.encode())


def test_bytes_that_never_make_a_character_are_replaced_at_the_end() -> None:
    tokenizer = ByteTokenizer()
    tokens = [ord("a"), 0xE4, 0xB8, tokenizer.document_end]
    pieces, sample = write_script(tokens, tokenizer, Request(seed=1), documents=True)
    assert sample.text == "".join(pieces) == "a\ufffd"
    assert sample.reason == "document end"
    assert sample.tokens == 4


def test_a_model_that_never_finishes_a_character_does_not_run_for_ever() -> None:
    class Silent(CharTokenizer):
        def decoder(self):  # type: ignore[no-untyped-def]
            decoder = super().decoder()
            decoder.push = lambda _token: ""  # type: ignore[method-assign]
            return decoder

    _, sample = write_script([20], Silent(tiny.LETTERS), Request(seed=1, length=10))
    assert (sample.text, sample.nats_per_char, sample.reason) == ("", None, "length")


def test_a_prompt_with_unseen_characters_is_no_error(model: Model) -> None:
    for prime in ("Ж", "\ud800", "🎵 Z", "x" * 5000):
        (sample,) = Sampler(model, LETTERS, documents=False).write(
            [Request(seed=1, prime=prime, length=20)]
        )
        assert sample.chars == 20


def test_a_long_prime_is_read_whole(model: Model) -> None:
    """In chunks of 256 tokens with the state carried, so that its beginning still counts at its end."""
    request = Request(seed=4, prime="abcdefgh " * 100, config=PLAIN, length=30)
    (found,) = Sampler(model, LETTERS, documents=False).write([request])
    assert found.text == naive(model, LETTERS, request, documents=False)[0]


def test_writing_changes_neither_the_model_nor_the_global_generator(model: Model) -> None:
    before = copy.deepcopy(model.state_dict())
    strides = [w.stride() for w in model.parameters()]
    state = torch.get_rng_state()
    Sampler(model, LETTERS, documents=True).write(Request(seed=1, length=50).copies(3))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert [w.stride() for w in model.parameters()] == strides
    assert all(w.requires_grad for w in model.parameters())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("weights", ["float32", "int16", "int8"])
@pytest.mark.parametrize("cell", ["lstm", "mut1"])
def test_a_broken_model_is_told_in_a_sentence(cell: str, weights: Any, bad: float) -> None:
    """Rounded to whole numbers NaN would be one like others, so each weight is asked."""
    whole = tiny.model(LETTERS.vocab_size, cell=cell)
    request = Request(seed=1, config=replace(PLAIN, weights=weights))
    packed = [name for name, _ in whole.named_parameters()] if cell == "lstm" else ["output_bias"]
    for name in packed:
        model = copy.deepcopy(whole)
        with torch.no_grad():
            model.get_parameter(name).view(-1)[-1] = bad
        with pytest.raises(CheckpointError, match="not a number"):
            Sampler(model, LETTERS, documents=False).write([request])
