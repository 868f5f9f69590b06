"""What a tune is learned as: another text, and the same tune."""

from __future__ import annotations

import pytest

from checkpoints.errors import ConfigError, CorpusError
from corpora import genres
from corpora.abc import perform, read_book, read_tune
from corpora.abc.augmenting import ALL_KEYS, Rewriting
from corpora.abc.transposing import transposed
from corpora.abc.tunebooks import installed_tunebooks
from corpora.abc.writer import write_abc
from tests.corpora.abc.samples import JIG, TUNES, WALTZ

ODD = {
    "old chords, accidentals, prose": (
        "X:1\nK:Eb clef=bass % flat\n=B,_e'|+C^FA+2 [K:F#m]^^f|\nSome words of a person\nB|]\n"
    ),
    "explicit": "X:1\nK:D exp _b ^f\nB f b _f|\n",
    "pipes": "X:1\nK:HP\nf c g|\n",
}
UNKEYED = "X:1\nK:none\n^c d|\n"


def sounding(text: str, up: int = 0) -> list[tuple[int, int, int]]:
    playing = perform(read_tune(text), graces=True)
    return [(n.onset, n.duration, n.pitch + up) for part in playing.parts for n in part.notes]


def written(text: str, held_out: bool = False, **asked: object) -> list[str]:
    settings = {"transpose": "", "titles": True, "chords": True, **asked}
    return list(Rewriting(**settings)(text, held_out))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [*TUNES.values(), *ODD.values()])
def test_every_copy_is_the_tune_so_many_semitones_higher(text: str) -> None:
    copies = written(text, transpose="all")
    assert copies[ALL_KEYS.index(0)] == text
    for copy, up in zip(copies, ALL_KEYS, strict=True):
        assert sounding(copy) == sounding(text, up)
        assert sounding(write_abc(transposed(read_tune(text), up))) == sounding(text, up)


def test_a_copy_differs_from_its_tune_in_notes_key_and_chord_symbols_alone() -> None:
    up = written(JIG, transpose="E")[0]
    assert up == (
        JIG.replace("K:D", "K:E")
        .replace('A|:"D"dfa "G"g2e|"A7"cec d2A|"D"dfa {b}a^ga|1 "A7"gec d2:|2 "A7"gec d2||',
                 'B|:"E"egb "A"a2f|"B7"dfd e2B|"E"egb {c\'}b^ab|1 "B7"afd e2:|2 "B7"afd e2||')
        .replace('|:f/g/|"D"afd dfa|"Em"g>fe- e2d|(3c/B/A/ GA c2e|"A7"[ce]2A "D"[Ad]2:|',
                 '|:g/a/|"E"bge egb|"F#m"a>gf- f2e|(3d/c/B/ AB d2f|"B7"[df]2B "E"[Be]2:|')
    )  # fmt: skip


def test_words_above_the_staff_stay_and_a_bass_moves() -> None:
    tune = 'X:1\nK:D\n"D.C. al Fine"D "D/f+"F "Fine"A "(A7)"A|\n'
    assert written(tune, transpose="C")[0] == 'X:1\nK:C\n"D.C. al Fine"C "C/e"E "Fine"G "(G7)"G|\n'


def test_one_key_is_every_tunes_and_has_the_mode_of_each() -> None:
    keys = [read_tune(text).key for one in TUNES.values() for text in written(one, transpose="Bb")]
    assert [(key.tonic, key.mode) for key in keys] == [
        ("Bb", "major"), ("Bb", "minor"), ("Bb", "major"),
    ]  # fmt: skip


def test_what_is_held_out_comes_once_and_stays_in_its_key() -> None:
    assert written(JIG, held_out=True, transpose="all") == [JIG]
    assert len(written(JIG, transpose="all")) == 12
    assert read_tune(written(JIG, held_out=True, transpose="C")[0]).key.tonic == "C"


def test_a_tune_without_a_tonic_stays_as_it_is() -> None:
    assert written(UNKEYED, transpose="all") == [UNKEYED]
    moved = write_abc(transposed(read_tune(UNKEYED), 2))
    assert sounding(moved) == sounding(UNKEYED, 2)


def test_titles_and_chord_symbols_go_and_nothing_else() -> None:
    bare = written(JIG + "T:second part\n", titles=False, chords=False)[0]
    assert bare == JIG.replace("T:The Test Bench\n", "").replace('"D"', "").replace('"G"', "").replace(
        '"A7"', "").replace('"Em"', "")  # fmt: skip
    assert sounding(bare) == sounding(JIG)
    assert written(WALTZ) == [WALTZ]


def test_a_tune_that_is_written_anew_gets_no_title_that_it_had_not() -> None:
    tune = "X:1\nT:Mine\nM:4/4\nK:C\n^^b^^e ^^a__f|\n"
    written_anew = 0
    for titles in (True, False):
        for copy in written(tune, transpose="all", titles=titles):
            assert ("T:Mine\n" in copy, copy.count("T:")) == (titles, int(titles))
            written_anew += copy.startswith("X:1\nM:") and "L:" in copy
    assert written_anew


def test_copies_of_real_tunes_keep_their_notes() -> None:
    """Thirty of music21's tunes; all of them take ten minutes, and had no other notes either."""
    books = installed_tunebooks()
    if not books:
        pytest.skip("music21's tunes are not installed")
    moved = 0
    for path in books[::40]:
        for tune in list(read_book(path.read_text("utf-8", "replace")))[::90]:
            for copy, up in zip(written(tune.source, transpose="all"), ALL_KEYS, strict=False):
                if copy != tune.source:
                    assert sounding(copy) == sounding(tune.source, up), (path, tune.number, up)
                    moved += 1
    assert moved > 100


def test_what_is_no_key_is_said() -> None:
    with pytest.raises(ConfigError, match="no key") as caught:
        written(JIG, transpose="everywhere")
    assert "all, or a tonic" in caught.value.hint


@pytest.mark.parametrize("name", [n for n in genres.names() if not genres.find(n).music])
def test_only_tunes_are_transposed(name: str) -> None:
    with pytest.raises(CorpusError, match="only tunes"):
        genres.find(name).rewriter(transpose="all", titles=True, chords=True)
