"""What ABC text means, against notes worked out by hand; abc2midi and abcjs agree on each unless it says otherwise."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.abc import perform, read_book, read_tune
from corpora.abc.lexer import tokens
from corpora.abc.tune import QUARTER

C, D, E, F, G, A, B = 60, 62, 64, 65, 67, 69, 71


def sounds(body: str, *, key: str = "C", head: str = "") -> list[tuple[float, int, float]]:
    """(onset, pitch, duration) in quarters of a body in quarters."""
    tune = read_tune(f"X:1\nM:4/4\nL:1/4\n{head}K:{key}\n{body}\n")
    return [
        (n.onset / QUARTER, n.pitch, n.duration / QUARTER)
        for part in perform(tune).parts
        for n in part.notes
    ]


def pitches(body: str, **kwargs: str) -> list[int]:
    return [pitch for _, pitch, _ in sounds(body, **kwargs)]


def lengths(body: str, **kwargs: str) -> list[float]:
    return [length for _, _, length in sounds(body, **kwargs)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("A A2 A/ A// A/4 A3/2 A3/ A0", [1, 2, 0.5, 0.25, 0.25, 1.5, 1.5, 1]),
        ("A>B A<B A>>B A<<<B", [1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 0.125, 1.875]),
        ("A>B>c", [1.5, 0.75, 0.5]),
        ("A2>B2 A > B", [3, 1, 1.5, 0.5]),
        ("(3ABc (2AB (4ABcd", [*[2 / 3] * 3, *[1.5] * 2, *[0.75] * 4]),
        ("(5ABcde (3:2:4ABcd e", [*[0.4] * 5, *[2 / 3] * 4, 1]),
        ("(3A>BA", [1, 1 / 3, 2 / 3]),
        ("A-A B-|B2- B", [2, 4]),
        ("A2-A|-A", [4]),
        ("[A2c2]", [2, 2]),
        ("[A2c]/", [1, 1]),
        ("z4 Z2 A", [1]),
        ("+CE+2 C", [2, 2, 1]),
    ],
)
def test_lengths(body: str, expected: list[float]) -> None:
    assert lengths(body) == pytest.approx(expected)


def test_tuplets_of_five_take_three_in_compound_time() -> None:
    assert lengths("[M:6/8](5ABcde") == pytest.approx([0.6] * 5)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("C", [C, D, E, F, G, A, B]),
        ("G", [C, D, E, F + 1, G, A, B]),
        ("D minor", [C, D, E, F, G, A, B - 1]),
        ("Ador", [C, D, E, F + 1, G, A, B]),
        ("AMIX", [C + 1, D, E, F + 1, G, A, B]),
        ("E phrygian", [C, D, E, F, G, A, B]),
        ("Flyd", [C, D, E, F, G, A, B]),
        ("B locrian", [C, D, E, F, G, A, B]),
        ("C ionian", [C, D, E, F, G, A, B]),
        ("Aaeo", [C, D, E, F, G, A, B]),
        ("EM", [C, D, E, F + 1, G, A, B]),
        ("Bb", [C, D, E - 1, F, G, A, B - 1]),
        ("F#m", [C + 1, D, E, F + 1, G + 1, A, B]),
        ("D exp ^g", [C, D, E, F, G + 1, A, B]),
        ("Dmix=f_b", [C, D, E, F, G, A, B - 1]),
        ("none", [C, D, E, F, G, A, B]),
        ("HP", [C + 1, D, E, F + 1, G, A, B]),
        ("D clef=treble", [C + 1, D, E, F + 1, G, A, B]),
        ("D octave=-1", [n - 12 for n in [C + 1, D, E, F + 1, G, A, B]]),
        ("C transpose=-2", [n - 2 for n in [C, D, E, F, G, A, B]]),
        ("C treble-8", [n - 12 for n in [C, D, E, F, G, A, B]]),
    ],
)
def test_keys(key: str, expected: list[int]) -> None:
    assert pitches("CDEFGAB", key=key) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("^c c|c", [73, 73, 72]),
        (
            "^c C c' =c C",
            [73, 61, 85, 72, 60],
        ),  # all octaves: the standard and abc2midi; abcjs keeps to one
        ("^c-|c c", [73, 72]),
        ("^c2-|c-|c|c", [73, 72]),
        ("_B __B ^^F =F", [70, 69, 67, 65]),
        ("{^g}g", [79]),
        ("C,, c'' C'", [36, 96, 72]),
        ("^c [K:D] c", [73, 73]),
    ],
)
def test_accidentals(body: str, expected: list[int]) -> None:
    assert pitches(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("|:C:|D", "CCD"),
        ("C:|D:|", "CCDD"),
        ("C::D:|", "CCDD"),
        ("|:C::|", "CCC"),
        ("|:C|1 D:|2 E|F", "CDCEF"),
        ("|:C|1D:|2E||F", "CDCEF"),
        ("|:C [1 D:| [2 E|] F", "CDCEF"),
        ("|:C|1 D:|2 E:|3 F|]", "CDCECF"),
        ("|:C|1,3 D:|2 E|]", "CDCECD"),
        ("|:C|1-2 D:|3 E|]", "CDCDCE"),
        ("|:C|1 D|2 E|]F", "CDCEF"),
        ("|:C|1 D:|E", "CDCE"),
        ("C|1 D:|2 E|]F:|", "CDCEFF"),
        ("C||D:|E||F:|", "CDCDEFF"),
        ("|:C|:D:|", "CDD"),
        ("C|:D", "CD"),
        ("|:C:||:D:|", "CCDD"),
        ("C |\n| 1 D :|\n| 2 E |]", "CDCE"),
        ("C|D\n::\nE:|", "CDCDEE"),
        ("!segno!C|D !D.S.!|E", "CDCDE"),
        ("C|D !fine!|E !D.C.!|", "CDECD"),
        ("!segno!C !tocoda!|D !D.S.!|!coda!E|", "CDCE"),
    ],
)
def test_repeats(body: str, expected: str) -> None:
    letters = dict(zip((C, D, E, F), "CDEF", strict=True))
    assert "".join(letters[pitch] for pitch in pitches(body)) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [("ABA", [C, D, C]), ("A2B", [C, C, D]), ("(AB)2A", [C, D, C, D, C]), ("A.B", [C, D])],
)
def test_the_order_of_parts(order: str, expected: list[int]) -> None:
    assert pitches("P:A\nC|\nP:B\nD|", head=f"P:{order}\n") == expected


def test_each_bar_once() -> None:
    tune = read_tune("X:1\nK:C\n|:C|1 D:|2 E|]\n|:F:|\n")
    assert [n.pitch for n in perform(tune, repeats="once").parts[0].notes] == [C, E, F]


def test_voices_and_overlays_sound_together() -> None:
    assert sounds("[V:1]C2|[V:2]E2|[V:1]D2") == [(0, C, 2), (2, D, 2), (0, E, 2)]
    assert sounds("C2 & E F|G") == [(0, C, 2), (0, E, 1), (1, F, 1), (2, G, 1)]


def test_graces_are_silent_unless_asked_for() -> None:
    tune = read_tune("X:1\nL:1/4\nK:C\n{de}c\n")
    assert [n.pitch for n in perform(tune).parts[0].notes] == [72]
    played = perform(tune, graces=True).parts[0].notes
    assert [(n.onset, n.pitch) for n in played] == [(0, 74), (QUARTER // 8, 76), (QUARTER // 4, 72)]
    assert played[-1].onset + played[-1].duration == QUARTER


def test_defaults_of_a_header() -> None:
    assert read_tune("X:1\nM:2/4\nK:C\nC|\n").unit * 4 == QUARTER
    assert read_tune("X:1\nM:3/4\nK:C\nC|\n").unit * 2 == QUARTER
    tune = read_tune("CDEF|\n")
    assert (tune.key.tonic, tune.meter.length, tune.unit * 2) == ("C", 0, QUARTER)
    assert "no K:" in tune.findings[0].text


def test_a_finding_names_line_and_column() -> None:
    tune = list(read_book("X:1\nK:C\nC|\n\nX:2\nK:C\nCD|\nEF ] G|\n"))[1]
    assert [(f.line, f.column, f.action) for f in tune.findings] == [(8, 4, "dropped")]


@pytest.mark.parametrize(
    ("damaged", "kept"),
    [
        ("C2D2|E2[F2|G4|A4|", [C, D, E, F, G, A]),
        ("C2D2|E2{F2|G4|A4|", [C, D, E, F, G, A]),
        ('C2D2|E2"F2|G4|A4|', [C, D, E, F, G, A]),
        ("C2D2|E2F2]|G4|A4|", [C, D, E, F, G, A]),
        ("C2D2|E2!F2|G4|A4|", [C, D, E, F, G, A]),
        ("C2D2|E2(3F2|G4|A4|", [C, D, E, F, G, A]),
        ("C2D2|\n\nE2F2|G4|A4|", [C, D, E, F, G, A]),
        ("C2D2|E2#$F2|G4|A4|", [C, D, E, F, G, A]),
    ],
)
def test_a_damaged_bar_costs_no_other_bar(damaged: str, kept: list[int]) -> None:
    assert pitches(damaged) == kept


def test_books_are_cut_into_tunes() -> None:
    text = "M:3/4\n\nX:1\nT:One\nK:C\nC|\n\nfree text\n\nT:Two\nK:G\nF|\n\nX:3\nT:Three\nM:2/4\nK:C\nC|\n"
    tunes = list(read_book(text))
    assert [tune.title for tune in tunes] == ["One", "Two", "Three"]
    assert [str(tune.meter) for tune in tunes] == ["3/4", "3/4", "2/4"]
    assert [tune.line for tune in tunes] == [3, 10, 14]


@given(
    st.text(max_size=300) | st.text("ABCabc[](){}|:'123/-<>\"!+\\\n&zZ^_= KMLVPXT%~", max_size=300)
)
@settings(max_examples=120, deadline=None)
def test_any_text_is_read(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text
    for tune in read_book("K:C\n" + text):
        playing = perform(tune)
        assert playing.seconds <= 900 + 1e-6
        assert all(0 <= n.pitch <= 127 and n.duration > 0 for p in playing.parts for n in p.notes)


PIECES = [
    "[",
    "{",
    "(3",
    "|:",
    "'",
    ":",
    "A'",
    '"',
    "!",
    "[K:",
    "[CEG",
    "|1_A",
    "|:A:|",
    "A>",
    "A-",
    "&A",
    "V:1",
    "(",
    "Z99|",
    "A9999/7",
    "P:A",
    "[1",
    "^",
    "+A",
    "\\",
    "%",
    "{a}",
    "z",
    "A|",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_great_deal_of_anything_takes_linear_time(piece: str) -> None:
    """The work for 32 kB is held against that for 4 kB, CPU time both, with room for noise."""

    def cost(size: int) -> float:
        text = "X:1\nK:C\nA|" + piece.replace("_", " ") * (size // len(piece))
        begin = time.process_time()
        for tune in read_book(text + "\n" + piece * 10):
            perform(tune)
        return time.process_time() - begin

    assert cost(1 << 15) < 30 * cost(1 << 12) + 0.5
