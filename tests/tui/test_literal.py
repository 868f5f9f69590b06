"""The one door: nothing that a terminal obeys passes."""

from __future__ import annotations

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tui.literal import literal, one_line

ANY_TEXT = st.text(alphabet=st.characters(), max_size=200)


@given(ANY_TEXT)
def test_no_character_that_a_terminal_obeys_is_left(text: str) -> None:
    for character in literal(text):
        assert character == "\n" or unicodedata.category(character) not in {
            "Cc",
            "Cf",
            "Cs",
            "Zl",
            "Zp",
        }


@given(ANY_TEXT)
def test_it_is_idempotent_and_encodes(text: str) -> None:
    shown = literal(text)
    assert literal(shown) == shown
    shown.encode("utf-8")


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=100))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert literal(text) == text


def test_every_character_of_unicode_is_safe() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    left = {unicodedata.category(c) for c in literal(everything.replace("\n", ""))}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_what_only_chooses_a_glyph_is_left_out() -> None:
    assert literal("❤\ufe0f a\U000e0101") == "❤ a"


def test_controls_show_as_their_pictures() -> None:
    assert literal("\x1b[31mred\x1b[0m\r\n\x00\x7f") == "␛[31mred␛[0m␍\n␀␡"
    assert literal("a\u202eb\u200bc\x9bd\ud800") == "a�b�c�d�"
    assert literal("x\tyz\tw") == "x   yz  w"


def test_one_line_has_no_newline_and_keeps_to_its_width() -> None:
    assert one_line("two\nlines") == "two␤lines"
    assert one_line("abcdefgh", 5) == "abcd…"
    assert one_line("abcde", 5) == "abcde"
