"""One-hot inputs and the peers' initialisations, which `--like` needs."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine import sizes
from engine.config import ModelConfig
from engine.model import Model


def model(**settings: object) -> Model:
    config = ModelConfig(**{"num_layers": 2, "hidden_size": 24, "embedding_size": 0, **settings})  # type: ignore[arg-type]
    return Model(config, 11, rng=torch.Generator().manual_seed(3))


def test_without_an_embedding_the_first_layer_reads_one_hot_vectors() -> None:
    network = model()
    tokens = torch.randint(11, (5, 3), generator=torch.Generator().manual_seed(0))
    logits, _ = network(tokens, network.initial_state(3))
    one_hot = F.one_hot(tokens, 11).float()
    below, _ = network.layers[0](one_hot, network.initial_state(3)[0])
    above, _ = network.layers[1](below, network.initial_state(3)[1])
    assert network.output_weight is not None
    expected = above @ network.output_weight.T + network.output_bias
    torch.testing.assert_close(logits, expected)
    stepped, _ = network.step(tokens[0], network.initial_state(3))
    torch.testing.assert_close(stepped, logits[0])


def test_one_hot_models_are_counted_right() -> None:
    network = model()
    assert sizes.parameters(network.config, 11) == network.parameter_count


def test_char_rnns_start_is_uniform_with_a_forget_bias_of_one() -> None:
    network = model(init="uniform")
    for layer in network.layers:
        w_x, w_h, b_x, b_h = (w.detach() for w in layer.weights)  # type: ignore[union-attr]
        for weight in (w_x, w_h):
            assert 0.07 < weight.abs().max() <= 0.08
            assert abs(float(weight.mean())) < 0.01
        torch.testing.assert_close(b_x.chunk(4)[1] + b_h.chunk(4)[1], torch.ones(24))
    assert network.output_weight is not None
    assert network.output_weight.detach().abs().max() <= 0.08


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_min_char_rnns_start_is_small_and_without_biases(cell: str) -> None:
    network = model(init="small", cell=cell)
    for name, weight in network.state_dict().items():
        if weight.dim() == 1:
            assert not weight.any(), name
        else:
            assert 0.007 < float(weight.std()) < 0.013, name
