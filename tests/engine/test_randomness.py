"""Streams of random numbers: independent, reproducible, and restored exactly."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError
from engine.randomness import Streams, kept, stream, streams

CPU = torch.device("cpu")
NAMES = [f.name for f in fields(Streams)]


def draw(rng: torch.Generator) -> list[int]:
    return torch.randint(2**60, (4,), generator=rng).tolist()


@given(seed=st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_a_seed_gives_streams_that_differ_from_each_other_and_from_the_next_seeds(
    seed: int,
) -> None:
    drawn = [draw(getattr(streams(s), name)) for s in (seed, seed + 1) for name in NAMES]
    assert len({tuple(numbers) for numbers in drawn}) == 2 * len(NAMES)
    assert draw(streams(seed).init) == drawn[0]


def test_streams_stay_what_they_are_between_versions() -> None:
    """A seed in a paper or a bug report must mean the same tomorrow."""
    seeds = [getattr(streams(1), name).initial_seed() for name in NAMES]
    assert seeds == [9026945870587435849, 226311496422674447]


def test_drawing_from_one_changes_no_other_and_no_global_generator() -> None:
    ours, untouched = streams(5), streams(5)
    before = torch.random.get_rng_state()
    for _ in range(100):
        draw(ours.init)
    assert draw(ours.dropout) == draw(untouched.dropout)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_restored_streams_go_on_where_they_were() -> None:
    ours = streams(5)
    torch.randn(3, generator=ours.dropout)  # an odd count leaves half of a pair behind
    state = ours.state()
    expected = [torch.randn(5, generator=getattr(ours, name)) for name in NAMES]
    again = streams(6)
    again.load_state(state)
    found = [torch.randn(5, generator=getattr(again, name)) for name in NAMES]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "damaged",
    [
        torch.zeros(3, dtype=torch.uint8),
        torch.zeros(5056),
        torch.zeros(5056, dtype=torch.uint8),
        None,
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(damaged: torch.Tensor | None) -> None:
    ours = streams(5)
    state = streams(6).state()
    if damaged is None:
        del state["dropout"]
    else:
        state["dropout"] = damaged
    with pytest.raises(CheckpointError, match="'dropout'"):
        ours.load_state(state)
    assert draw(ours.init) == draw(streams(5).init)


@example(shape=[9], dropout=0.9999999, dtype=torch.float32)
@given(
    shape=st.lists(st.integers(0, 9), max_size=3),
    dropout=st.floats(0, 1, exclude_max=True),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_a_mask_leaves_out_or_makes_up(
    shape: list[int], dropout: float, dtype: torch.dtype
) -> None:
    mask = kept(torch.Size(shape), dropout, stream(1, "it"), device=CPU, dtype=dtype)
    assert mask.shape == torch.Size(shape)
    assert mask.dtype == dtype
    assert mask.isfinite().all()
    assert len(mask.unique()) <= 2  # nothing, and what makes up for it
    if mask.any() and dropout <= 0.99:
        assert float(mask.max()) * (1 - dropout) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("dropout", [0.1, 0.2, 0.5, 0.9])
def test_masks_leave_out_their_share_of_everything_and_keep_the_mean(dropout: float) -> None:
    rng = stream(1, "it")
    masks = torch.stack(
        [
            kept(torch.Size([64, 64]), dropout, rng, device=CPU, dtype=torch.float32)
            for _ in range(256)
        ]
    )
    assert float(masks.mean()) == pytest.approx(1, abs=0.01)
    left_out = (masks == 0).double()
    spread = (dropout * (1 - dropout)) ** 0.5
    # Of each place, over the masks; and no place goes with its neighbour, nor a mask with the one before it.
    assert float((left_out.mean(0) - dropout).abs().max()) < 5 * spread / 256**0.5
    apart = (left_out - dropout) / spread
    assert abs(float((apart[..., 1:] * apart[..., :-1]).mean())) < 0.005
    assert abs(float((apart[1:] * apart[:-1]).mean())) < 0.005
