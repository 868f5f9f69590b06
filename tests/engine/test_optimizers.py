"""Optimizers against their published update rules, and their state through a checkpoint and back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from checkpoints.errors import CheckpointError
from checkpoints.tensors import pack, unpack
from engine.config import OPTIMIZERS, ModelConfig, TrainConfig
from engine.model import Model
from engine.optimizers import SANE_RATES, Optimizer, build, clip, default_lr, warn_if_odd

V = 11


def build_model(**settings: object) -> Model:
    config = ModelConfig(**{"hidden_size": 16, "embedding_size": 8, **settings})  # type: ignore[arg-type]
    return Model(config, V, rng=torch.Generator().manual_seed(0))


def set_gradients(model: Model, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=rng).to(p.dtype)


def train(model: Model, optimizer: Optimizer, config: TrainConfig, steps: range) -> None:
    """Real steps on text made from each step's number alone."""
    for step in steps:
        rng = torch.Generator().manual_seed(step)
        tokens = torch.randint(V, (6, 3), generator=rng)
        logits, _ = model(tokens[:-1], model.initial_state(3))
        F.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten()).backward()
        clip(model, config)
        optimizer.step(lr=default_lr(config.optimizer) / (1 + step))
        optimizer.zero_grad()


@pytest.mark.parametrize("cell", ["lstm", "gru", "mut1"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resuming_is_bit_equal_to_never_stopping(name: str, cell: str) -> None:
    config = TrainConfig(optimizer=name)
    whole = build_model(cell=cell)
    optimizer = build(whole, config)
    train(whole, optimizer, config, range(10))

    first = build_model(cell=cell)
    before = build(first, config)
    train(first, before, config, range(5))
    tensors, numbers = before.state()
    stored, body = pack(tensors), json.dumps(numbers)

    resumed = Model.from_weights(first.config, V, first.weights())
    after = build(resumed, config)
    after.load_state(unpack(stored, what="test"), json.loads(body))
    train(resumed, after, config, range(5, 10))

    for key, weight in whole.weights().items():
        assert torch.equal(resumed.weights()[key], weight), key
    expected, found = optimizer.state()[0], after.state()[0]
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_before_the_first_step_can_be_stored(name: str) -> None:
    config = TrainConfig(optimizer=name)
    model, again = build_model(), build_model()
    optimizer = build(again, config)
    optimizer.load_state(*build(model, config).state())
    train(model, build(model, config), config, range(3))
    train(again, optimizer, config, range(3))
    torch.testing.assert_close(again.weights(), model.weights(), rtol=0, atol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rolling_back_restores_the_moment(name: str) -> None:
    """Into a live optimizer, over whatever happened since; and the state given is left as it was."""
    config = TrainConfig(optimizer=name)
    model = build_model()
    optimizer = build(model, config)
    train(model, optimizer, config, range(3))
    weights, (tensors, numbers) = model.weights(), optimizer.state()
    kept = copy.deepcopy(tensors)

    def go_on() -> dict[str, Tensor]:
        model.load_weights(weights)
        optimizer.load_state(tensors, numbers)
        train(model, optimizer, config, range(3, 6))
        return model.weights()

    torch.testing.assert_close(go_on(), go_on(), rtol=0, atol=0)
    torch.testing.assert_close(tensors, kept, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.pop("exp_avg.output_bias"), "exp_avg of output_bias is missing"),
        (lambda t: t.update({"exp_avg.output_bias": torch.zeros(V + 1)}), r"\(12,\).*\(11,\)"),
        (lambda t: t.update({"step.output_bias": torch.zeros(1)}), "step of output_bias"),
        (lambda t: t.update({"evil.output_bias": torch.zeros(V)}), "evil"),
        (lambda t: t.update({"exp_avg.nobody": torch.zeros(V)}), "nobody"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(
    change: Callable[[dict[str, Tensor]], object], sentence: str
) -> None:
    config = TrainConfig(optimizer="adamw")
    model = build_model()
    optimizer = build(model, config)
    train(model, optimizer, config, range(2))
    before = copy.deepcopy(optimizer.state()[0])
    tensors, numbers = optimizer.state()
    change(tensors)
    with pytest.raises(CheckpointError, match=sentence):
        optimizer.load_state(tensors, numbers)
    torch.testing.assert_close(optimizer.state()[0], before, rtol=0, atol=0)


def test_another_optimizers_state_is_refused() -> None:
    model = build_model()
    with pytest.raises(CheckpointError, match="'adam', not adamw"):
        build(model, TrainConfig(optimizer="adamw")).load_state(
            *build(model, TrainConfig(optimizer="adam")).state()
        )


# Update rules, written out for one weight at a time


def naive_updates(
    name: str, gradients: list[Tensor], weight: Tensor, config: TrainConfig
) -> Tensor:
    w, decay = weight.clone(), config.weight_decay if weight.ndim > 1 else 0.0
    lr, first, second = config.lr, torch.zeros_like(weight), torch.zeros_like(weight)
    for t, g in enumerate(gradients, 1):
        if name != "adam":
            w = w - lr * decay * w
        if name in ("adamw", "adam"):
            beta2 = 0.99 if name == "adamw" else 0.999
            first = 0.9 * first + 0.1 * g
            second = beta2 * second + (1 - beta2) * g * g
            corrected = (second / (1 - beta2**t)).sqrt() + 1e-8
            w = w - lr * first / (1 - 0.9**t) / corrected
        elif name == "rmsprop":
            second = config.rms_decay * second + (1 - config.rms_decay) * g * g
            w = w - lr * g / (second.sqrt() + 1e-8)
        elif name == "adagrad":
            second = second + g * g
            w = w - lr * g / (second + 1e-8).sqrt()
        elif name == "sgd":
            first = config.momentum * first + g
            w = w - lr * first
    return w


@pytest.mark.parametrize("name", ["adamw", "adam", "rmsprop", "adagrad", "sgd"])
def test_updates_are_the_published_ones(name: str) -> None:
    config = TrainConfig(optimizer=name, lr=0.01, weight_decay=0.3, rms_decay=0.95, momentum=0.8)
    model = build_model().double()
    start = model.weights()
    optimizer = build(model, config)
    gradients: dict[str, list[Tensor]] = {key: [] for key in start}
    for seed in range(4):
        set_gradients(model, seed)
        for key, p in model.named_parameters():
            assert p.grad is not None
            gradients[key].append(p.grad.clone())
        optimizer.step(lr=0.01)
    for key, p in model.named_parameters():
        expected = naive_updates(name, gradients[key], start[key], config)
        torch.testing.assert_close(p.detach(), expected, rtol=1e-9, atol=1e-9)


def test_muon_moves_the_stacks_matrices_by_orthogonal_steps() -> None:
    """Each singular value of the step is near 1 (0.68 to 1.13 for five Newton-Schulz steps), times the rate."""
    model = build_model()
    optimizer = build(model, TrainConfig(optimizer="muon", weight_decay=0.0))
    start = model.weights()
    set_gradients(model, 0)
    optimizer.step(lr=0.01)
    for key, weight in model.weights().items():
        moved = weight - start[key]
        if key.startswith("cells.") and weight.ndim == 2:
            singular = torch.linalg.svdvals(moved) / 0.01
            # torch scales by sqrt(rows / columns) where there are more rows.
            singular /= max(1, weight.shape[0] / weight.shape[1]) ** 0.5
            assert float(singular.min()) > 0.6, key
            assert float(singular.max()) < 1.25, key
        else:
            # AdamW's first step is its own rate in each element, here a fifth of Muon's.
            torch.testing.assert_close(
                moved.abs(), torch.full_like(moved, 0.002), rtol=1e-3, atol=0
            )


def test_weights_that_read_one_hot_tokens_are_not_muons() -> None:
    model = build_model(embedding_size=0)
    optimizer = build(model, TrainConfig(optimizer="muon"))
    kept = optimizer.state()[0]
    assert "momentum_buffer.cells.0.kernel.weight_ih_l0" not in kept
    assert "momentum_buffer.cells.0.kernel.weight_hh_l0" in kept
    assert "momentum_buffer.cells.1.kernel.weight_ih_l0" in kept


@pytest.mark.parametrize("name", ["muon", "adamw", "rmsprop", "adagrad", "sgd"])
def test_weight_decay_shrinks_matrices_only(name: str) -> None:
    model = build_model()
    with torch.no_grad():
        model.output_bias.fill_(1.0)
    start = model.weights()
    optimizer = build(model, TrainConfig(optimizer=name, weight_decay=0.5))
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step(lr=0.1)
    for key, weight in model.weights().items():
        share = 1.0
        if weight.ndim > 1:
            adamws = name == "muon" and not key.startswith("cells.")
            share = 1 - 0.5 * 0.1 * (0.2 if adamws else 1)
        torch.testing.assert_close(weight, start[key] * share)


def test_the_rate_scales_all_groups() -> None:
    model = build_model()
    optimizer = build(model, TrainConfig(optimizer="muon"))
    set_gradients(model, 0)
    optimizer.step(lr=0.01)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([0.002, 0.01])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_of_zero_changes_nothing(name: str) -> None:
    model = build_model()
    start = model.weights()
    set_gradients(model, 0)
    build(model, TrainConfig(optimizer=name)).step(lr=0.0)
    torch.testing.assert_close(model.weights(), start, rtol=0, atol=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns_at_its_default_rate(name: str) -> None:
    """A short text by heart, from 2.4 nats a token."""
    config = TrainConfig(optimizer=name)
    model = build_model(hidden_size=32)
    optimizer = build(model, config)
    tokens = torch.randint(V, (25, 4), generator=torch.Generator().manual_seed(7))
    loss = torch.tensor(0.0)
    for _ in range(60):
        logits, _ = model(tokens[:-1], model.initial_state(4))
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten())
        loss.backward()
        clip(model, config)
        optimizer.step(lr=default_lr(name))
        optimizer.zero_grad()
    assert loss.item() < 2.1


# Clipping


def test_clipping_by_norm_scales_the_whole_gradient() -> None:
    model = build_model()
    set_gradients(model, 0)
    before = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    norm = clip(model, TrainConfig(clip=1.0))
    after = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(norm, (before.double() ** 2).sum().sqrt().float())
    torch.testing.assert_close(after, before / norm)


def test_a_small_gradient_is_left_alone() -> None:
    for config in (
        TrainConfig(clip=1e6),
        TrainConfig(clip=1e6, clip_by="value"),
        TrainConfig(clip=0),
    ):
        model = build_model()
        set_gradients(model, 0)
        before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        clip(model, config)
        for p, kept in zip(model.parameters(), before, strict=True):
            assert p.grad is not None
            assert torch.equal(p.grad, kept)


def test_clipping_by_value_bounds_each_element() -> None:
    model = build_model()
    set_gradients(model, 0)
    before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    clip(model, TrainConfig(clip=0.5, clip_by="value"))
    for p, kept in zip(model.parameters(), before, strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad, kept.clamp(-0.5, 0.5))


@pytest.mark.parametrize("by", ["norm", "value"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_gradient_that_is_no_good_shows_in_the_norm(value: float, by: str) -> None:
    model = build_model()
    set_gradients(model, 0)
    grad = next(model.parameters()).grad
    assert grad is not None
    grad[2, 1] = value
    assert not torch.isfinite(clip(model, TrainConfig(clip_by=by)))  # type: ignore[arg-type]


# Rates


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_default_rate_is_not_odd(name: str) -> None:
    least, most = SANE_RATES[name]
    assert least < default_lr(name) < most
    assert warn_if_odd(default_lr(name), name) is None


def test_an_odd_rate_is_told_with_what_is_usual() -> None:
    sentence = warn_if_odd(30.0, "adamw")
    assert sentence is not None
    assert "30" in sentence
    assert "very high for adamw" in sentence
    assert "0.004" in sentence
    low = warn_if_odd(1e-9, "sgd")
    assert low is not None
    assert "very low" in low


def test_frozen_weights_stay() -> None:
    model = build_model()
    model.embedding.requires_grad_(False)  # type: ignore[union-attr]
    start = model.weights()
    config = TrainConfig(optimizer="muon")
    train(model, build(model, config), config, range(2))
    assert torch.equal(model.weights()["embedding.weight"], start["embedding.weight"])
    assert isinstance(model.embedding, nn.Embedding)
