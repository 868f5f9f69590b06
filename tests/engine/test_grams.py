"""Vectors for runs of tokens: which rows they have, that what was read is carried, and what training leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from checkpoints.errors import ConfigError
from engine import carried, sizes
from engine.config import ModelConfig
from engine.ema import EMA
from engine.grams import rows_of, rows_of_last
from engine.model import Model, grow

V = 9
LONGEST = 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(**settings: Any) -> Model:
    """A model whose runs mean something already."""
    config = ModelConfig(
        **{"hidden_size": 6, "embedding_size": 4, "grams": LONGEST, "gram_size": 3, "gram_rows": 500, **settings}
    )  # fmt: skip
    model = Model(config, V, rng=generator())
    assert model.grams is not None
    with torch.no_grad():
        model.grams.weight.normal_(generator=generator(1))
    return model


def some_tokens(steps: int = 7, lanes: int = 3) -> Tensor:
    return torch.randint(V, (steps, lanes), generator=generator(42))


codes = st.lists(st.integers(0, 2**20), min_size=8, max_size=30)


@given(codes, st.integers(2, 8), st.integers(1, 2**24))
def test_torch_and_numpy_find_the_same_rows(text: list[int], longest: int, rows: int) -> None:
    found = torch.stack(rows_of(torch.tensor(text)[:, None], longest, rows))[..., 0]
    for end in range(longest, len(text) + 1):
        last = rows_of_last(np.array([text[end - longest : end]]), rows)
        assert last.tolist() == [found[:, end - longest].tolist()]
    assert found.min() >= 0
    assert found.max() < rows


@given(codes, st.integers(2, 8))
def test_a_row_hangs_on_its_run_alone(text: list[int], longest: int) -> None:
    whole = rows_of(torch.tensor(text)[:, None], longest, 1 << 30)
    for back, of_length in enumerate(whole, start=1):
        at = len(text) - 1
        other = [*[7] * (at - back), *text[at - back :]]
        assert (
            rows_of(torch.tensor(other)[:, None], longest, 1 << 30)[back - 1][-1] == of_length[-1]
        )


def test_different_runs_rarely_share_a_row() -> None:
    pairs = torch.cartesian_prod(torch.arange(1, 101), torch.arange(1, 101)).t()  # (2, 10,000)
    (rows,) = rows_of(pairs, 2, 1 << 20)
    # Of 10,000 balls in as many bins, 48 meet another one.
    assert 9_900 < len(rows.unique()) <= 10_000


@pytest.mark.parametrize("cell", ["lstm", "gru", "mut1", "qrnn"])
def test_windows_and_steps_carry_what_was_read(cell: str) -> None:
    model = build(cell=cell)
    tokens = some_tokens()
    whole, after = model(tokens, model.initial_state(3))
    first, between = model(tokens[:2], model.initial_state(3))
    second, end = model(tokens[2:], between)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    stepped, now = [], model.initial_state(3)
    for row in tokens:
        logits, now = model.step(row, now)
        stepped.append(logits)
    torch.testing.assert_close(torch.stack(stepped), whole)
    for found in (end, now):
        torch.testing.assert_close(found, after)
    # Another token three before changes what comes; four before it changes the layers' state only.
    assert after[-1][0].tolist() == (tokens[-3:].t() + 1).tolist()


def test_a_lane_that_begins_anew_has_read_nothing() -> None:
    model = build()
    _, read = model(some_tokens(), model.initial_state(3))
    begun = carried.reset(read, torch.tensor([False, True, False]))
    assert begun[-1][0][1].tolist() == [0, 0, 0]
    assert torch.equal(begun[-1][0][[0, 2]], read[-1][0][[0, 2]])
    expected, _ = model(some_tokens()[:, 1:2], model.initial_state(1))
    torch.testing.assert_close(model(some_tokens(), begun)[0][:, 1:2], expected)
    unpacked = carried.unpack(carried.pack(read), model.initial_state(3))
    assert unpacked[-1][0].dtype == torch.int64
    torch.testing.assert_close(unpacked, read)


def test_runs_are_left_out_in_training_only_and_make_up_for_it() -> None:
    model = build(gram_dropout=0.5, gram_rows=1 << 20)
    assert model.grams is not None
    with torch.no_grad():
        model.grams.weight.fill_(1.0)
    tokens, before = some_tokens(400, 2), model.initial_state(2)[-1][0]
    whole, _ = model.grams(tokens, before)
    assert whole.unique().tolist() == [LONGEST - 1]
    drawn, _ = model.grams(tokens, before, generator(3))
    assert drawn.unique().tolist() == [0, 2, 4, 6]  # of three runs none to all, twice as strong
    assert float(drawn.detach().mean()) == pytest.approx(LONGEST - 1, rel=0.1)
    assert torch.equal(drawn, model.grams(tokens, before, generator(3))[0])


def test_a_new_models_runs_mean_nothing_and_learn() -> None:
    model = Model(build().config, V, rng=generator())
    assert model.grams is not None
    logits, _ = model(some_tokens(), model.initial_state(3))
    logits.square().sum().backward()
    assert not model.grams.weight.detach().any()
    assert model.grams.weight.grad is not None
    assert model.grams.weight.grad.any()


def test_a_grown_vocabulary_keeps_the_rows_of_its_runs() -> None:
    old = build()
    old_ids = [None, 8, 7, 6, 5, 4, None, 3, 2, 1, 0, None]
    new = grow(old, old_ids=old_ids, rng=generator(1))
    new_of = torch.tensor([old_ids.index(i) for i in range(V)])
    tokens = some_tokens()
    expected, _ = old(tokens, old.initial_state(3))
    logits, _ = new(new_of[tokens], new.initial_state(3))
    torch.testing.assert_close(logits[..., new_of], expected)
    assert new.grams is not None
    assert sorted(new.grams.codes.tolist()) == list(range(1, 13))


def test_weights_survive_the_way_out_and_in_averaged_too() -> None:
    model = build()
    again = Model.from_weights(model.config, V, model.weights())
    tokens = some_tokens()
    expected = model(tokens, model.initial_state(3))
    torch.testing.assert_close(again(tokens, again.initial_state(3)), expected)
    averaged = Model.from_weights(model.config, V, EMA(model, 0.9).weights())
    torch.testing.assert_close(averaged(tokens, averaged.initial_state(3)), expected)


@pytest.mark.parametrize("grams", [0, 1, 2, 5])
def test_sizes_count_the_table(grams: int) -> None:
    model = build(grams=grams) if grams > 1 else Model(ModelConfig(grams=grams), V, rng=generator())
    assert sizes.parameters(model.config, V) == model.parameter_count
    assert (model.grams is None) == (grams < 2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"embedding_size": 0}, "runs of tokens need an embedding"),
        ({"grams": 17}, "grams is 17"),
        ({"gram_rows": 0}, "gram-rows is 0"),
        ({"gram_dropout": 1.0}, "gram-dropout is 1"),
    ],
)
def test_what_cannot_be_is_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(**settings)
