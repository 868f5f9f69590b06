"""Drawing in NumPy says what the filters say, and leaves to them what it can't."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.config import SampleConfig
from engine.sampling import filters, plain


@given(
    rows=st.integers(1, 5),
    vocab=st.integers(2, 40),
    spread=st.sampled_from([0.0, 1.0, 30.0, 800.0]),
    temperature=st.sampled_from([0.01, 0.8, 1.0, 3.0]),
    bans=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_it_draws_what_the_filters_draw(
    rows: int, vocab: int, spread: float, temperature: float, bans: bool, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(rows, vocab, generator=rng)
    uniform = torch.rand(rows, generator=rng, dtype=torch.float64)
    never = torch.zeros(vocab, dtype=torch.float64)
    if bans:
        never[0] = -torch.inf
    tokens, nats = filters.next_tokens(
        filters.scores(logits, never), SampleConfig(temperature=temperature), None, uniform
    )
    drawn = plain.draw(logits.numpy(), temperature, 0 if bans else None, uniform.tolist())
    assert drawn is not None
    assert drawn[0] == tokens.tolist()
    assert drawn[1] == pytest.approx(nats.tolist(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("row", "temperature"),
    [([0.0, -7.44], 0.01), ([0.0, -740.0, -741.0, -742.0], 1.0), ([0.0, -1.0], 5e-324)],
)
def test_what_may_not_come_leaves_room_for_what_is_far_below_it(
    row: list[float], temperature: float
) -> None:
    drawn = plain.draw(np.array([row], np.float32), temperature, 0, [1 - 2**-53])
    assert drawn is not None
    assert drawn[0][0] > 0
    own = torch.tensor(row, dtype=torch.float32).double().log_softmax(0)
    assert drawn[1][0] == pytest.approx(-own[drawn[0][0]].item())


def test_a_row_that_holds_no_number_is_left_to_the_filters() -> None:
    for bad in (np.nan, np.inf):
        assert plain.draw(np.array([[0.0, bad]], np.float32), 1.0, None, [0.5]) is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"weights": "int8", "temperature": 1.3}, True),
        ({"temperature": 0.0}, False),
        ({"top_k": 3}, False),
        ({"top_p": 0.9}, False),
        ({"min_p": 0.1}, False),
        ({"typical_p": 0.9}, False),
        ({"repetition_penalty": 1.1}, False),
    ],
)
def test_it_serves_where_there_is_a_temperature_alone(
    settings: dict[str, object], expected: bool
) -> None:
    assert plain.serves(SampleConfig(**settings)) == expected  # type: ignore[arg-type]
