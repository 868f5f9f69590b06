"""Finding a genre, cutting its text, priming it, colouring it."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import CorpusError
from corpora import genres
from corpora.genres.base import MAX_LINE, whole_lines
from tests.corpora.genres.samples import BY_GENRE, LATEX, PLAY, RECIPE, TUNE, C


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in pieces of these sizes, the rest in one."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


@pytest.mark.parametrize("name", BY_GENRE)
def test_each_genre_is_detected_by_its_text(name: str) -> None:
    text = BY_GENRE[name] * 4
    genre, reason = genres.detect(text)
    assert genre.name == name
    assert reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "7",
        "NAME:\n",
        "X:1\nK:C\n" + "a long story. " * 2000,
        "a;b;c;",
        "\\",
        "\0" * 500,
    ],
)
def test_a_text_of_no_kind_is_prose(text: str) -> None:
    assert genres.detect(text)[0].name == "prose"


def test_a_genre_that_is_not_there_is_a_sentence_that_names_the_near_one() -> None:
    with pytest.raises(CorpusError, match="no genre called 'play'") as caught:
        genres.find("play")
    assert "did you mean plays" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "heads"),
    [
        ("abc_tunes", TUNE * 3, ["X:1"] * 3),
        ("recipes", RECIPE * 3, ["MMMMM-----"] * 3),
        ("plays", PLAY, ["First F", "MARGARET", "First F", "Second F", "MARGARET"]),
        ("latex", LATEX + LATEX, ["\\section"] * 2),
        ("c_source", C, ["#include", "/* The", "static int sum", "static int lar"]),
        ("prose", "One.\n\nTwo.\nStill two.\n \n\nThree.", ["One", "Two", "Three"]),
        ("prose", "One.\n\nOne.\n@@@@@@\nTwo.\n\nTwo.\n@@@@@@\n", ["One", "Two", ""]),
    ],
)
def test_documents_begin_at_the_genres_heads(name: str, text: str, heads: list[str]) -> None:
    starts = list(genres.find(name).document_starts([text]))
    assert len(starts) == len(heads)
    assert all(text.startswith(head, start) for start, head in zip(starts, heads, strict=True))


@pytest.mark.parametrize("name", BY_GENRE)
@given(sizes=st.lists(st.integers(0, 40), max_size=60))
@settings(max_examples=30, deadline=None)
def test_starts_do_not_depend_on_how_the_text_was_cut(name: str, sizes: list[int]) -> None:
    text = BY_GENRE[name] * 2
    if name == "prose":
        text = text.replace("\n\nLater", "\n@@@@@\nLater")
    genre = genres.find(name)
    assert list(genre.document_starts(cut(text, sizes))) == list(genre.document_starts([text]))


@pytest.mark.parametrize("name", BY_GENRE)
@given(text=st.text(alphabet=" \nX:1MK-@ACT.{}\\[]a", max_size=200))
@settings(max_examples=50, deadline=None)
def test_starts_ascend_from_zero_within_the_text(name: str, text: str) -> None:
    starts = list(genres.find(name).document_starts([text]))
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert starts[-1] <= len(text)


def test_an_endless_line_is_passed_on_in_parts_and_begins_no_document() -> None:
    pieces = ["x" * 300_000] * 10 + ["X:1\n", "X:2\n"]
    blocks = list(whole_lines(pieces))
    assert "".join(block for _, _, block in blocks) == "".join(pieces)
    assert max(len(block) for _, _, block in blocks) < 2 * MAX_LINE
    starts = list(genres.find("abc_tunes").document_starts(pieces))
    assert starts == [0, 3_000_004]
    cut_before_a_head = ["x" * MAX_LINE, "X:1\n", "X:2\n"]
    assert list(genres.find("abc_tunes").document_starts(cut_before_a_head)) == [0, MAX_LINE + 4]


@pytest.mark.parametrize("name", BY_GENRE)
def test_primes_are_openings_of_the_text(name: str) -> None:
    text = BY_GENRE[name]
    primes = genres.find(name).primes(text)
    assert 1 <= len(primes) <= 8
    assert all(prime in text for prime in primes)
    assert genres.find(name).primes("")[0]


@pytest.mark.parametrize("name", BY_GENRE)
def test_colour_marks_the_text_in_order(name: str) -> None:
    text = BY_GENRE[name]
    spans = genres.find(name).colour(text)
    assert spans
    ends = [0, *(span.stop for span in spans)]
    assert all(end <= span.start < span.stop for end, span in zip(ends, spans, strict=False))


@pytest.mark.parametrize("name", BY_GENRE)
@given(text=st.text(max_size=300), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_colour_never_fails_on_broken_text(name: str, text: str, seed: int) -> None:
    rng = random.Random(seed)
    sample = BY_GENRE[name]
    at = rng.randrange(len(sample))
    broken = sample[:at] + text + sample[at + rng.randrange(30) :]
    ends = 0
    for span in genres.find(name).colour(broken):
        assert ends <= span.start < span.stop <= len(broken)
        ends = span.stop


def test_genres_cost_nothing_heavy_to_import() -> None:
    heavy = ("torch", "numpy", "music21", "tree_sitter", "pygments", "textual", "rich", "typer")
    code = (
        "import sys; from corpora import genres; [genres.find(n) for n in genres.names()]; "
        f"sys.exit(', '.join(m for m in {heavy} if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
