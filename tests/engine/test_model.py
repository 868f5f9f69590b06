"""The whole network: window against step, dropout, start, growth, and weights that do not fit."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from checkpoints.errors import CheckpointError
from engine import cells
from engine.carried import State, detach, pack, reset, unpack
from engine.config import ModelConfig
from engine.model import Model, check_weights, grow, weight_shapes

V = 9
NAMES = cells.names()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(seed: int = 0, **settings: object) -> Model:
    config = ModelConfig(**{"hidden_size": 6, "embedding_size": 4, **settings})  # type: ignore[arg-type]
    return Model(config, V, rng=generator(seed))


def some_tokens(steps: int = 5, lanes: int = 3) -> Tensor:
    return torch.randint(V, (steps, lanes), generator=generator(42))


@pytest.mark.parametrize(
    ("residual", "layer_norm", "tied"), [*itertools.product([False, True], repeat=3)]
)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_window_and_steps_agree(
    name: str, layers: int, residual: bool, layer_norm: bool, tied: bool
) -> None:
    model = build(
        cell=name, num_layers=layers, residual=residual, layer_norm=layer_norm, tied=tied
    ).double()
    tokens = some_tokens()
    logits, after = model(tokens, model.initial_state(3))
    state = model.initial_state(3)
    for t, expected in enumerate(logits):
        stepped, state = model.step(tokens[t], state)
        torch.testing.assert_close(stepped, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, after, rtol=0, atol=1e-12)
    assert logits.shape == (5, 3, V)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns(name: str, layers: int, tied: bool) -> None:
    """A gradient reaches each weight: nothing is disconnected."""
    model = build(cell=name, num_layers=layers, tied=tied, layer_norm=True, dropout=0.2)
    tokens = some_tokens(steps=8, lanes=4)
    logits, _ = model(tokens, model.initial_state(4), generator(1))
    F.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()
    for key, p in model.named_parameters():
        assert p.grad is not None, key
        assert torch.isfinite(p.grad).all(), key
        assert p.grad.any(), key


def test_carried_state_makes_two_windows_one() -> None:
    model = build(num_layers=2).double()
    tokens = some_tokens(steps=8)
    whole, end = model(tokens, model.initial_state(3))
    first, state = model(tokens[:3], model.initial_state(3))
    second, state = model(tokens[3:], detach(state))
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, end, rtol=0, atol=1e-12)


def test_residual_adds_the_layer_below_from_the_second_layer_on() -> None:
    model = build(num_layers=3, residual=True).double()
    x = model.embedding(some_tokens())
    state = model.initial_state(3)
    first, _ = model.layers[0](x, state[0])
    second = model.layers[1](first, state[1])[0] + first
    third = model.layers[2](second, state[2])[0] + second
    expected = third @ model.output_weight.T + model.output_bias  # type: ignore[union-attr]
    torch.testing.assert_close(model(some_tokens(), state)[0], expected, rtol=0, atol=1e-12)


def test_tied_model_scores_tokens_by_their_own_vectors() -> None:
    model = build(num_layers=1, tied=True).double()
    out, _ = model.layers[0](model.embedding(some_tokens()), model.initial_state(3)[0])
    narrow = model.state_dict()["narrow.weight"]
    expected = out @ narrow.T @ model.embedding.weight.T
    torch.testing.assert_close(
        model(some_tokens(), model.initial_state(3))[0], expected, rtol=0, atol=1e-12
    )
    assert "output_weight" not in model.state_dict()
    same_size = build(tied=True, embedding_size=6)
    assert "narrow.weight" not in same_size.state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_one_hot_tokens_are_an_embedding_that_is_the_identity(name: str) -> None:
    model = build(cell=name, embedding_size=0, num_layers=2).double()
    same = build(cell=name, embedding_size=V, num_layers=2).double()
    same.load_weights({**model.weights(), "embedding.weight": torch.eye(V)})
    tokens = some_tokens()
    expected, _ = same(tokens, same.initial_state(3))
    logits, _ = model(tokens, model.initial_state(3))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-12)
    stepped, _ = model.step(tokens[0], model.initial_state(3))
    torch.testing.assert_close(stepped, expected[0], rtol=0, atol=1e-12)
    assert "embedding.weight" not in model.state_dict()


# Dropout


def test_no_generator_means_no_dropout_even_while_training() -> None:
    model = build(dropout=0.5).train()
    plain = build(dropout=0.0)
    plain.load_weights(model.weights())
    expected = plain(some_tokens(), plain.initial_state(3))[0]
    torch.testing.assert_close(
        model(some_tokens(), model.initial_state(3))[0], expected, rtol=0, atol=0
    )


def test_dropout_comes_from_the_generator_alone() -> None:
    model = build(dropout=0.5)

    def run(seed: int) -> Tensor:
        logits: Tensor = model(some_tokens(), model.initial_state(3), generator(seed))[0]
        return logits

    before = torch.random.get_rng_state()
    torch.testing.assert_close(run(1), run(1), rtol=0, atol=0)
    assert not torch.equal(run(1), run(2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_dropout_never_touches_what_a_layer_carries_through_time() -> None:
    """The lowest layer reads the embedding undropped, so its state does not depend on the masks at all."""
    model = build(num_layers=2, dropout=0.5)
    _, clean = model(some_tokens(), model.initial_state(3))
    _, dropped = model(some_tokens(), model.initial_state(3), generator(1))
    torch.testing.assert_close(dropped[0], clean[0], rtol=0, atol=0)
    assert not torch.equal(dropped[1][0], clean[1][0])


def test_dropout_stands_before_the_output_too() -> None:
    model = build(num_layers=1, dropout=0.5)
    clean, _ = model(some_tokens(), model.initial_state(3))
    dropped, _ = model(some_tokens(), model.initial_state(3), generator(1))
    assert not torch.equal(dropped, clean)


def test_masks_are_drawn_anew_for_every_unit_lane_and_step() -> None:
    model = build(num_layers=1, dropout=0.25)
    x = torch.ones(40, 30, 20)
    out = model._drop(x, generator(3))
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    kept = (out > 0).float()
    assert float(kept.mean()) == pytest.approx(0.75, abs=0.01)
    # Were a mask shared along an axis, means over it would spread like single draws (0.43), not like averages.
    for axis, size in enumerate(x.shape):
        spread = float(kept.mean(dim=axis).std())
        assert spread == pytest.approx((0.25 * 0.75 / size) ** 0.5, rel=0.15)


# The start


def test_untrained_model_predicts_tokens_as_often_as_they_occur() -> None:
    counts = torch.tensor([400, 300, 150, 100, 30, 10, 9, 1, 0])
    model = Model(ModelConfig(hidden_size=64), V, rng=generator())
    model.start_from_counts(counts)
    p = counts / counts.sum()
    entropy = -float((p * p.clamp_min(1e-30).log()).sum())
    tokens = torch.multinomial(p, 4000, replacement=True, generator=generator(1)).view(100, 40)
    with torch.no_grad():
        logits, _ = model(tokens, model.initial_state(40))
    loss = float(F.cross_entropy(logits[:-1].flatten(0, 1), tokens[1:].flatten()))
    assert loss == pytest.approx(entropy, abs=0.05)
    assert torch.isfinite(model.output_bias).all()


def test_building_moves_no_global_generator() -> None:
    before = torch.random.get_rng_state()
    build(cell="mut1", layer_norm=True)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_one_seed_is_one_model() -> None:
    torch.testing.assert_close(build(3).weights(), build(3).weights(), rtol=0, atol=0)
    assert not torch.equal(build(3).embedding.weight, build(4).embedding.weight)


# Weights from outside


@pytest.mark.parametrize("name", NAMES)
def test_weights_survive_the_way_out_and_in(name: str) -> None:
    model = build(cell=name, tied=True, layer_norm=True)
    again = Model.from_weights(model.config, V, model.weights())
    torch.testing.assert_close(again.weights(), model.weights(), rtol=0, atol=0)
    torch.testing.assert_close(
        again(some_tokens(), again.initial_state(3)),
        model(some_tokens(), model.initial_state(3)),
        rtol=0,
        atol=0,
    )


def test_weights_given_out_are_copies() -> None:
    model = build()
    kept = model.weights()
    model.output_bias.data.fill_(7.0)
    assert not kept["output_bias"].any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("output_bias"), "output_bias is missing"),
        (lambda w: w.update({"evil": torch.zeros(1)}), "evil is not part"),
        (lambda w: w.update({"output_bias": torch.zeros(V + 1)}), r"\(10,\).*needs \(9,\)"),
        (lambda w: w.update({"embedding.weight": torch.zeros(4, V)}), r"\(4, 9\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(
    change: object, sentence: str
) -> None:
    model = build()
    before = model.weights()
    weights = build(1).weights()
    change(weights)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=sentence):
        model.load_weights(weights)
    torch.testing.assert_close(model.weights(), before, rtol=0, atol=0)


def test_a_hostile_size_is_refused_without_allocating() -> None:
    """64 layers of 65,536 units are 4 TB of weights; their names and shapes cost nothing."""
    config = ModelConfig(num_layers=64, hidden_size=65_536, embedding_size=65_536)
    shapes = weight_shapes(config, 1_000_000)
    assert shapes["cells.63.kernel.weight_hh_l0"] == (4 * 65_536, 65_536)
    with pytest.raises(CheckpointError, match="shape"):
        check_weights(config, 1_000_000, dict.fromkeys(shapes, (1,)))
    with pytest.raises(CheckpointError, match="missing"):
        Model.from_weights(config, 1_000_000, {})


# Fine-tuning on other text


def test_a_grown_model_keeps_what_it_knew() -> None:
    """Known tokens in another order among new ones: the same text gets the same scores."""
    old = build(num_layers=2)
    old.start_from_counts(torch.arange(1, V + 1))
    old_ids = [None, 8, 7, 6, 5, 4, None, 3, 2, 1, 0, None]
    new = grow(old, old_ids=old_ids, rng=generator(1))
    new_of = torch.tensor([old_ids.index(i) for i in range(V)])

    tokens = some_tokens()
    expected, state = old(tokens, old.initial_state(3))
    logits, grown_state = new(new_of[tokens], new.initial_state(3))
    torch.testing.assert_close(logits[..., new_of], expected)
    torch.testing.assert_close(grown_state, state)
    assert new.vocab_size == 12
    assert new.output_bias[0] == old.output_bias.min()
    known = old.embedding.weight.detach()
    fresh = new.embedding.weight.detach()[[0, 6, 11]] - known.mean(dim=0)
    assert 0 < float(fresh.abs().max()) < float(known.std())
    assert len(fresh.unique(dim=0)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_grown_one_hot_model_keeps_what_it_knew(name: str) -> None:
    """Then it is the columns of the first layer's input weights that belong to tokens; here V = H + 3."""
    old = build(cell=name, embedding_size=0, num_layers=2)
    old_ids = [None, *range(V), None]
    new = grow(old, old_ids=old_ids, rng=generator(1))
    tokens = some_tokens()
    expected, _ = old(tokens, old.initial_state(3))
    logits, _ = new(tokens + 1, new.initial_state(3))
    torch.testing.assert_close(logits[..., 1:-1], expected)


