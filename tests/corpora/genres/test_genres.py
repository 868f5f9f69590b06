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
from corpora.syntax import pygmented
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


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "c_source",
            "int f(void) { return 7; }",
            "int:keyword f:name void:keyword return:keyword 7:number",
        ),
        (
            "c_source",
            '#if A\nchar *s = "/*";\n',
            '#:markup if A:markup char:keyword ":string /*:string ":string',
        ),
        # A comment goes on over an empty line, and what is code again behind it is coloured as such.
        ("c_source", "/* a\n\nint b */\nint c;\n", "/* a\n\nint b */:comment int:keyword"),
        ("c_source", "/* not closed\n\nint", "/* not closed\n\nint:comment"),
        (
            "latex",
            r"\section{A $b$} $x$ % no",
            r"\section{A $b$}:title $:string x:markup $:string % no:comment",
        ),
        ("latex", "\\begin{proof}\n\\frac12", "\\begin{proof}:name \\frac:keyword"),
    ],
)
def test_what_pygments_knows_has_its_colour(name: str, text: str, expected: str) -> None:
    found = [f"{text[s.start : s.stop]}:{s.style}" for s in genres.find(name).colour(text)]
    assert expected in " ".join(found)


def test_pygments_sees_paragraphs_in_bounded_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its C lexer takes 17 s for 20,000 empty lines."""
    seen: list[str] = []

    class Lexer:
        def get_tokens_unprocessed(self, text: str) -> list[tuple[int, tuple[str, ...], str]]:
            seen.append(text)
            return [(0, ("Keyword",), text)]

    monkeypatch.setattr(pygmented, "_lexer", lambda _: Lexer())
    text = "a b\n" + "\n \n" * 20_000 + "c\n" * 2000 + "d" * 5000 + "\n"
    found = list(pygmented.spans("any", text))
    assert max(map(len, seen)) <= 1001
    assert not any("\n\n" in part.rstrip("\n") for part in seen)
    assert "".join("".join(seen).split()) == "".join(text.split())
    assert [text[s.start : s.stop] for s in found] == [part.rstrip("\n") for part in seen]


def test_genres_cost_nothing_heavy_to_import() -> None:
    heavy = ("torch", "numpy", "music21", "tree_sitter", "pygments", "textual", "rich", "typer")
    code = (
        "import sys; from corpora import genres; [genres.find(n) for n in genres.names()]; "
        f"sys.exit(', '.join(m for m in {heavy} if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
