"""Loops and unbroken runs are noticed; ordinary text is not."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sampling.stuck import stuck

PROSE = (
    "It was late when the rain stopped, and nobody had come. She put the kettle on, counted the cups, and thought "
    "of the road that went down to the river; there had been a bridge once, before the flood, and a mill with a "
    "wheel that turned all night. Ha ha ha ha ha, he would have said, what do you want with a mill? "
)


@given(
    unit=st.text(min_size=1, max_size=100),
    before=st.text(max_size=40),
    cut=st.integers(0, 50),
)
def test_a_stretch_again_and_again_is_a_loop(unit: str, before: str, cut: int) -> None:
    assert stuck(before + unit * 120 + unit[: cut % len(unit)]) == "loop"


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        PROSE[:50],
        "",
        "|:" + "G2 GA BAGE | D2 DE G2 AB |" * 3 + "d2 dB AGEG |",
        "世" + "".join(chr(0x4E00 + i * 37 % 5000) for i in range(700)),
        "=" * 60,
    ],
)
def test_ordinary_text_is_not_stuck(text: str) -> None:
    assert stuck(text) == ""


def test_encoded_data_is_an_unbroken_run() -> None:
    data = np.random.default_rng(1).bytes(400)
    assert stuck("src='data:image/png;base64," + base64.b64encode(data).decode()) == "unbroken"


def test_what_was_stuck_and_went_on_is_not() -> None:
    assert stuck("of the state " * 60 + PROSE + PROSE[::-1]) == ""