def test_growing_a_tied_model_and_shrinking_a_vocabulary() -> None:
    old = build(tied=True)
    new = grow(old, old_ids=[2, 5, None], rng=generator(1))
    assert torch.equal(new.embedding.weight[:2], old.embedding.weight[[2, 5]])
    assert set(new.state_dict()) == set(old.state_dict())


# State


def test_reset_clears_the_chosen_lanes_only() -> None:
    model = build(num_layers=2)
    _, state = model(some_tokens(), model.initial_state(3))
    after = reset(state, torch.tensor([True, False, True]))
    for old_layer, layer in zip(state, after, strict=True):
        for old_part, part in zip(old_layer, layer, strict=True):
            assert not part[[0, 2]].any()
            assert torch.equal(part[1], old_part[1])
            assert old_part[0].any()


def test_detached_state_carries_no_gradient() -> None:
    model = build()
    _, state = model(some_tokens(), model.initial_state(3))
    assert state[0][0].requires_grad
    assert not any(part.requires_grad for layer in detach(state) for part in layer)


@given(lanes=st.integers(1, 4), layers=st.integers(1, 3), name=st.sampled_from(NAMES))
@settings(max_examples=20, deadline=None)
def test_state_survives_packing(lanes: int, layers: int, name: str) -> None:
    model = build(cell=name, num_layers=layers)
    state: State = model(some_tokens(lanes=lanes), model.initial_state(lanes))[1]
    again = unpack(pack(state), model.initial_state(lanes))
    torch.testing.assert_close(again, detach(state), rtol=0, atol=0)


def test_a_state_of_another_shape_is_refused() -> None:
    model = build(num_layers=2)
    packed = pack(model.initial_state(3))
    with pytest.raises(CheckpointError, match="of shape"):
        unpack(packed, model.initial_state(4))
    del packed["1.1"]
    with pytest.raises(CheckpointError, match=r"1\.1 is missing"):
        unpack(packed, model.initial_state(3))
