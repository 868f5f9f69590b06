"""The evaluator against a naive loop for each protocol, and what its figures mean."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import CorpusError
from engine import evaluation
from engine.config import SampleConfig
from engine.evaluation import chars_and_words, evaluate, score
from engine.model import Model
from engine.sampling.prime import prime_ids
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Request
from engine.tokenizers.byte import ByteTokenizer
from tests.engine import tiny

LETTERS = tiny.tokenizer()
END = LETTERS.document_end
MODEL = tiny.model(LETTERS.vocab_size)
NEWLINE = prime_ids(LETTERS, "", documents=False)


def surprise(model: Model, inputs: list[int], targets: list[int]) -> float:
    """Nats of `targets` when `inputs` are read one by one from a state of zero: the definition, in a loop."""
    state = model.initial_state(1)
    nats = 0.0
    for token, target in zip(inputs, targets, strict=True):
        with torch.no_grad():
            logits, state = model.step(torch.tensor([token]), state)
        nats -= float(logits[0].double().log_softmax(-1)[target])
    return nats


def letters(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(tiny.NIBBLES, END, n).astype(np.uint16)


@given(n=st.integers(1, 700), lanes=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_carried_is_one_pass_and_lanes_are_parts(n: int, lanes: int, seed: int) -> None:
    tokens = letters(np.random.default_rng(seed), n)
    stream = [int(NEWLINE[-1]), *tokens.tolist()]
    lanes = min(lanes, n)
    bounds = [i * n // lanes for i in range(lanes + 1)]
    expected = sum(
        surprise(MODEL, stream[a:b], stream[a + 1 : b + 1]) for a, b in itertools.pairwise(bounds)
    )
    found = evaluate(MODEL, tokens, chars=n, before=NEWLINE, lanes=lanes)
    assert found.nats_per_token == pytest.approx(expected / n, rel=1e-5)
    assert found.protocol == ("carried" if lanes == 1 else f"carried, {lanes} lanes")


def test_what_stands_before_is_read_but_not_counted() -> None:
    tokens = letters(np.random.default_rng(1), 300)
    before = prime_ids(LETTERS, "abc\nde", documents=False)
    stream = [*before.tolist(), *tokens.tolist()]
    all_nats = surprise(MODEL, stream[:-1], stream[1:])
    before_nats = surprise(MODEL, stream[: len(before) - 1], stream[1 : len(before)])
    found = evaluate(MODEL, tokens, chars=300, before=before)
    assert found.nats_per_token == pytest.approx((all_nats - before_nats) / 300, rel=1e-5)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 20_000])
def test_windows_start_from_zero_every_256_tokens(n: int) -> None:
    tokens = letters(np.random.default_rng(n), n)
    stream = np.concatenate([NEWLINE[-1:], tokens.astype(np.int64)])
    with torch.no_grad():
        expected = 0.0
        for a in range(0, n, 256):
            part = torch.from_numpy(stream[a : min(a + 257, n + 1)])
            logits, _ = MODEL(part[:-1].unsqueeze(1), MODEL.initial_state(1))
            own = logits[:, 0].double().log_softmax(-1)
            expected -= float(own.gather(1, part[1:].unsqueeze(1)).sum())
    found = evaluate(MODEL, tokens, chars=n, before=NEWLINE, protocol="windows")
    assert found.nats_per_token == pytest.approx(expected / n, rel=1e-5)
    assert found.protocol == "windows of 256"


@given(lengths=st.lists(st.integers(0, 60), min_size=1, max_size=80), cut=st.booleans())
@settings(max_examples=15)
def test_documents_start_from_zero_and_their_ends_count(lengths: list[int], cut: bool) -> None:
    rng = np.random.default_rng(len(lengths))
    documents = [[*letters(rng, n).tolist(), END] for n in lengths]
    if cut and lengths[-1]:
        documents[-1].pop()  # a text that stops in the middle of a document
    tokens = np.array([t for d in documents for t in d], np.uint16)
    expected = sum(surprise(MODEL, [END, *d[:-1]], d) for d in documents)
    found = evaluate(MODEL, tokens, chars=7, before=[END], protocol="documents")
    assert found.nats_per_token == pytest.approx(expected / len(tokens), rel=1e-5)
    assert found.nats_per_char == pytest.approx(expected / 7, rel=1e-5)
    assert (found.tokens, found.protocol) == (len(tokens), "documents")


def test_a_large_vocabulary_is_read_in_smaller_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = letters(np.random.default_rng(5), 1000)
    whole = evaluate(MODEL, tokens, chars=1000, before=NEWLINE, protocol="windows")
    sizes = []
    forward = Model.forward

    def watched(self: Model, tokens: torch.Tensor, *rest: object) -> object:
        sizes.append(tokens.numel() * self.vocab_size)
        return forward(self, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Model, "forward", watched)
    monkeypatch.setattr(evaluation, "_MOST_LOGITS", 2000)
    bites = evaluate(MODEL, tokens, chars=1000, before=NEWLINE, protocol="windows")
    assert max(sizes) <= 2000
    assert bites.nats_per_token == pytest.approx(whole.nats_per_token, rel=1e-6)


def test_figures_follow_from_the_nats() -> None:
    text = "abc de\nfad "
    found = score(MODEL, LETTERS, text, documents=False)
    nats = found.nats_per_token * len(text)
    assert found.nats_per_char == pytest.approx(nats / 11)
    assert found.bits_per_char == pytest.approx(nats / 11 / math.log(2))
    assert found.perplexity_per_token == pytest.approx(math.exp(nats / 11))
    assert found.perplexity_per_word == pytest.approx(math.exp(nats / 3))
    assert (found.chars, found.tokens) == (11, 11)
    assert score(MODEL, LETTERS, " \n ", documents=False).perplexity_per_word is None
    uniform = tiny.model(LETTERS.vocab_size)
    with torch.no_grad():
        assert uniform.output_weight is not None
        uniform.output_weight.zero_()
        uniform.output_bias.zero_()
    expected = math.log(LETTERS.vocab_size)
    found = score(uniform, LETTERS, text, documents=True)
    assert found.nats_per_token == pytest.approx(expected, rel=1e-6)


def test_characters_of_several_tokens_count_once() -> None:
    tokenizer = ByteTokenizer()
    found = score(tiny.model(tokenizer.vocab_size), tokenizer, "né 世", documents=False)
    assert (found.chars, found.tokens) == (4, 7)
    assert found.nats_per_char == pytest.approx(found.nats_per_token * 7 / 4)


def test_a_written_document_with_its_end_is_as_likely_as_the_sampler_says() -> None:
    model = tiny.model(LETTERS.vocab_size)
    with torch.no_grad():
        model.output_bias[END] = 2.0
    config = SampleConfig(temperature=1.3, top_p=0.95)
    samples = Sampler(model, LETTERS, documents=True).write(
        Request(seed=1, length=0, config=config).copies(30)
    )
    assert all(s.reason == "document end" for s in samples)
    texts = [s.text for s in samples]
    tokens = np.concatenate([[*LETTERS.encode(t), END] for t in texts])
    found = evaluate(model, tokens, chars=sum(map(len, texts)), before=[END], protocol="documents")
    assert found.nats_per_token * found.tokens == pytest.approx(
        sum(s.nats for s in samples), rel=1e-5
    )
    assert found.tokens == sum(s.tokens for s in samples)


def test_evaluating_changes_nothing() -> None:
    model = tiny.model(LETTERS.vocab_size)
    before = copy.deepcopy(model.state_dict())
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    generator = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()
    tokens = letters(np.random.default_rng(1), 500)
    for protocol in ("carried", "windows", "documents"):
        evaluate(model, tokens, chars=500, before=[END], protocol=protocol)
    assert torch.equal(torch.get_rng_state(), generator)
    assert (np.random.get_state()[1] == numpy_before).all()
    assert all(torch.equal(before[name], w) for name, w in model.state_dict().items())
    assert all(p.requires_grad and (p.grad == 1).all() for p in model.parameters())
    logits, _ = model(torch.zeros(1, 1, dtype=torch.int64), model.initial_state(1))
    assert logits.requires_grad  # training goes on as before


def test_no_text_is_told_in_a_sentence() -> None:
    with pytest.raises(CorpusError, match="no text"):
        evaluate(MODEL, np.array([], np.uint8), chars=0, before=NEWLINE)
    with pytest.raises(CorpusError, match="no text"):
        score(MODEL, LETTERS, "", documents=True)


@given(text=st.text("ab é\n世", max_size=50), repeat=st.sampled_from([1, 40_000]))
@settings(max_examples=20, deadline=None)
def test_characters_and_words_of_tokens(text: str, repeat: int) -> None:
    tokenizer = ByteTokenizer()
    text = text * (repeat // (len(text) or 1) or 1)
    tokens = np.append(tokenizer.encode(text), tokenizer.document_end)
    assert chars_and_words(tokenizer, tokens) == (len(text), len(text.split()))
