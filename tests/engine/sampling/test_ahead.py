"""Texts written by chunks of steps, as on a CUDA device, against the same texts written step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from checkpoints.errors import CheckpointError
from engine.config import SampleConfig
from engine.model import Model
from engine.sampling import ahead, sampler
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request
from engine.tokenizers.abc import AbcTokenizer
from tests.engine import tiny
from tests.engine.recorded import Recorded

LETTERS = tiny.tokenizer()
LANES = 4
CONFIGS = [
    SampleConfig(temperature=1.0),
    SampleConfig(temperature=0.0),
    SampleConfig(temperature=1.4, top_k=5, repetition_penalty=1.5),
    SampleConfig(temperature=0.9, top_p=0.8, min_p=0.01, typical_p=0.95),
]


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny.model(LETTERS.vocab_size)


@pytest.fixture(params=["one by one", "as a graph"], autouse=True)
def chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers write by chunks, in graphs of 4 lanes."""
    monkeypatch.setattr(ahead, "serves", lambda _: True)
    monkeypatch.setattr(sampler, "ACCELERATOR_LANES", LANES)
    if request.param == "one by one":
        return
    begin = ahead.Chunks.begin

    def captured(self: ahead.Chunks, *args: Any) -> None:
        if self._graph is None:
            with torch.inference_mode():
                self._graph = Recorded(self._steps)  # type: ignore[assignment]
        begin(self, *args)

    monkeypatch.setattr(ahead.Chunks, "begin", captured)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("documents", [False, True])
def test_chunks_write_what_steps_write(model: Model, config: SampleConfig, documents: bool) -> None:
    requests = [
        *Request(seed=3, length=70, config=config).copies(2),
        Request(seed=8, length=33, prime="abba\nhe", config=config),
        *Request(seed=4, length=50, config=config, stop="a").copies(3),
        Request(seed=9, length=1, config=config),
    ]
    by_chunks = Sampler(model, LETTERS, documents=documents).write(requests)
    by_steps = Sampler(model, LETTERS, documents=documents, lanes=LANES).write(requests)
    for found, expected in zip(by_chunks, by_steps, strict=True):
        assert (found.text, found.reason, found.tokens) == (
            expected.text,
            expected.reason,
            expected.tokens,
        )
        assert found.nats == pytest.approx(expected.nats, rel=1e-12)


@pytest.mark.parametrize(("cell", "grams"), [("gru", 0), ("lstm_ln", 0), ("mut2", 0), ("lstm", 4)])
def test_every_kind_of_network_fits_into_a_graph(cell: str, grams: int) -> None:
    model = tiny.model(LETTERS.vocab_size, cell=cell, grams=grams)
    requests = Request(seed=1, length=40).copies(2)
    by_chunks = Sampler(model, LETTERS, documents=False).write(requests)
    by_steps = Sampler(model, LETTERS, documents=False, lanes=LANES).write(requests)
    assert [s.text for s in by_chunks] == [s.text for s in by_steps]


def test_more_texts_than_lanes_share_graphs_which_are_used_again(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "MOST_GRAPHS", 3)
    built = []
    new = Sampler._new_chunks

    def counted(self: Sampler, config: SampleConfig) -> ahead.Chunks:
        built.append(config)
        return new(self, config)

    monkeypatch.setattr(Sampler, "_new_chunks", counted)
    writer = Sampler(model, LETTERS, documents=False)
    requests = Request(seed=1, length=20).copies(31)
    together = writer.write(requests)
    assert len(built) == 3
    for i in (0, 11, 12, 30):
        (alone,) = writer.write([requests[i]])
        assert (alone.text, alone.nats) == (together[i].text, together[i].nats)
    assert len(built) == 3
    pieces = writer.stream(requests)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert writer.write(requests) == together
    assert len(built) == 3
    # Graphs of one setting are kept.
    cold = replace(requests[0], config=SampleConfig(temperature=0.3))
    for request in (cold, cold, requests[0]):
        writer.write([request])
    assert len(built) == 5


def test_an_endless_text_comes_in_pieces(model: Model) -> None:
    pieces = Sampler(model, LETTERS, documents=False).stream([Request(seed=2, length=0)])
    found = ""
    while len(found) < 100:
        piece = next(pieces)
        assert isinstance(piece, Piece)
        found += piece.text
    (whole,) = Sampler(model, LETTERS, documents=False).write([Request(seed=2, length=100)])
    assert whole.text == found[:100]


def test_bars_are_guarded_step_by_step() -> None:
    tokenizer = AbcTokenizer.learn(["X:1\nL:1/8\nM:4/4\nK:C\nCDEF GABc|cdef gabc'|\n"])
    model = tiny.model(tokenizer.vocab_size)
    prime = "X:1\nL:1/8\nM:4/4\nK:C\n"
    plain = Request(seed=1, length=60, prime=prime)
    requests = [plain, replace(plain, bars_exact=True)]
    by_chunks = Sampler(model, tokenizer, documents=False).write(requests)
    by_steps = Sampler(model, tokenizer, documents=False, lanes=LANES).write(requests)
    assert [s.text for s in by_chunks] == [s.text for s in by_steps]
    assert by_chunks[0].text != by_chunks[1].text


def test_a_model_of_nan_is_told() -> None:
    model = tiny.model(LETTERS.vocab_size)
    with torch.no_grad():
        model.output_bias.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not a number"):
        Sampler(model, LETTERS, documents=False).write([Request(seed=1, length=5)])
