"""Ink, and the doors: what is wrapped is the text, and nothing that a terminal obeys is drawn."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from tests.tui.conftest import Open, control_bytes, until
from tui import keymap, settings
from tui.door import Door, Plain
from tui.literal import literal
from tui.widgets.ink import fit, flow, span_len, wrap

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=120)
SPANS = st.lists(st.tuples(TEXT, st.sampled_from(["", "new", "dim"])), max_size=6)


@given(SPANS, st.integers(2, 40))
def test_wrapped_lines_are_the_text_and_fit(spans: list[tuple[str, str]], width: int) -> None:
    lines = wrap(spans, width)
    whole = "".join(literal(text) for text, _ in spans)
    joined = ["".join(text for text, _ in line) for line in lines]
    assert "".join(joined) == whole.replace("\n", "")
    # A space that hangs over the edge stays on its line.
    assert all(cell_len(line.rstrip(" ")) <= width for line in joined)
    kinds = [kind for text, kind in spans for c in literal(text) if c != "\n"]
    assert [kind for line in lines for text, kind in line for _ in text] == kinds


def test_words_are_broken_at_spaces() -> None:
    lines = wrap([("the night is long and full", "")], 9)
    shown = ["".join(t for t, _ in line) for line in lines]
    assert shown == ["the night ", "is long ", "and full"]


def test_items_flow_and_those_without_room_are_left_out_whole() -> None:
    def told(width: int, most: int, *items: str) -> list[str]:
        lines = flow([[(text, "")] for text in items], width, most)
        return ["".join(text for text, _ in line) for line in lines]

    assert told(9, 2, "one ", "two ", "three ", "four ", "five ") == ["one two ", "three "]
    assert told(9, 2, "a long one ", "two ", "three ") == ["a long ", "one two "]
    assert told(9, 2, "one ", "a long one ", "two ") == ["one "], "none stands there in part"
    assert told(4, 2, "a very long one") == ["a ", "very "], "the first is shown at any rate"
    assert told(9, 2) == []


@given(SPANS, st.integers(0, 60))
def test_fitted_spans_take_exactly_their_width(spans: list[tuple[str, str]], width: int) -> None:
    safe = [(literal(text).replace("\n", " "), kind) for text, kind in spans]
    fitted = fit(safe, width)
    assert span_len(fitted) == width


def test_what_is_cut_between_two_spans_says_so_too() -> None:
    assert fit([("abcd", "a"), ("ef", "b")], 4) == [("abc…", "a")]
    assert fit([("abcd", "a"), (" ", "b")], 4) == [("abcd", "a"), ("", "b")]


@given(TEXT)
def test_the_door_lets_nothing_through_that_a_terminal_obeys(text: str) -> None:
    (segment,) = Door().apply([Segment(text)], Color(0, 0, 0))
    assert not control_bytes(segment.text)
    assert "\n" not in segment.text


def test_the_door_leaves_out_what_only_chooses_a_glyph() -> None:
    (segment,) = Door().apply([Segment("❤\ufe0f")], Color(0, 0, 0))
    assert segment.text == "❤"


def test_plain_draws_the_studios_own_glyphs_in_ascii() -> None:
    (segment,) = Plain().apply([Segment("╭─ ● running ─╮ ▁▂█ …")], Color(0, 0, 0))
    assert segment.text.isascii()


def test_settings_survive_and_a_broken_file_says_where(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "studio.json"
    saved = settings.Settings(theme="nord", drafts={"prime": "ROMEO:\n\x1b"}, log_y=True)
    settings.save(saved, path)
    assert settings.load(path) == (saved, "")
    path.write_text('{"theme": "nord",\n "smooth" }', encoding="utf-8")
    loaded, fault = settings.load(path)
    assert loaded == settings.Settings()
    assert "line 2" in fault
    path.write_text('{"theme": 3, "smooth": false, "keys": {"a": 1}}', encoding="utf-8")
    loaded, fault = settings.load(path)
    assert (loaded.theme, loaded.smooth, loaded.keys) == ("rnnstudio-ink", False, {})
    assert "theme (line 1), keys (line 1)" in fault
    path.write_bytes(b'{"theme":\n "\xe4"}')
    assert "line 2: this is not UTF-8" in settings.load(path)[1]
    assert settings.load(tmp_path / "none.json") == (settings.Settings(), "")


def test_keys_that_cannot_be_are_told_and_the_others_used() -> None:
    given = {
        "live.sample": "ctrl+s, F2",
        "live.pause": "?,alt+x",
        "music.play": "",
        "live.sing": "a",
    }
    good, wrong = keymap.usable({**given, "live.fork": "f2,ctrl+shift+up,question_mark"})
    assert good == {"live.pause": "?,alt+x", "live.fork": "f2,ctrl+shift+up,question_mark"}
    assert wrong == {
        "live.sample": "no key is called F2",
        "music.play": "no key is called nothing",
        "live.sing": "nothing is called live.sing",
    }


async def test_a_key_that_cannot_be_is_told_with_its_line(studio: Open, tmp_path: Path) -> None:
    body = '{"keys": {"live.sample":\n "ctrl+s",\n "live.sing": "a"}}'
    (tmp_path / "studio.json").write_text(body)
    async with studio() as pilot:
        told = "studio.json, line 3: nothing is called live.sing"
        await until(pilot, lambda: any(told in n.message for n in pilot.app._notifications))
        assert pilot.app._keymap == {"live.sample": "ctrl+s"}


def test_a_broken_settings_file_is_kept_before_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "studio.json"
    broken = '{"keys": {"live.sample": "ctrl+s"}'
    path.write_text(broken, encoding="utf-8")
    loaded, fault = settings.load(path)
    settings.save(loaded, path)
    assert (tmp_path / "studio.json.broken").read_text(encoding="utf-8") == broken
    assert "studio.json.broken" in fault
