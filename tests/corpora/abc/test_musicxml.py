"""A score has the notes that are played, when they are played, whatever its bars are filled with."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.abc import perform, read_book, read_tune
from corpora.abc.exporting import ExportOptions, export
from corpora.abc.musicxml import write_musicxml
from corpora.abc.tune import QUARTER

Sounding = tuple[Fraction, Fraction, int]
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
HEAD = "X:1\nM:{}\nL:1/8\nK:C\n"


def played(text: str) -> list[Sounding]:
    """(onset, length, MIDI pitch) in quarters of each note of the first voice as it is performed."""
    notes = perform(read_tune(text)).parts[0].notes
    return sorted(
        (Fraction(n.onset, QUARTER), Fraction(n.duration, QUARTER), n.pitch) for n in notes
    )


def scored(data: bytes) -> list[Sounding]:
    """The same, read from the XML of the first part: a measure is as long as what stands in it, ties are joined."""
    part = ET.fromstring(data).find("part")
    assert part is not None
    start, divisions = Fraction(0), 1
    found: list[Sounding] = []
    held: dict[int, int] = {}
    for measure in part.findall("measure"):
        now = end = before = start
        for element in measure:
            divisions = int(element.findtext("divisions") or divisions)
            length = Fraction(int(element.findtext("duration") or 0), divisions)
            if element.tag == "backup":
                now -= length
            elif element.tag == "forward":
                now += length
            elif element.tag == "note" and element.find("grace") is None:
                onset = before if element.find("chord") is not None else now
                if element.find("pitch") is not None:
                    _strike(element, onset, length, found, held)
                before, now = onset, onset + length
            end = max(end, now)
        start = end
    return sorted(found)


def _strike(
    note: ET.Element, onset: Fraction, length: Fraction, found: list[Sounding], held: dict[int, int]
) -> None:
    midi = 12 * (int(note.findtext("pitch/octave", "0")) + 1)
    midi += STEPS[note.findtext("pitch/step", "C")] + int(note.findtext("pitch/alter", "0"))
    ties = {tie.get("type") for tie in note.findall("tie")}
    index = held.pop(midi, None) if "stop" in ties else None
    if index is None:
        index = len(found)
        found.append((onset, length, midi))
    else:
        first = found[index][0]
        assert found[index][1] == onset - first, "a tie goes over a hole"
        found[index] = (first, onset + length - first, midi)
    if "start" in ties:
        held[midi] = index


@pytest.mark.parametrize(
    ("metre", "body"),
    [
        ("4/4", "C4 D8 E2|F8|G8|"),
        ("6/8", "DFA d4|fdA G3|"),
        ("4/4", "C8|D40|E8|"),
        ("4/4", "C4|D8|EF|G8|"),
        ("4/4", "C4|(3CDE (3CDE (3CDE (3CDE (3CDE|(5CDEFG (7CDEFGAB|c8|"),
        ("2/4", "C D8-|[DF]8-|[DF]2 z9|C4|"),
        ("4/4", "C8 & E4|F4 & G2 A9|c8|"),
        ("4/4", "C8|[M:3/4]D6|E7|F6|"),
        ("none", "C8D8E8|F|G99|"),
        ("none", "C5|z5|z5 & F|z9/7|"),
        ("5/8", "A5|z5|z5 & F5|z5 A3|"),
        ("3/4", "C5/4D11/3E9/7|F6|"),
        ("4/4", "C999999999999/1|D8|"),
        ("2/2", "C8|z40|D8-|D16|"),
    ],
)
def test_a_score_has_each_note_when_it_is_played(metre: str, body: str) -> None:
    text = HEAD.format(metre) + body + "\n"
    assert scored(write_musicxml(read_tune(text))) == played(text)


LENGTHS = st.sampled_from(["", "2", "3", "4", "5", "7", "8", "11", "16", "37", "/2", "3/2", "/4"])
EVENTS = st.one_of(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["C", "^F", "_B", "e", "z", "[CE]"]),
        LENGTHS,
        st.sampled_from(["", "-"]),
    ),
    st.sampled_from(["(3CDE", "(3C2DE", "(5CDEFG", "(7cBAGFED", "{d}c2", "(3c4d4e4"]),
)
BARS = st.lists(st.lists(EVENTS, min_size=1, max_size=6).map(" ".join), min_size=1, max_size=5)


@given(st.sampled_from(["4/4", "6/8", "3/4", "2/2", "none"]), BARS)
@settings(max_examples=40, deadline=None)
def test_bars_of_any_length_stand_one_after_another(metre: str, bars: list[str]) -> None:
    text = HEAD.format(metre) + "|".join(bars) + "|\n"
    assert scored(write_musicxml(read_tune(text))) == played(text)


def test_a_rest_that_fills_its_bar_is_the_bars() -> None:
    text = HEAD.format("3/4") + "A6|z6|z4 A2|z6 A2|z4|\n"
    bars = ET.fromstring(write_musicxml(read_tune(text))).findall("part/measure")
    assert [[rest.get("measure") for rest in bar.iterfind("note/rest")] for bar in bars] == [
        [],
        ["yes"],
        [None],
        [None],
        [None],
    ]


@pytest.mark.parametrize("body", ["(99CDE|", "C D/999999999999 E|"])
def test_a_length_without_a_sign_is_said_in_plain_words(body: str, tmp_path: Path) -> None:
    text = HEAD.format("4/4") + body + "\n"
    (done,) = export(read_book(text), tmp_path, ExportOptions(formats=("musicxml",)))
    assert done.problems == [
        "no score can show it: it has a note or rest whose length no signs make up"
        " (mid, abc and wav hold any length)"
    ]


def test_control_characters_of_a_header_leave_the_score_whole() -> None:
    tune = read_tune(
        'X:1\nT:A\x07 bell\nC:\x1bSome\x01one\nM:4/4\nL:1/1\nV:1 name="up\x01per"\nK:C\n"^lo\x02ud"C|]\n'
    )
    text = "".join(ET.fromstring(write_musicxml(tune)).itertext())
    for words in ("A bell", "Someone", "upper", "loud"):
        assert words in text
