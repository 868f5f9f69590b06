"""The corpus check: what was planted is found, and fixes write a new file."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import CorpusError
from corpora import check as checking
from corpora import fixes, genres
from corpora.check import Report, advice, check
from corpora.duplicates import ALIKE, SHINGLE, doubles
from corpora.reading import read_corpus
from corpora.snapshot import Corpus
from tests.corpora.genres.samples import PROSE, RECIPE, TUNE

WORDS = (
    "boat",
    "sea",
    "net",
    "fog",
    "rope",
    "quay",
    "tea",
    "rain",
    "dog",
    "house",
    "hill",
    "gull",
    "mast",
    "sail",
    "wind",
)


def story(seed: int, n: int = 60) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) + str(rng.randrange(100)) for _ in range(n)) + "."


def tunes(n: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [
        f"X:{i}\nT:Tune {i}\nM:4/4\nL:1/8\nK:D\n"
        + "|".join("".join(rng.choice("ABcdefg") for _ in range(8)) for _ in range(16))
        + "|\n\n"
        for i in range(1, n + 1)
    ]


def read(tmp_path: Path, data: str | bytes, name: str = "text.txt") -> tuple[Corpus, list[str]]:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    notes: list[str] = []
    return read_corpus([path], tmp_path / "cache", note=notes.append), notes


def looked_at(tmp_path: Path, data: str | bytes) -> Report:
    corpus, notes = read(tmp_path, data)
    return check(corpus, notes=notes)


def found(report: Report) -> dict[str, str]:
    return {finding.name: finding.text for finding in report.findings}


def test_a_planted_leak_is_found_and_what_it_flatters_is_told(tmp_path: Path) -> None:
    book = tunes(200)
    clean = looked_at(tmp_path, "".join(book))
    assert clean.genre == "abc_tunes"
    assert clean.documents == 200
    assert "leak" not in found(clean)
    assert clean.leaked == 0
    # A tune of the beginning stands in the last tenth again, under another number, and one changed in a bar.
    book[195] = book[3].replace("X:4\n", "X:196\n")
    book[198] = book[7].replace("X:8\n", "X:199\n").replace("T:Tune 8", "T:Tune eight")
    report = looked_at(tmp_path, "".join(book))
    assert report.leaked == pytest.approx(2 / 20, rel=0.1)
    assert "2 of the held-out text's pieces" in found(report)["leak"]
    assert "too good" in found(report)["leak"]


def test_a_double_within_the_held_out_text_is_no_leak(tmp_path: Path) -> None:
    book = tunes(200)
    book[198] = book[185].replace("X:186\n", "X:199\n")
    report = looked_at(tmp_path, "".join(book))
    assert "doubles" in found(report)
    assert "leak" not in found(report)
    assert report.leaked == 0


def test_of_a_long_corpus_the_halves_are_looked_at_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paragraphs = [story(i) for i in range(60)]
    paragraphs[59] = paragraphs[2]  # with blank lines between, line 119 is like line 5
    text = "\n\n".join(paragraphs)
    cut = len(text) // 10 // 2 + len(paragraphs[0]) // 2
    monkeypatch.setattr(checking, "COMPARED_CHARS", 2 * cut)
    report = looked_at(tmp_path, text)
    assert "the first in line 119 like line 5" in found(report)["doubles"]
    assert "1 of the held-out text's pieces" in found(report)["leak"]


def test_where_more_is_held_out_than_is_looked_at_the_first_half_leaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paragraphs = [story(i) for i in range(100)]
    paragraphs[6] = paragraphs[
        1
    ]  # the first 7.5 % are looked at and the last, of which 10 % is held out
    monkeypatch.setattr(checking, "COMPARED_CHARS", len("\n\n".join(paragraphs)) * 15 // 100)
    report = looked_at(tmp_path, "\n\n".join(paragraphs))
    assert "doubles" in found(report)
    assert "leak" not in found(report)


def test_a_planted_double_is_found_exact_or_near(tmp_path: Path) -> None:
    paragraphs = [story(i) for i in range(60)]
    paragraphs[30] = paragraphs[2].replace(" ", "\n", 3)
    paragraphs[40] = paragraphs[5].replace("boat", "ship", 1)
    report = looked_at(tmp_path, "\n\n".join(paragraphs))
    assert "1 piece stands in it twice and 1 nearly so" in found(report)["doubles"]
    assert "like line 5" in found(report)["doubles"]


def test_a_leak_in_a_corpus_of_one_line_is_found(tmp_path: Path) -> None:
    sentences = [story(i, 20).capitalize() for i in range(200)]
    assert "leak" not in found(looked_at(tmp_path, " ".join(sentences)))
    sentences[195] = sentences[3]
    report = looked_at(tmp_path, " ".join(sentences))
    assert report.leaked == pytest.approx(1 / 20, rel=0.2)
    assert "1 of the held-out text's pieces" in found(report)["leak"]


def test_what_reading_noticed_is_told_with_its_fix(tmp_path: Path) -> None:
    report = looked_at(
        tmp_path, RECIPE.replace("\n", "\r\n").replace("Soup", "Soupe brûlée").encode("cp437") * 30
    )
    assert report.genre == "recipes"
    assert report.encodings == ("cp437",)
    texts = " ".join(f.text for f in report.findings if f.name == "reading")
    assert "cp437" in texts
    assert "CRLF" in texts
    assert {f.fix for f in report.findings if f.name == "reading"} == {"utf8"}


def test_what_was_passed_over_has_no_fix(tmp_path: Path) -> None:
    (tmp_path / "pic.png").write_bytes(bytes(1000))
    (tmp_path / "text.txt").write_text(PROSE)
    notes: list[str] = []
    corpus = read_corpus([tmp_path], tmp_path / "cache", note=notes.append)
    (finding,) = [f for f in check(corpus, notes=notes).findings if f.name == "reading"]
    assert "pic.png: binary" in finding.text
    assert not finding.fix


def test_a_byte_order_mark_with_lone_cr_line_ends(tmp_path: Path) -> None:
    report = looked_at(tmp_path, b"\xef\xbb\xbf" + (PROSE * 20).replace("\n", "\r").encode())
    texts = " ".join(f.text for f in report.findings if f.name == "reading")
    assert "CR became LF" in texts
    assert report.longest_line == max(map(len, PROSE.split("\n")))
    assert "\ufeff" not in texts


def test_a_corpus_of_one_line_is_found_and_mended(tmp_path: Path) -> None:
    line = " ".join(PROSE.split()) + " "
    corpus, notes = read(tmp_path, line * 40)
    report = check(corpus, notes=notes)
    assert report.longest_line > 20_000
    assert "never learns where a line ends" in found(report)["long-line"]
    fixes.write(corpus, genres.find("prose"), ["long-lines"], tmp_path / "new.txt")
    new = (tmp_path / "new.txt").read_text()
    assert max(map(len, new.split("\n"))) < 500
    assert new.replace("\n", " ").split() == (line * 40).split()


@pytest.mark.parametrize(
    ("file", "genre", "name", "said"),
    [
        ("recipes_vegan6_cp437_crlf.mmf", "recipes", "reading", "cp437"),
        ("speeches_obama.txt", "prose", "long-line", "1,069,398 characters"),
    ],
)
def test_real_corpora(
    shared: Path, tmp_path: Path, file: str, genre: str, name: str, said: str
) -> None:
    notes: list[str] = []
    corpus = read_corpus([shared / "corpora" / file], tmp_path, note=notes.append)
    report = check(corpus, notes=notes)
    assert report.genre == genre
    assert any(f.name == name and said in f.text for f in report.findings)
    json.dumps(report.to_json())


def test_html_is_found_and_taken_out(tmp_path: Path) -> None:
    page = "<p>The boats &amp; the <b>nets</b> &mdash; all of it.</p>\n<br/>\n" * 50
    corpus, _ = read(tmp_path, page)
    assert "200 tags" not in found(check(corpus))
    assert "250 tags" in found(check(corpus))["html"]
    fixes.write(corpus, genres.find("prose"), ["html"], tmp_path / "new.txt")
    assert (tmp_path / "new.txt").read_text().startswith("The boats & the nets — all of it.\n")
    assert "html" not in found(looked_at(tmp_path, "if a < b and b > c: <T> a & b\n" * 50))


def test_gutenbergs_words_licences_and_controls_are_found_and_taken_out(tmp_path: Path) -> None:
    licence = "/* Copyright (c) 2020. Permission is hereby granted, free of charge. */\n"
    text = (
        "Title: A book\n*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n"
        + PROSE * 5
        + "\u200b\x07*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\nMore about the licence.\n"
    )
    corpus, _ = read(tmp_path, text)
    report = check(corpus)
    assert "(line 2)" in found(report)["boilerplate"]
    assert "2 control" in found(report)["controls"]
    fixes.write(corpus, genres.find("prose"), ["boilerplate", "controls"], tmp_path / "new.txt")
    assert (tmp_path / "new.txt").read_text() == PROSE * 5

    source = (licence + "int f(int a)\n{\n    return a;\n}\n") * 4
    corpus, _ = read(tmp_path, source * 2)
    assert "8 licence texts" in found(check(corpus))["licences"]
    fixes.write(corpus, genres.find("c_source"), ["licences"], tmp_path / "new.c")
    assert "Copyright" not in (tmp_path / "new.c").read_text()


def test_gutenbergs_words_are_taken_from_around_each_book(tmp_path: Path) -> None:
    def book(name: str) -> str:
        return (
            f"Title: {name}\n*** START OF THE PROJECT GUTENBERG EBOOK {name} ***\n{name} is told.\n"
            f"*** END OF THE PROJECT GUTENBERG EBOOK {name} ***\nThe licence of {name}.\n"
        )

    files = {"a.txt": book("Ann") + book("Bob"), "b.txt": "No book.\n\n", "c.txt": book("Cid")}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = [tmp_path / name for name in files]
    corpus = read_corpus(paths, tmp_path / "cache", note=lambda _: None)
    fixes.write(corpus, genres.find("prose"), ["boilerplate"], tmp_path / "new.txt")
    told = "Ann is told.\nBob is told.\nNo book.\n\nCid is told.\n"
    assert (tmp_path / "new.txt").read_text() == told


def test_characters_that_occur_once_are_told_and_dropped(tmp_path: Path) -> None:
    corpus, _ = read(tmp_path, PROSE + "ω Ω\n" + PROSE)
    assert "'Ω'" in found(check(corpus))["once"]
    fixes.write(corpus, genres.find("prose"), ["once"], tmp_path / "new.txt")
    assert "ω" not in (tmp_path / "new.txt").read_text()


def test_doubles_are_dropped_and_the_first_stays(tmp_path: Path) -> None:
    book = tunes(50)
    corpus, _ = read(tmp_path, "".join([*book, book[4], book[9]]))
    fixes.write(corpus, genres.find("abc_tunes"), ["doubles"], tmp_path / "new.abc")
    assert (tmp_path / "new.abc").read_text() == "".join(book)


def test_no_file_is_written_over_and_nothing_is_left_behind(tmp_path: Path) -> None:
    corpus, _ = read(tmp_path, PROSE)
    target = tmp_path / "mine.txt"
    target.write_text("precious")
    genre = genres.find("prose")
    with pytest.raises(CorpusError, match="nothing is written over"):
        fixes.write(corpus, genre, ["utf8"], target)
    assert target.read_text() == "precious"
    for folder in (Path(), Path("/"), tmp_path):
        with pytest.raises(CorpusError, match="nothing is written over"):
            fixes.write(corpus, genre, ["utf8"], folder)
    with pytest.raises(CorpusError, match="no fix called 'magic'"):
        fixes.write(corpus, genre, ["magic"], tmp_path / "new.txt")
    for nowhere in (target / "new.txt", tmp_path / ("n" * 255)):
        with pytest.raises(CorpusError, match="cannot write"):
            fixes.write(corpus, genre, ["utf8"], nowhere)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "mine.txt", "text.txt"]


@pytest.mark.parametrize(
    ("chars", "alphabet", "said"),
    [
        (500, 30, "far too small"),
        (50_000, 60, "--hidden 128 --dropout"),
        (500_000, 60, "--hidden 192"),
        (5_000_000, 5000, "--tokenizer bpe"),
        (50_000_000, 90, "--layers 3"),
    ],
)
def test_advice_fits_the_size(chars: int, alphabet: int, said: str) -> None:
    assert said in advice(chars, alphabet)


@given(text=st.text(min_size=2, max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_text_can_be_checked_and_mended(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("any")
    try:
        corpus, notes = read(tmp_path, text.encode("utf-8", "replace"))
    except CorpusError:
        return  # reading refuses what is no text; that is tested there
    report = check(corpus, notes=notes)
    assert 0 <= report.leaked <= 1
    for fix in fixes.FIXES.values():
        fix(corpus.text(0, corpus.chars), genres.find(report.genre))


def shingles(text: str) -> set[str]:
    plain = "".join(c if c.isalnum() or c == "_" else " " for c in text)
    plain = " ".join(plain.split()).lower()
    return {plain[i : i + SHINGLE] for i in range(len(plain) - SHINGLE + 1)}


def test_near_doubles_are_those_of_comparing_all_pairs() -> None:
    rng = random.Random(3)
    pieces = [story(i, 40) for i in range(40)]
    for _ in range(30):
        words = pieces[rng.randrange(40)].split()
        for _ in range(rng.randrange(4)):
            words[rng.randrange(len(words))] = "changed"
        pieces.append(" ".join(words))
    expected = {}
    sets = [shingles(piece) for piece in pieces]
    for i in range(len(pieces)):
        for j in range(i):
            alike = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
            if alike >= ALIKE:
                expected[i, j] = alike
    got = {(double.index, double.of): double.alike for double in doubles(pieces)}
    # Sketches may miss a pair that is barely alike; what they find is alike exactly as much as they say.
    assert got == pytest.approx({pair: expected.get(pair) for pair in got})
    assert {i for (i, _), alike in expected.items() if alike > 0.85} <= {i for i, _ in got}
    assert len(got) >= 10
    assert min(got.values()) < 0.9 < max(got.values())


def test_short_pieces_are_alike_without_being_doubles() -> None:
    assert doubles(["First Citizen:\nAy."] * 5 + [TUNE]) == []
