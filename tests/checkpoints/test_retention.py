"""What is kept: best, last, protected, and the rest evenly in log(step)."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from checkpoints.retention import to_delete

steps_of = st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True)


@given(steps_of, st.integers(0, 10), st.data())
def test_best_last_and_protected_stay_beside_as_many_as_asked(
    steps: list[int], keep: int, data: st.DataObject
) -> None:
    best = data.draw(st.none() | st.sampled_from(steps))
    protected = data.draw(st.lists(st.sampled_from(steps), max_size=3))
    deleted = to_delete(steps, keep=keep, best=best, protected=protected)
    pinned = {max(steps), *protected} | ({best} if best is not None else set())
    left = set(steps) - set(deleted)
    assert len(set(deleted)) == len(deleted)
    assert set(deleted) <= set(steps)
    assert pinned <= left
    assert len(left - pinned) == min(keep, len(set(steps) - pinned))


@given(steps_of)
def test_the_one_to_go_leaves_the_evenest_spacing(steps: list[int]) -> None:
    """Against brute force: of all that may go, dropping this one leaves the narrowest new gap in log(step)."""
    ordered = sorted(steps)
    keep = len(ordered) - 2  # beside the last
    if keep < 1:
        return

    def new_gap(gone: int) -> float:
        before = [s for s in ordered if s < gone]
        after = [s for s in ordered if s > gone]
        return math.log(min(after) + 1) - math.log(max(before) + 1) if before else math.inf

    (deleted,) = to_delete(steps, keep=keep)
    assert math.isclose(new_gap(deleted), min(map(new_gap, ordered[:-1])))


def test_a_long_run_that_prunes_as_it_goes_keeps_a_log_spaced_history() -> None:
    kept: list[int] = []
    for step in range(100, 100_001, 100):
        kept.append(step)
        for gone in to_delete(kept, keep=24):
            kept.remove(gone)
    assert len(kept) == 25
    assert (kept[0], kept[-1]) == (100, 100_000)
    # Even in log(step) would be a factor of 1000 ** (1/24) = 1.33; the first steps are 100 and 200, a factor of 2.
    ratios = [b / a for a, b in itertools.pairwise(kept)]
    assert max(ratios) <= 2.0
    assert sorted(ratios)[12] < 1.45
    by_decade = [sum(low <= step < 10 * low for step in kept) for low in (100, 1000, 10_000)]
    assert min(by_decade) >= 4


def test_nothing_to_do() -> None:
    assert to_delete([], keep=3) == []
    assert to_delete([5], keep=0) == []
    assert to_delete([1, 2, 3], keep=2) == []
    assert to_delete([1, 2, 3], keep=0, best=1) == [2]
