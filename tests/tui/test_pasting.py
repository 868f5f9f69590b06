"""Pasted text that holds what a terminal would obey, in pieces as they come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual import events

from tui.pasting import END, ESC, PICTURE, START, Parser, Pasted


def read(*pieces: str) -> list[str]:
    parser = Parser()
    return [
        f"paste {event.text!r}" if isinstance(event, events.Paste) else f"key {event.key}"
        for piece in pieces
        for event in parser.feed(piece)
        if isinstance(event, events.Paste | events.Key)
    ]


def test_a_paste_is_one_text_and_no_key() -> None:
    pasted = f"ROMEO:\r{ESC}[31mred{ESC}\r{ESC}[A{ESC}{ESC}x"
    shown = pasted.replace(ESC, PICTURE)
    assert read(f"a{START}{pasted}{END}", "b") == ["key a", f"paste {shown!r}", "key b"]


def test_keys_outside_a_paste_are_as_they_were() -> None:
    assert read(f"{ESC}[A", "x", f"{ESC}[200z", "y")[:2] == ["key up", "key x"]
    assert Pasted().harmless(f"{ESC}") == ESC


PIECES = st.lists(
    st.sampled_from([START, END, ESC, "[", "2", "0", "1~", "text", "\r"]), max_size=12
)


@given(parts=PIECES, cuts=st.lists(st.integers(0, 60), max_size=6))
@example(parts=[START, "a", ESC, END, ESC], cuts=[1, 7, 9])
def test_how_the_input_is_cut_changes_nothing(parts: list[str], cuts: list[int]) -> None:
    whole = "".join(parts)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(places)]
    at_once, in_pieces = Pasted(), Pasted()
    expected = at_once.harmless(whole)
    found = "".join(in_pieces.harmless(piece) for piece in pieces)
    assert found + in_pieces._held == expected + at_once._held
    assert len(expected + at_once._held) == len(whole)


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_paste_that_comes_in_two_pieces_is_whole(cut: int) -> None:
    text = f"{START}ab{ESC}[Bc{ESC}[20{END}"
    assert read(text[:cut], text[cut:]) == [f"paste {f'ab{PICTURE}[Bc{PICTURE}[20'!r}"]
