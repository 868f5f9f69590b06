"""Every filter against a brute-force version in plain Python, on small vocabularies."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.config import SampleConfig
from engine.sampling import filters

Row = list[float]

# Scores in steps of a quarter, so that ties are common; -inf as after an earlier filter.
_scores = st.integers(-24, 24).map(lambda n: n / 4)
_rows = st.integers(1, 3).flatmap(
    lambda b: st.integers(1, 7).flatmap(
        lambda v: st.lists(st.lists(_scores, min_size=v, max_size=v), min_size=b, max_size=b)
    )
)


def as_logp(rows: list[Row]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log_softmax(dim=-1)


def probabilities(logp: torch.Tensor) -> list[Row]:
    return logp.exp().tolist()


def renormalised(row: Row) -> Row:
    total = math.fsum(row)
    return [p / total for p in row]


def close(found: torch.Tensor, expected: list[Row]) -> None:
    torch.testing.assert_close(
        found.exp(), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12
    )


def likeliest_first(row: Row) -> list[int]:
    return sorted(range(len(row)), key=lambda i: (-row[i], i))


def kept_mass(row: Row, order: list[int], p: float) -> Row:
    kept, mass = [], 0.0
    for i in order:
        if kept and mass >= p:
            break
        kept.append(i)
        mass += row[i]
    return renormalised([x if i in kept else 0.0 for i, x in enumerate(row)])


def undecided(row: Row, order: list[int], p: float) -> bool:
    """Whether a partial sum is so near p that rounding decides."""
    mass = 0.0
    for i in order:
        mass += row[i]
        if abs(mass - p) < 1e-9:
            return True
    return False


@given(rows=_rows, k=st.integers(1, 9))
def test_top_k_keeps_the_k_likeliest(rows: list[Row], k: int) -> None:
    logp = as_logp(rows)
    expected = []
    for row in probabilities(logp):
        best = likeliest_first(row)[:k]
        expected.append(renormalised([p if i in best else 0.0 for i, p in enumerate(row)]))
    close(filters.top_k(logp, k), expected)


@given(rows=_rows, p=st.floats(0.001, 0.999))
def test_top_p_keeps_the_fewest_that_reach_p(rows: list[Row], p: float) -> None:
    logp = as_logp(rows)
    expected = []
    for row in probabilities(logp):
        order = likeliest_first(row)
        assume(not undecided(row, order, p))
        expected.append(kept_mass(row, order, p))
    close(filters.top_p(logp, p), expected)


@given(rows=_rows, share=st.floats(0.001, 1.0))
def test_min_p_drops_what_is_too_far_below_the_best(rows: list[Row], share: float) -> None:
    logp = as_logp(rows)
    expected = []
    for row in probabilities(logp):
        floor = share * max(row)
        assume(share == 1 or not any(abs(p / floor - 1) < 1e-9 for p in row))
        kept = [p if p >= floor * (1 - 1e-12) else 0.0 for p in row]
        expected.append(renormalised(kept))
    close(filters.min_p(logp, share), expected)


@given(rows=_rows, p=st.floats(0.001, 0.999))
def test_typical_p_keeps_the_least_surprising_surprises(rows: list[Row], p: float) -> None:
    logp = as_logp(rows)
    expected = []
    for row in probabilities(logp):
        entropy = -math.fsum(x * math.log(x) for x in row)
        distance = [abs(-math.log(x) - entropy) for x in row]
        # Different tokens equally far from the expected surprise: rounding decides.
        assume(
            all(
                row[i] == row[j] or abs(a - b) > 1e-9
                for i, a in enumerate(distance)
                for j, b in enumerate(distance)
            )
        )
        order = sorted(range(len(row)), key=lambda i: (round(distance[i], 10), i))
        assume(not undecided(row, order, p))
        expected.append(kept_mass(row, order, p))
    close(filters.typical_p(logp, p), expected)


@given(rows=_rows, value=st.floats(0.05, 20))
def test_temperature_raises_to_its_inverse(rows: list[Row], value: float) -> None:
    logp = as_logp(rows)
    expected = [renormalised([p ** (1 / value) for p in row]) for row in probabilities(logp)]
    close(filters.temperature(logp, value), expected)


@given(
    rows=_rows,
    recent=st.lists(st.integers(-1, 6), min_size=1, max_size=5),
    penalty=st.floats(1.01, 5),
)
def test_repetition_penalty_divides_the_odds_once(
    rows: list[Row], recent: list[int], penalty: float
) -> None:
    logp = as_logp(rows)
    recent = [i if i < logp.shape[1] else -1 for i in recent]
    expected = [
        renormalised([p / penalty if i in recent else p for i, p in enumerate(row)])
        for row in probabilities(logp)
    ]
    found = filters.repetition_penalty(logp, torch.tensor([recent] * len(rows)), penalty)
    close(found, expected)


@given(rows=_rows)
def test_temperature_towards_zero_becomes_greedy(rows: list[Row]) -> None:
    logp = as_logp(rows)
    greedy = filters.temperature(logp, 0.0)
    for row, chosen in zip(rows, probabilities(greedy), strict=True):
        assert chosen == [float(i == row.index(max(row))) for i in range(len(row))]
        if row.count(max(row)) == 1:
            for value in (1e-4, 1e-30, 5e-324):
                cold = filters.temperature(as_logp([row]), value)
                assert probabilities(cold)[0] == chosen


@given(rows=_rows)
def test_everything_off_is_the_identity(rows: list[Row]) -> None:
    logp = as_logp(rows)
    off = SampleConfig(temperature=1.0)
    assert filters.apply(logp, off, torch.zeros(len(rows), 3, dtype=torch.int64)) is logp


_configs = st.builds(
    SampleConfig,
    repetition_penalty=st.sampled_from([1.0, 1.3, 50.0]),
    temperature=st.sampled_from([0.0, 1e-300, 0.5, 1.0, 3.0, 1e300]),
    top_k=st.integers(0, 8),
    top_p=st.sampled_from([1e-9, 0.3, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.1, 1.0]),
    typical_p=st.sampled_from([1e-9, 0.2, 0.95, 1.0]),
)


@given(rows=_rows, config=_configs)
def test_some_token_is_always_left(rows: list[Row], config: SampleConfig) -> None:
    recent = torch.tensor([[0, 1 % len(rows[0]), -1]] * len(rows))
    left = filters.apply(as_logp(rows), config, recent).exp()
    assert not left.isnan().any()
    torch.testing.assert_close(left.sum(-1), torch.ones(len(rows), dtype=torch.float64))


@given(rows=_rows, config=_configs)
def test_filters_run_in_the_stated_order(rows: list[Row], config: SampleConfig) -> None:
    recent = torch.tensor([[0, -1]] * len(rows))
    logp = as_logp(rows)
    expected = filters.repetition_penalty(logp, recent, config.repetition_penalty)
    for name in ("temperature", "top_k", "top_p", "min_p", "typical_p"):
        expected = getattr(filters, name)(expected, getattr(config, name))
    assert torch.equal(filters.apply(logp, config, recent), expected)
    names = list(SampleConfig.__dataclass_fields__)
    assert names == [
        "weights",  # what the network computes in: before any filter
        "repetition_penalty",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
    ]


@given(rows=_rows, config=_configs)
def test_rows_never_mix(rows: list[Row], config: SampleConfig) -> None:
    together = filters.apply(as_logp(rows), config, torch.zeros(len(rows), 1, dtype=torch.int64))
    for i, row in enumerate(rows):
        alone = filters.apply(as_logp([row]), config, torch.zeros(1, 1, dtype=torch.int64))
        torch.testing.assert_close(together[i], alone[0], rtol=1e-12, atol=1e-12)


@given(row=st.lists(_scores, min_size=1, max_size=6), u=st.floats(0, 1, exclude_max=True))
def test_draw_inverts_the_distribution_function(row: Row, u: float) -> None:
    logp = as_logp([row])
    reached = 0.0
    expected = len(row) - 1
    for i, p in enumerate(probabilities(logp)[0]):
        reached += p
        assume(abs(reached - u) > 1e-9)
        if u < reached:
            expected = i
            break
    assert filters.draw(logp, torch.tensor([u], dtype=torch.float64)).item() == expected


@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-53])
def test_draw_never_takes_a_dropped_token(u: float) -> None:
    rng = torch.Generator().manual_seed(3)
    for size in (3, 50, 20_000):
        scores = torch.randn(20, size, generator=rng, dtype=torch.float64)
        dropped = torch.rand(20, size, generator=rng) < 0.5
        dropped[:, -1] = dropped[:, 0] = True
        dropped[:, 1] = False
        logp = scores.masked_fill(dropped, -math.inf).log_softmax(dim=-1)
        tokens = filters.draw(logp, torch.full((20,), u, dtype=torch.float64))
        assert logp.gather(1, tokens[:, None]).isfinite().all()


def test_draws_follow_the_distribution() -> None:
    logp = as_logp([[0.0, 1.0, -2.0, 0.5]])
    uniform = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    tokens = filters.draw(logp.expand(100_000, 4), uniform)
    shares = tokens.bincount(minlength=4) / 100_000
    torch.testing.assert_close(shares.double(), logp[0].exp(), atol=2e-5, rtol=0)
