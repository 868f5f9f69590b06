"""Damaged tunes, a few hundred of the campaign in `benchmarks/mutated_tunes.py` (which runs 20,000)."""

from __future__ import annotations

import random

import pytest

from benchmarks.mutated_tunes import fault, mutated, spoiled_bars
from tests.corpora.abc.samples import TUNES


@pytest.mark.parametrize("name", TUNES)
def test_damage_of_any_kind_is_dealt_with(name: str) -> None:
    rng = random.Random(name)
    for _ in range(60):
        text = mutated(TUNES[name], rng)
        what = fault(text)
        # A busy machine may take a second for what takes milliseconds; the campaign times it.
        assert not what or what.startswith("took"), text


def test_one_damaged_bar_costs_no_other() -> None:
    rng = random.Random(2)
    total, kept, lost = spoiled_bars([TUNES["jig"], TUNES["waltz"]] * 40, rng)
    assert total == 80
    assert kept == total, lost[:1]


SMALLEST = [
    *("", "K:", "X:", "K:C\n|", "K:C\n[", "K:C\n{", "K:C\nA>", "K:C\n(3", "K:C\nA-", "K:C\n:|"),
    *("K:C\n|:", "K:C\n[1", "K:C\n&", "L:0\nK:C\nA|", "L:1/0\nK:C\nA|", "M:0/4\nK:C\nZ|"),
    *(
        "M:4/0\nK:C\nZ|",
        "Q:0\nK:C\nA|",
        "Q:1/0=5\nK:C\nA|",
        "K:C\nA/0|",
        "K:C\n(0A|",
        "K:C\n(3:0:0A|",
    ),
    *(
        "Q:3/611598=120\nK:C\nA|",
        "P:((((\nK:C\nA|",
        "K:C\n%%abc-include /etc/passwd\nA|",
        "K:C\nA0/0B|",
    ),
    "\ufeffX:1\nK:C\nA|",
]


@pytest.mark.parametrize("text", SMALLEST)
def test_the_smallest_faults(text: str) -> None:
    assert not fault(text)


def test_a_tune_ends_after_fifteen_minutes_at_the_latest() -> None:
    from corpora.abc import perform, read_tune

    tune = read_tune("X:1\nL:1/1\nQ:1/4=40\nK:C\n|:" + "A8|" * 40 + "::::::|\n")
    playing = perform(tune)
    assert playing.cut
    assert 880 < playing.seconds <= 900
    assert "15 minutes" in tune.findings[-1].text
    perform(tune)
    assert sum("15 minutes" in finding.text for finding in tune.findings) == 1
