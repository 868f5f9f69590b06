"""The curve: ticks, gaps, marks, log axes; checked dot by dot against where a value must lie."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.conftest import Open
from tui.curve import Axes, Drawing, Line, Mark, draw, labels, ticks
from tui.widgets.plot import ASCII_SAMPLES, Plot
from tui.words import number, size


def points(pairs: list[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    return [(x, y, y, y) for x, y in pairs]


def text(drawing: Drawing) -> list[str]:
    return ["".join(part for part, _ in row) for row in drawing.rows]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 12), st.booleans())
def test_ticks_are_round_ordered_inside_and_not_too_many(
    low: float, size: float, most: int, log: bool
) -> None:
    low = abs(low) + 1e-3 if log else low
    found = ticks(low, low + size, most, log=log)
    assert len(found) <= most
    assert found == sorted(found)
    for value in found:
        assert low - 1e-6 * size <= value <= low + size + 1e-9 * abs(low + size) + 1e-6 * size
    # With room for a dozen ticks there are always at least two.
    if most >= 12:
        assert len(found) >= 2


def test_ticks_are_ones_twos_and_fives() -> None:
    assert ticks(0, 10, 6) == [0, 2, 4, 6, 8, 10]
    assert ticks(1.62, 4.2, 3) == [2, 3, 4]
    assert ticks(100, 100_000, 6, log=True) == pytest.approx([100, 1000, 10_000, 100_000])


async def test_a_curve_of_few_minutes_is_zoomed_as_one_of_many_steps(studio: Open) -> None:
    plot = Plot()
    async with studio() as pilot:
        await pilot.app.screen.mount(plot)
        plot.show([Line("a", points([(x / 100, 1.0) for x in range(101)]))])
        for _ in range(3):
            plot.action_zoom(0.5)
        assert plot.axes.x_range == pytest.approx((0.875, 1.0))
        for _ in range(30):
            plot.action_zoom(0.5)
        assert plot.axes.x_range == pytest.approx((0.998, 1.0))


def test_numbers_are_short() -> None:
    shown = [number(v) for v in (1.6180, 12_345, 999.7, 999_700, -999.4, 2e-5, 1e6, 0.0, math.nan)]
    assert shown == ["1.62", "12.3k", "1k", "1M", "-999", "2e-5", "1M", "0", "—"]
    assert [size(v) for v in (0, 999, 139_000, 999_700)] == ["0 B", "999 B", "139 kB", "1 MB"]


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e3, 1e3)), min_size=1, max_size=60),
    st.integers(12, 90),
    st.integers(4, 30),
    st.booleans(),
    st.booleans(),
)
def test_every_drawing_fills_its_rectangle(
    pairs: list[tuple[float, float]], width: int, height: int, log_x: bool, log_y: bool
) -> None:
    drawing = draw(
        [Line("a", points(sorted(pairs)))], width, height, Axes(log_x=log_x, log_y=log_y)
    )
    assert [len(row) for row in text(drawing)] == [width] * height


def test_a_rising_line_runs_from_the_lower_left_to_the_upper_right() -> None:
    rows = text(draw([Line("a", points([(0, 0), (100, 100)]))], 42, 12))
    plane = [row[-38:] for row in rows[:-2]]
    first_of = [next((i for i, c in enumerate(row) if c > "⠀"), None) for row in plane]
    inked = [i for i in first_of if i is not None]
    assert inked == sorted(inked, reverse=True)
    assert plane[0].strip()
    assert plane[-1].strip()


def test_a_gap_stays_a_gap() -> None:
    whole = draw([Line("a", points([(i, 1 + i % 2) for i in range(100)]))], 60, 8)
    holed = draw(
        [Line("a", points([(i, math.nan if 40 <= i < 60 else 1 + i % 2) for i in range(100)]))],
        60,
        8,
    )

    def inked(d: Drawing) -> set[int]:
        return {x for row in text(d)[:-2] for x, c in enumerate(row) if "⠀" < c <= "⣿"}

    missing = inked(whole) - inked(holed)
    assert missing
    middle = {whole.left + int(whole.columns * share) for share in (0.45, 0.5, 0.55)}
    assert middle <= missing


def test_patterns_tell_lines_apart_without_colour() -> None:
    flat = points([(i, 1.0) for i in range(100)])
    drawn = {
        p: text(draw([Line("a", flat, p)], 60, 6)) for p in ("solid", "dashed", "dotted", "sparse")
    }
    assert len({"\n".join(rows) for rows in drawn.values()}) == 4


def test_ascii_is_ascii() -> None:
    lines = [Line("a", points([(1, 1), (50, 3)])), Line("b", points([(1, 3), (50, 1)]), "dashed")]
    rows = text(draw(lines, 60, 10, Axes(ascii_only=True), [Mark(20, "^")]))
    assert all(row.isascii() for row in rows)
    assert {"*", "+", "^"} <= set("".join(rows))


def test_each_pattern_has_the_sign_that_the_legend_gives_it() -> None:
    for pattern, sign in ASCII_SAMPLES.items():
        other = "dotted" if pattern == "solid" else "solid"
        flat = [Line("a", points([(0, 1), (50, 1)]), pattern), Line("b", [], other)]
        for lines in (flat, flat[::-1]):  # whatever its place
            rows = text(draw(lines, 60, 8, Axes(ascii_only=True)))[:-2]
            assert {c for row in rows for c in row.partition("|")[2]} == {" ", sign.strip()}


def test_a_part_without_a_point_is_no_curve_without_one() -> None:
    line = Line("a", points([(0, 1), (1000, 2)]))
    rows = text(draw([line], 60, 8, Axes(x_range=(400, 420), empty="no steps yet")))
    assert "no steps yet" not in "".join(rows)


def test_marks_and_cursor_stand_over_their_step() -> None:
    drawing = draw(
        [Line("a", points([(0, 1), (100, 2)]))],
        60,
        8,
        Axes(cursor=50),
        [Mark(25, "◆"), Mark(500, "◆")],
    )
    axis = text(drawing)[-2]
    assert axis.count("◆") == 1
    assert drawing.x_at(axis.index("◆") - drawing.left) == pytest.approx(25, abs=2)
    cursor = text(drawing)[0].rindex("│")
    assert drawing.x_at(cursor - drawing.left) == pytest.approx(50, abs=2)


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    marks = [Mark(10.0**e, "◆") for e in (1, 2, 3)]
    drawing = draw([Line("a", points([(1, 1), (10_000, 2)]))], 87, 8, Axes(log_x=True), marks)
    at = [i for i, c in enumerate(text(drawing)[-2]) if c == "◆"]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], abs=1)


def test_nothing_to_draw_says_so() -> None:
    rows = text(draw([Line("a", [])], 40, 8, Axes(empty="no steps yet")))
    assert any("no steps yet" in row for row in rows)
    assert len(rows) == 8


@given(st.floats(1e-6, 1e12), st.booleans(), st.booleans())
def test_a_flat_line_of_any_height_is_drawn(value: float, log_x: bool, log_y: bool) -> None:
    line = Line("speed", points([(x, value) for x in range(1, 50)]))
    rows = text(draw([line], 60, 10, Axes(log_x=log_x, log_y=log_y)))
    assert any("⠀" < c <= "⣿" for row in rows for c in row)


def test_labels_have_the_figures_that_tell_them_apart_and_no_more() -> None:
    assert labels([1.4, 1.6]) == ["1.4", "1.6"]
    assert labels([1.412, 1.414, 1.416]) == ["1.412", "1.414", "1.416"]
    assert labels([12_340.0, 12_345.0, 12_350.0]) == ["12,340", "12,345", "12,350"]
    assert labels([1.0, 1.0005]) == ["1.0000", "1.0005"]


def test_a_flat_line_of_small_values_has_no_axis_below_zero() -> None:
    line = Line("rate", [(x, 0.0001, 0.0001, 0.0001) for x in (1.0, 2.0, 3.0)])
    text = "\n".join("".join(part for part, _ in row) for row in draw([line], 40, 10).rows)
    assert "0.0001" in text
    assert "-0" not in text
