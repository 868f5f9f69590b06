"""Ids that are looked at as they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.errors import RunError
from engine.ids import Ids

FOLDER = Path("runs/plays/tokens")


def of(numbers: list[int], vocab_size: int, dtype: type = np.uint16) -> Ids:
    return Ids(np.array(numbers, dtype), vocab_size=vocab_size, folder=FOLDER)


@given(st.lists(st.integers(0, 299), min_size=1), st.data())
def test_they_are_taken_like_those_of_an_array(numbers: list[int], data: st.DataObject) -> None:
    ids = of(numbers, 300)
    at = data.draw(st.integers(0, len(numbers) - 1))
    start, stop = (data.draw(st.none() | st.integers(-9, 9)) for _ in range(2))
    assert len(ids) == len(numbers)
    assert ids[at] == numbers[at]
    assert ids[start:stop].tolist() == numbers[start:stop]
    assert ids[np.array([[at], [0]])].tolist() == [[numbers[at]], [numbers[0]]]


def test_one_that_the_vocabulary_does_not_have_is_told_when_it_is_taken() -> None:
    ids = of([5, 9, 10, 3], 10)
    assert ids[:2].tolist() == [5, 9]
    assert ids[3] == 3
    for taking in (lambda: ids[2], lambda: ids[1:], lambda: ids[np.array([0, 2])]):
        with pytest.raises(RunError, match=r"plays.tokens is missing or damaged") as caught:
            taking()
        assert "--from plays" in caught.value.hint


def test_a_type_that_the_vocabulary_fills_holds_no_other() -> None:
    assert of([0, 255], 256, np.uint8)[:].tolist() == [0, 255]
    with pytest.raises(RunError):
        of([0, 255], 255, np.uint8)[:]
