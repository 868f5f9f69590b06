"""The network packed for one text gives what the cells' own equations give, and texts beside each other do not mix."""

from __future__ import annotations

import pytest
import torch

from engine import cells
from engine.config import ModelConfig
from engine.model import Model
from engine.sampling import packed
from engine.state import State

VOCAB = 11
TOKENS = [3, 0, 10, 3, 7, 7, 1]


def model(**settings: object) -> Model:
    config = ModelConfig(**{"hidden_size": 6, "embedding_size": 4, **settings})  # type: ignore[arg-type]
    return Model(config, VOCAB, rng=torch.Generator().manual_seed(5))


def noise(network: Model) -> State:
    rng = torch.Generator().manual_seed(1)
    return tuple(
        tuple(torch.rand(part.shape, generator=rng) - 0.5 for part in layer)
        for layer in network.initial_state(1)
    )


@torch.inference_mode()
def agree(network: Model) -> None:
    state = noise(network)
    text = packed.pack(network).begin(state)
    for token in TOKENS:
        expected, state = network.step(torch.tensor([token]), state)
        torch.testing.assert_close(text.step(token), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", cells.names())
def test_every_cell_goes_on_as_its_equations_do(cell: str) -> None:
    agree(model(cell=cell, num_layers=3))


@pytest.mark.parametrize(
    "settings",
    [
        {"embedding_size": 0},
        {"tied": True},
        {"tied": True, "embedding_size": 6},
        {"residual": True},
        {"layer_norm": True},
    ],
)
def test_every_shape_of_network_does(settings: dict[str, object]) -> None:
    agree(model(**settings))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_vocabulary_too_large_for_a_table_is_computed(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MOST_LOOKED_UP", 0)
    agree(model(cell=cell))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "mut1"])
def test_texts_beside_each_other_do_not_mix(cell: str) -> None:
    network = model(cell=cell)
    ready = packed.pack(network)
    alone = ready.begin(noise(network))
    expected = [alone.step(token).clone() for token in TOKENS]
    state = noise(network)
    one, other = ready.begin(state), ready.begin(network.initial_state(1))
    for token, logits in zip(TOKENS, expected, strict=True):
        other.step(5)
        assert torch.equal(one.step(token), logits)
    # What the text began with is left as it was.
    assert all(
        torch.equal(a, b)
        for x, y in zip(state, noise(network), strict=True)
        for a, b in zip(x, y, strict=True)
    )


@pytest.mark.skipif(
    not packed.has_int8(), reason="this torch has no int8 products for this machine"
)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.inference_mode()
def test_int8_stays_near(cell: str) -> None:
    network = model(cell=cell, hidden_size=48)
    state = noise(network)
    text = packed.pack(network, "int8").begin(state)
    far = 0.0
    for token in TOKENS:
        expected, state = network.step(torch.tensor([token]), state)
        found = text.step(token)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
        far = max(far, float((found - expected).abs().max()))
    assert far > 1e-6  # it was int8


def test_int8_is_for_large_networks_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "has_int8", lambda: True)
    network = model()
    assert packed.arithmetic(network, "auto") == "float32"
    assert packed.arithmetic(network, "int8") == "int8"
    monkeypatch.setattr(packed, "MOST_IN_FLOAT32", 100)
    assert packed.arithmetic(network, "auto") == "int8"
    assert packed.arithmetic(network, "float32") == "float32"
    monkeypatch.setattr(packed, "has_int8", lambda: False)
    assert packed.arithmetic(network, "int8") == "float32"
