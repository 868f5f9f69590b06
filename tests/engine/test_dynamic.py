"""Dynamic evaluation against the evaluator that stands still, and on text that can be learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from checkpoints.errors import CorpusError
from engine.config import ModelConfig
from engine.dynamic import RATE, SEGMENT, evaluate_dynamic
from engine.evaluation import Evaluation, evaluate
from engine.model import Model

END = 9
TEXT = np.random.default_rng(0).integers(0, END, 500).astype(np.uint8)
TEXT[[70, 71, 200, 499]] = END


def model() -> Model:
    config = ModelConfig(num_layers=1, hidden_size=16, embedding_size=8)
    return Model(config, END + 1, rng=torch.Generator().manual_seed(0)).requires_grad_(False)


def dynamic(text: np.ndarray, *, documents: bool = False, rate: float = RATE) -> Evaluation:  # type: ignore[type-arg]
    before = [END] if documents else [3, 1, 4]
    return evaluate_dynamic(
        model(), text, chars=len(text), before=before, documents=documents, rate=rate, words=7
    )


@pytest.mark.parametrize("documents", [False, True])
def test_without_learning_it_is_the_evaluator_that_stands_still(documents: bool) -> None:
    found = dynamic(TEXT, documents=documents, rate=0.0)
    expected = evaluate(
        model(),
        TEXT,
        chars=len(TEXT),
        before=[END] if documents else [3, 1, 4],
        protocol="documents" if documents else "carried",
        words=7,
    )
    assert found.nats_per_token == pytest.approx(expected.nats_per_token, abs=1e-6)
    assert found.perplexity_per_word == pytest.approx(expected.perplexity_per_word, rel=1e-3)
    assert (found.chars, found.tokens) == (expected.chars, expected.tokens)


def test_a_segment_is_scored_before_it_is_learned_from() -> None:
    first = TEXT[:SEGMENT]
    assert dynamic(first, rate=1.0).nats_per_token == pytest.approx(
        dynamic(first, rate=0.0).nats_per_token, abs=1e-6
    )


def test_each_step_is_one_of_plain_gradient_descent() -> None:
    """The second segment as a copy sees it that was moved by hand."""
    two = TEXT[: 2 * SEGMENT]
    network, rate = model().requires_grad_(True), 0.01
    inputs = torch.tensor([4, *two[:-1].tolist()]).unsqueeze(1)
    state = network.initial_state(1)
    for token in (3, 1):
        _, state = network(torch.tensor([[token]]), state)
    logits, state = network(inputs[:SEGMENT], tuple(tuple(p.detach() for p in s) for s in state))
    targets = torch.from_numpy(two.astype(np.int64))
    loss = torch.nn.functional.cross_entropy(logits.squeeze(1), targets[:SEGMENT])
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    with torch.no_grad():
        for p in network.parameters():
            p -= rate * p.grad
    logits, _ = network(inputs[SEGMENT:], tuple(tuple(p.detach() for p in s) for s in state))
    second = torch.nn.functional.cross_entropy(logits.squeeze(1), targets[SEGMENT:])
    expected = (float(loss.detach()) + float(second.detach())) / 2
    assert dynamic(two, rate=rate).nats_per_token == pytest.approx(expected, abs=1e-6)


def test_it_learns_what_repeats_and_leaves_the_model_as_it_was() -> None:
    network = model()
    before = network.weights()
    text = np.tile(TEXT[:20], 60)
    found = evaluate_dynamic(network, text, chars=len(text), before=[3], documents=False, rate=0.5)
    still = evaluate(network, text, chars=len(text), before=[3])
    assert found.nats_per_token < 0.8 * still.nats_per_token
    assert found.protocol.startswith("carried, dynamic")
    for name, weight in network.weights().items():
        assert torch.equal(weight, before[name])
    assert not any(p.requires_grad for p in network.parameters())


def test_nothing_to_read_is_a_sentence() -> None:
    with pytest.raises(CorpusError):
        evaluate_dynamic(model(), TEXT[:0], chars=0, before=[3], documents=False)
