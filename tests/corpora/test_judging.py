"""Figures beside those of human text, milestones, and which of several texts is best."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import figures, genres
from corpora.copies import thinned
from corpora.judging import Judge, looped, mean
from tests.corpora.genres.samples import BY_GENRE, PLAY

JUDGES = {
    name: Judge(genres.find(name), [text, text], text, sample_chars=120)
    for name, text in BY_GENRE.items()
}


@pytest.mark.parametrize("name", [name for name in BY_GENRE if not JUDGES[name].lacks])
def test_every_figure_is_in_the_table_and_stands_beside_a_human_one(name: str) -> None:
    judge = JUDGES[name]
    found = judge.figures(BY_GENRE[name])
    assert set(found) <= set(figures.table(genres.find(name)))
    assert found["valid"] == 1.0
    assert found["copied"] == 1.0
    assert found["words_known"] == 1.0
    assert found["words_invented"] == 0.0
    assert judge.human["valid"] > judge.noise["valid"]


@pytest.mark.parametrize("name", BY_GENRE)
@given(text=st.text(max_size=400))
@settings(max_examples=25, deadline=None)
def test_any_text_has_figures(name: str, text: str) -> None:
    found = JUDGES[name].figures(text)
    for key, number in found.items():
        if JUDGES[name].table[key].unit == "share":
            assert 0 <= number <= 1, key


def test_words_are_known_or_invented_and_repetition_lowers_what_is_distinct() -> None:
    judge = JUDGES["plays"]
    found = judge.figures("ALL:\nCome ashore and frobnicate and frobnicate the nets with me\n")
    assert found["words_known"] == pytest.approx(9 / 11)
    assert found["words_invented"] == pytest.approx(1000 * 2 / 11)
    # ALL: Come ashore and frobnicate and frobnicate the nets with me: ten pairs, one of them twice.
    assert found["distinct_2"] == pytest.approx(9 / 10)
    assert found["distinct_3"] == 1.0


def test_a_text_is_judged_with_the_prime_that_it_goes_on_from() -> None:
    prime, text = PLAY[:17], PLAY[17:120]
    judge = JUDGES["plays"]
    with_prime = judge.figures(text, prime=prime)
    assert with_prime["valid"] == 1.0
    assert judge.figures(text)["valid"] < 1.0
    assert with_prime["longest_copy"] == len(text)
    (ranked,) = judge.rank([text], [None], prime=prime)
    assert ranked.figures == with_prime


def naive_looped(text: str) -> float:
    inside = [False] * len(text)
    for p in range(1, min(100, len(text) // 4) + 1):
        run = 0
        for i in range(len(text) + 1):
            if i >= p and i < len(text) and text[i] == text[i - p]:
                run += 1
                continue
            if run >= max(3 * p, 24):
                inside[i - run - p : i] = [True] * (run + p)
            run = 0
    return sum(inside) / len(text) if text else 0.0


@given(
    parts=st.lists(st.tuples(st.text(alphabet="ab ☃", max_size=12), st.integers(1, 12)), max_size=4)
)
@settings(max_examples=150, deadline=None)
def test_loops_are_those_of_a_walk_over_the_text(parts: list[tuple[str, int]]) -> None:
    text = "".join(unit * times for unit, times in parts)
    assert looped(text) == pytest.approx(naive_looped(text))


def test_a_loop_is_seen_and_a_line_of_dashes_is_not() -> None:
    assert looped("and so on, " * 20) == 1.0
    assert looped("The boats came in.\n--------\nNobody had slept much.") == 0.0


def test_a_milestone_is_told_once_and_noise_reaches_none() -> None:
    judge = Judge(genres.find("plays"), [PLAY * 3], PLAY, sample_chars=150)
    assert judge.milestones(10, judge.noise) == []
    assert judge.milestones(120, judge.human) == []  # once may be luck
    told = judge.milestones(125, judge.human)
    assert ("speaker_lines@most", "") in [(name, "") for name, _ in told]
    sentence = dict(told)["speaker_lines@most"]
    assert sentence.startswith("its speeches stand under a speaker's name since step 120 (")
    assert judge.milestones(130, judge.human) == []
    names = [name for name, _ in told]
    resumed = Judge(genres.find("plays"), [PLAY * 3], PLAY, sample_chars=150, reached=names)
    assert resumed.milestones(130, judge.human) == resumed.milestones(135, judge.human) == []
    before = (120, judge.human)
    resumed = Judge(genres.find("plays"), [PLAY * 3], PLAY, sample_chars=150, before=before)
    assert resumed.milestones(125, judge.human) == told


def test_what_was_reached_by_luck_and_lost_again_is_not_told() -> None:
    judge = Judge(genres.find("plays"), [PLAY * 3], PLAY, sample_chars=150)
    for step in range(10, 100, 20):
        assert judge.milestones(step, judge.human) == []
        assert judge.milestones(step + 10, judge.noise) == []


def test_half_way_is_counted_from_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "human", {"words_known": 0.9, "pairs_closed": 1.0})
    monkeypatch.setattr(Judge, "noise", {"words_known": 0.5, "pairs_closed": 0.95})
    judge = Judge(genres.find("plays"), [PLAY], "")
    shares = [
        ({"words_known": 0.69, "pairs_closed": 1.0}, []),
        ({"words_known": 0.71, "pairs_closed": 1.0}, []),
        ({"words_known": 0.87}, ["words_known@half"]),
        ({"words_known": 0.87}, ["words_known@most"]),
    ]
    for step, (found, names) in enumerate(shares):
        assert [name for name, _ in judge.milestones(step, found)] == names


def test_beating_the_ngram_model_is_a_milestone() -> None:
    judge = Judge(genres.find("plays"), [PLAY * 3], PLAY)
    assert judge.baseline is not None
    assert [n for n, _ in judge.milestones(5, {"nats_per_char": judge.baseline + 0.01})] == []
    assert [n for n, _ in judge.milestones(9, {"nats_per_char": judge.baseline - 0.01})] == [
        "ngram"
    ]


def test_the_best_of_several_is_valid_own_and_likely_and_the_reasons_are_told() -> None:
    own = "MARGARET:\nThe dog and the nets come ashore, and the rain with them.\n"
    judge = Judge(genres.find("plays"), [PLAY], "", sample_chars=100)
    texts = [PLAY[:120], "margaret says (", own, own, "the rain " * 20]
    ranked = judge.rank(texts, [1.0, 3.0, 2.0, 1.5, None])
    assert [r.index for r in ranked[:2]] == [3, 2]
    by_index = {r.index: r for r in ranked}
    assert f"100% copied, up to 120 characters on end: {PLAY[:40]!r}" in by_index[0].why
    assert "in loops" in by_index[4].why
    assert "1.50 nats a character" in by_index[3].why
    assert by_index[1].figures["valid"] == 0


def test_without_held_out_text_there_are_no_human_figures_and_nothing_fails() -> None:
    judge = Judge(genres.find("prose"), ["A short text."], "")
    assert judge.human == {}
    assert judge.baseline is None
    assert judge.milestones(1, judge.figures("A short text, and more.")) == []
    assert judge.figures("")["valid"] == 0


def test_means_are_over_the_texts_that_have_the_figure() -> None:
    assert mean([{"a": 1.0, "b": 4.0}, {"a": 3.0}]) == {"a": 2.0, "b": 4.0}
    assert mean([]) == {}


def test_long_training_text_is_thinned_evenly() -> None:
    pieces = [str(i % 10) * 10 for i in range(16)]
    assert thinned(pieces, 40) == [pieces[0], pieces[4], pieces[8], pieces[12]]
    assert thinned(pieces, 1000) == pieces


def test_who_copies_reaches_nothing() -> None:
    judge = Judge(genres.find("plays"), [PLAY * 3], PLAY, sample_chars=150)
    copied = {**judge.human, "copied": judge.human["copied"] + 0.3}
    assert judge.milestones(120, copied) == judge.milestones(125, copied) == []
