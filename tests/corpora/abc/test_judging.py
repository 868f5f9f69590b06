"""What is measured in tunes, against tunes whose figures can be counted by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.abc import read_tune
from corpora.abc.judging import entropy, judge, rank
from corpora.abc.nearest import TuneIndex, contour, edit_distance
from corpora.abc.transposing import transposed
from corpora.abc.writer import write_abc
from corpora.genres.abc_tunes import GENRE
from tests.corpora.abc.samples import DUET, JIG, WALTZ


def of(body: str, *, head: str = "M:4/4\nL:1/4\n", key: str = "C") -> str:
    return f"X:1\nT:Tried\n{head}K:{key}\n{body}\n"


@pytest.mark.parametrize(
    ("body", "odd"),
    [
        ("CDEF|CDEF|", ()),
        ("G|CDEF|CDE|]", ()),  # a pickup, and its complement at the end
        ("G|CDEF|CDE:|G|CDEF|CDE:|", ()),
        ("G|CDEF|CDE:|CDEF|CDE:|", ()),  # the last bar is filled by the tune's own pickup
        ("G|CDEF|CDE|1 CDE:|2 CDE|]", (2,)),
        ("CDEF|CDE|CDEF|", (1,)),
        ("CDEFG|CDEF|", (0,)),
        ("CDEF|[M:3/4]CDE|CDE|", ()),
        ("CDEF|CD[1 EF:|[2 GA|]", ()),
        ("CDEF|CD\nP:B\nEF|", ()),
        ("(3CDEF2|z4|Z|", ()),
    ],
)
def test_bars_that_do_not_fill_the_metre(body: str, odd: tuple[int, ...]) -> None:
    assert judge(read_tune(of(body))).odd_bars == odd


def test_free_metre_asks_for_nothing() -> None:
    assert judge(read_tune(of("C|CD|CDEFGA|", head="M:none\n"))).bars_full == 1


@pytest.mark.parametrize(
    ("body", "balanced"),
    [
        ("|:C4:|", True),
        ("C4:|", True),
        ("|:C4|1 D4:|2 E4|]", True),
        ("|:C4", False),
        ("|:C4|:D4:|", False),
        ("|:C4|1 D4:|3 E4|]", False),
        ("|:C4|1 D4:|E4|]", False),
        ("|:C4:|2 E4|]", False),
    ],
)
def test_balance_of_repeats(body: str, balanced: bool) -> None:
    assert judge(read_tune(of(body))).balanced is balanced


A, B = "CDEF|GABc|" * 4, "cBAG|FEDC|" * 4
LONG = "CDEF|GABc|defg|agfe|dcBA|GFED|CEGc|G2C2|"
OTHER = "cBAG|FEDC|B,DGB|dfba|gec2|edcB|AGFE|D2C2|"


@pytest.mark.parametrize(
    ("body", "form", "parts"),
    [
        (f"|:{LONG[:-1]}:||:{OTHER[:-1]}:|", "AABB", (8, 8)),
        (f"{LONG[:-1]}::{OTHER[:-1]}:|{LONG}", "AABBA", (8, 8, 8)),
        (f"{LONG}{LONG}", "AA", (16,)),
        (f"{LONG}{OTHER}", "AB", (16,)),
        (f"|:{LONG}1 C4:|2 G4||", "AA", (9,)),
    ],
)
def test_parts_and_form(body: str, form: str, parts: tuple[int, ...]) -> None:
    report = judge(read_tune(of(body)))
    assert (report.form, report.parts) == (form, parts)


def test_key_tonic_and_range() -> None:
    report = judge(read_tune(of("D^CEF|GABd|", key="D")))
    assert report.ends_on_tonic
    assert report.in_key == 1
    report = judge(read_tune(of("G,,CEF|_ABce|", key="C")))
    assert not report.ends_on_tonic
    assert report.in_key == 7 / 8
    assert "whistle" not in report.playable
    assert (report.lowest, report.highest) == (43, 76)


def test_key_and_metre_are_those_that_stand_before_a_note() -> None:
    minor = judge(read_tune(of("D^FAd|[K:Dm]DFA_B|d4|]", key="D")))
    assert minor.in_key == 1
    assert minor.ends_on_tonic
    assert judge(read_tune(of("DFAd|[K:G]GABd|G4|]", key="D"))).ends_on_tonic
    assert not judge(read_tune(of("DFAd|[K:G]GABd|D4|]", key="D"))).ends_on_tonic
    back = of("DFAd|D4!fine!||[K:G]GABd|G4!D.C.!|]", key="D")
    assert judge(read_tune(back)).ends_on_tonic
    jig = judge(read_tune(of("CDEF|" * 7 + "C4||\nM:6/8\n" + "CEG|" * 8)))
    assert jig.parts == (16,)
    assert judge(read_tune(of("|:" + "CDEF|" * 8 + ":|\n[M:6/8]|:" + "CEG|" * 8 + ":|"))).parts == (
        8,
        8,
    )


def test_a_chord_that_has_the_tonic_ends_on_it() -> None:
    assert judge(read_tune(of("DFAd|[DFA]4|]", key="D"))).ends_on_tonic
    assert not judge(read_tune(of("DFAd|[FA]4|]", key="D"))).ends_on_tonic


def test_entropy_is_that_of_the_histogram() -> None:
    assert entropy([1, 1, 2, 3]) == pytest.approx(1.5)
    assert entropy([]) == 0
    assert judge(read_tune(of("CDEF|"))).pitch_entropy == pytest.approx(2)


def test_better_tunes_rank_higher() -> None:
    damaged = JIG.replace('|"A7"cec d2A|', '|"A7"cec d2A]A|')
    empty = "X:1\nT:Nothing\nK:C\n"
    ranks = [rank(read_tune(text)) for text in (JIG, damaged, empty)]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == 3


@given(st.lists(st.integers(0, 3), max_size=24), st.lists(st.integers(0, 3), max_size=24))
def test_edit_distance_is_levenshteins(a: list[int], b: list[int]) -> None:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    assert edit_distance(tuple(a), tuple(b)) == row[-1]


def test_a_transposed_copy_is_found_by_its_title() -> None:
    index = TuneIndex([JIG, WALTZ, DUET, of(LONG)])
    copy = write_abc(transposed(read_tune(JIG), 5))
    found = index.nearest(copy)
    assert found is not None
    assert (found.title, found.distance) == ("The Test Bench", 0)
    changed = JIG.replace("dfa", "dga", 1)
    near = index.nearest(changed)
    assert near is not None
    assert near.title == "The Test Bench"
    assert 0 < near.distance < 0.2


def test_a_contour_leaves_graces_and_header_out() -> None:
    assert contour("K:D\nT:A B\n{ab}C E|c,[GB]\n") == contour("CEC[GB]") == (2, -2, 4, 2)


def test_the_genre_judges_music_at_each_checkpoint() -> None:
    judge_text = GENRE.validator([JIG, "\n", WALTZ])
    good = judge_text(JIG + "\n").figures
    assert set(good) == set(GENRE.figures)
    assert good["valid"] == good["bars_full"] == good["nearest"] == 1
    damaged = JIG.replace("dfa", "dfaa", 1)
    verdict = judge_text(damaged + "\n")
    assert verdict.figures["bars_full"] < 1
    assert verdict.figures["nearest"] < 1
    assert math.isfinite(sum(judge_text("no tune at all").figures.values()))
