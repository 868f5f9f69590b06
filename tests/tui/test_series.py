"""Series stay small and keep what matters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.series import Series, smooth, sparkline

VALUES = st.floats(-1e6, 1e6)


@given(st.lists(VALUES, min_size=1, max_size=300), st.integers(2, 20))
def test_buckets_keep_mean_extremes_and_bounds(values: list[float], limit: int) -> None:
    series = Series(limit)
    for step, value in enumerate(values, start=1):
        series.add(step, value)
    assert len(series) <= limit
    assert min(b.low for b in series.buckets) == min(values)
    assert max(b.high for b in series.buckets) == max(values)
    assert sum(b.added for b in series.buckets) == len(values)
    total = sum(b.mean * b.count for b in series.buckets)
    assert total == pytest.approx(sum(values), abs=1e-3)
    firsts = [b.first for b in series.buckets]
    assert firsts == sorted(firsts)
    assert series.buckets[-1].last == len(values)


def test_what_is_not_finite_is_a_gap_and_never_spoils_a_mean() -> None:
    series = Series(10)
    for step, value in enumerate([1.0, math.nan, math.inf, 3.0], start=1):
        series.add(step, value)
    means = [b.mean for b in series.buckets]
    assert means[0] == 1.0
    assert math.isnan(means[1])
    assert math.isnan(means[2])
    assert means[3] == 3.0


def test_rewind_forgets_what_came_after() -> None:
    series = Series(1000)
    for step in range(1, 101):
        series.add(step, float(step))
    series.rewind(40)
    assert [b.last for b in series.buckets] == list(range(1, 41))
    assert series.buckets[-1].mean == 40.0


def test_smoothing_starts_at_the_first_value_and_leaves_a_constant_alone() -> None:
    constant = [(float(i), 2.0, 2.0, 2.0) for i in range(20)]
    assert [p[2] for p in smooth(constant, 0.9)] == pytest.approx([2.0] * 20)
    first = smooth([(0.0, 5.0, 5.0, 5.0), (1.0, 1.0, 1.0, 1.0)], 0.9)
    assert first[0][2] == pytest.approx(5.0)
    assert 1.0 < first[1][2] < 5.0


def test_sparkline_spans_its_range_and_shows_gaps() -> None:
    assert sparkline([0.0, 1.0, 2.0, 7.0], 4) == "▁▂▃█"
    assert sparkline([1.0, math.nan, 3.0], 3) == "▁ █"
    assert sparkline([5.0] * 9, 3) == "▁▁▁"
    assert sparkline([], 5) == ""
