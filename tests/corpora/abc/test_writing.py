"""What is made of a tune, against other readers of the same formats: mido, music21, a Fourier transform."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
import sys
import wave
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import UserError
from corpora.abc import perform, read_book, read_tune
from corpora.abc.chords import accompaniment, chord_of
from corpora.abc.engraving import write_pdf, write_svg
from corpora.abc.exporting import ExportOptions, export, file_stem
from corpora.abc.midi import TICKS, ticks, write_midi
from corpora.abc.musicxml import write_musicxml
from corpora.abc.pianoroll import piano_roll
from corpora.abc.signs import is_chord
from corpora.abc.sound import RATE, frequency, pluck, write_wav
from corpora.abc.transposing import interval_to, transposed
from corpora.abc.tune import QUARTER
from corpora.abc.tunebooks import installed_tunebooks
from corpora.abc.unfolding import Playing
from corpora.abc.writer import length_text, write_abc
from tests.corpora.abc.samples import DUET, JIG, TUNES, WALTZ

ABC_SIGNS = "ABCabc[](){}|:'123/-<>\"\n&zZ^_= K:G.M:3/4~"


def notes(playing: Playing) -> list[list[tuple[int, int, int]]]:
    """By voice: (first tick, last tick, pitch)."""
    return [
        sorted((ticks(n.onset), ticks(n.onset + n.duration), n.pitch) for n in part.notes)
        for part in playing.parts
    ]


def heard(data: bytes) -> tuple[list[list[tuple[int, int, int]]], int]:
    """The notes of a MIDI file by track, as mido reads them, and how many never end."""
    tracks, hanging = [], 0
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now, on, found = 0, {}, []
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                assert message.note not in on, "struck again before it ended"
                on[message.note] = now
            elif message.type in ("note_on", "note_off"):
                found.append((on.pop(message.note), now, message.note))
        hanging += len(on)
        tracks.append(sorted(found))
    return tracks, hanging


@pytest.mark.parametrize("name", TUNES)
def test_midi_holds_each_note_to_the_tick(name: str) -> None:
    playing = perform(read_tune(TUNES[name]))
    tracks, hanging = heard(write_midi(playing))
    assert tracks[1:] == notes(playing)
    assert hanging == 0


def test_midi_tells_tempo_metre_and_key() -> None:
    file = mido.MidiFile(file=io.BytesIO(write_midi(perform(read_tune(WALTZ)))))
    assert (file.type, file.ticks_per_beat) == (1, 480)
    found, now = [], 0
    for message in file.tracks[0]:
        now += message.time
        found.append((now, message))
    assert [(t, m.tempo) for t, m in found if m.type == "set_tempo"] == [(0, 400_000)]
    meters = [(t, m.numerator, m.denominator) for t, m in found if m.type == "time_signature"]
    assert meters == [(0, 3, 4), (10 * TICKS, 2, 4)]
    assert [(t, m.key) for t, m in found if m.type == "key_signature"] == [
        (0, "Gm"),
        (12 * TICKS, "G"),
    ]


def test_a_note_struck_while_it_sounds_never_hangs() -> None:
    tracks, hanging = heard(write_midi(perform(read_tune("X:1\nL:1/4\nK:C\nC4 & z C2 z|[CC]2|\n"))))
    assert hanging == 0
    assert [(a, p) for a, _, p in tracks[1]] == [(0, 60), (480, 60), (1920, 60)]


def test_an_accompaniment_has_its_own_track() -> None:
    playing = perform(read_tune(JIG))
    data = write_midi(playing, accompaniment=accompaniment(playing))
    file = mido.MidiFile(file=io.BytesIO(data))
    assert [track.name for track in file.tracks][-1].startswith("Chords")
    tracks, hanging = heard(data)
    assert hanging == 0
    assert {p % 12 for a, _, p in tracks[-1] if a == 240} == {2, 6, 9}


@pytest.mark.parametrize(
    ("metre", "body", "sixths"),
    [
        ("2/4", "ABcd|", [0, 4, 6, 10]),
        ("2/4", "|:A|Bcd:|", [1, 3, 7, 9, 13, 15, 19, 21]),
        ("2/4", "ABcd|efg|]|:A|Bcde|", [0, 4, 6, 10, 12, 16, 18, 22, 24, 28, 30, 34]),
        ("2/4", "ABcde|fgab|", [0, 4, 6, 10, 12, 15, 19, 21, 25]),
        ("3/4", "ABcdef|", [0, 4, 6, 10, 12, 16]),
        ("6/8", "A|Bcdefg|", [0, 3, 6, 9, 12, 15, 18]),
    ],
)
def test_swing_is_counted_from_the_bar_lines(metre: str, body: str, sixths: list[int]) -> None:
    playing = perform(read_tune(f"X:1\nT:x\nM:{metre}\nL:1/8\nK:C\n{body}\n"), swing=True)
    notes = playing.parts[0].notes
    onsets = [note.onset * 6 / QUARTER for note in notes]
    assert onsets == sixths
    for note, after in itertools.pairwise(notes):
        assert note.onset + note.duration == after.onset


@pytest.mark.parametrize(
    ("symbol", "classes"),
    [
        ("D", {2, 6, 9}),
        ("Am7", {9, 0, 4, 7}),
        ("Bb", {10, 2, 5}),
        ("F#dim", {6, 9, 0}),
        ("C/G", {0, 4, 7}),
        ("Gsus4", {7, 0, 2}),
        ("D/f+", {2, 6, 9}),
        ("Gd", {7, 10, 1}),
    ],
)
def test_chord_symbols(symbol: str, classes: set[int]) -> None:
    found = chord_of(symbol)
    assert found is not None
    assert {p % 12 for p in found} == classes
    assert chord_of("fine") is None


def test_words_above_the_staff_are_no_chords() -> None:
    words = [
        "Fine",
        "D.C. al Fine",
        "To Coda",
        "A MINOR",
        "Da Capo",
        "Ad lib.",
        "DC",
        "N.C.",
        "",
        " ",
    ]
    assert [text for text in words if is_chord(text)] == []
    chords = (
        "G|Bb|F#m7|D/f+|(E7)|D m|G(Em)|C6/9|Cmaj7|CM7|Am7b5|Csus4|G7+|G7(b9)|Cm(maj7)|F♯°7|Gm/bb"
    )
    assert [text for text in chords.split("|") if not is_chord(text)] == []
    tune = read_tune('X:1\nT:x\nM:4/4\nL:1/4\nK:C\n"Am""To Coda"AAAA|"Fine""G"GGGG|]\n')
    assert '"Bm""^To Coda"B' in write_abc(transposed(tune, 2))
    assert perform(tune).parts[0].symbols == [(0, "Am"), (4 * QUARTER, "G")]
    pytest.importorskip("music21")
    shown = ET.fromstring(write_musicxml(tune)).iter("words")
    assert [words.text for words in shown] == ["Am", "To Coda", "G", "Fine"]


def test_a_slash_names_the_bass() -> None:
    assert (chord_of("C/G") or ())[0] % 12 == 7


@pytest.mark.parametrize("name", TUNES)
def test_abc_that_was_written_means_the_same(name: str) -> None:
    tune = read_tune(TUNES[name])
    text = write_abc(tune)
    again = read_tune(text)
    assert notes(perform(again)) == notes(perform(tune))
    assert not [f for f in again.findings if f.action != "kept"]
    assert write_abc(again) == text


@given(st.text(ABC_SIGNS, max_size=120))
@settings(max_examples=150, deadline=None)
def test_abc_is_repaired_for_good(body: str) -> None:
    tune = read_tune("X:1\nM:4/4\nL:1/8\nK:G\n" + body)
    assert notes(perform(read_tune(write_abc(tune)))) == notes(perform(tune))


def test_installed_tunes_survive_being_written() -> None:
    book = next((p for p in installed_tunebooks() if "oneills1850" in str(p)), None)
    if book is None:
        pytest.skip("music21's tunes are not installed")
    for tune in list(read_book(book.read_text(encoding="utf-8", errors="replace")))[:25]:
        assert notes(perform(read_tune(write_abc(tune)))) == notes(perform(tune)), tune.title


@pytest.mark.parametrize("semitones", [-7, -1, 1, 2, 3, 5, 6, 12])
def test_transposition_moves_every_note_alike(semitones: int) -> None:
    for text in TUNES.values():
        tune = read_tune(text)
        moved = transposed(tune, semitones)
        wanted = [[(a, b, p + semitones) for a, b, p in voice] for voice in notes(perform(tune))]
        assert notes(perform(moved)) == wanted
        assert notes(perform(read_tune(write_abc(moved)))) == wanted


def test_transposed_keys_are_spelled_as_musicians_do() -> None:
    moved = transposed(read_tune(JIG), 3)
    assert (moved.key.tonic, moved.key.fifths) == ("F", -1)
    assert '"Gm"' in write_abc(moved)
    assert interval_to(read_tune(JIG), "E") == 2
    assert interval_to(read_tune(JIG), "Bb") == -4


@pytest.mark.parametrize("pitch", [43, 55, 62, 69, 76, 88, 100])
def test_a_note_has_its_pitch(pitch: int) -> None:
    """The strongest frequency of a Fourier transform, refined by a parabola over its neighbours, within 3 cents."""
    sound = pluck(pitch, 1.0)
    window = np.hanning(len(sound))
    spectrum = np.log(np.abs(np.fft.rfft(sound * window, 1 << 17)) + 1e-9)
    peak = int(spectrum.argmax())
    a, b, c = spectrum[peak - 1 : peak + 2]
    found = (peak + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / (1 << 17)
    assert abs(1200 * np.log2(found / frequency(pitch))) < 3


def test_a_wav_sounds_the_tune() -> None:
    """Each note of a scale is found by FFT at its own place, nothing clicks, nothing is cut off."""
    playing = perform(read_tune("X:1\nL:1/4\nQ:1/4=60\nK:D\nDEFGABcd|\n"))
    with wave.open(io.BytesIO(write_wav(playing))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    assert np.abs(sound).max() <= 0.95
    assert abs(sound[0]) < 1e-3
    assert abs(sound[-1]) < 1e-3
    found = []
    for i in range(8):
        piece = sound[i * RATE + 4000 : (i + 1) * RATE] * np.hanning(RATE - 4000)
        hertz = np.abs(np.fft.rfft(piece, 1 << 17)).argmax() * RATE / (1 << 17)
        found.append(round(69 + 12 * np.log2(hertz / 440)))
    assert found == [62, 64, 66, 67, 69, 71, 73, 74]


@pytest.mark.parametrize("name", TUNES)
def test_musicxml_holds_each_bar(name: str) -> None:
    """Bar for bar the pitches and lengths, read from the XML itself."""
    pytest.importorskip("music21")
    tune = read_tune(TUNES[name])
    root = ET.fromstring(write_musicxml(tune))
    parts = root.findall("part")
    assert len(parts) == len(tune.voices)
    for part, voice in zip(parts, tune.voices, strict=True):
        for measure, bar in zip(part.findall("measure"), voice.bars, strict=True):
            wanted = [
                (p.midi, e.duration) for layer in [bar.items, *bar.overlays]
                for e in layer if hasattr(e, "pitches") for p in e.pitches
            ]  # fmt: skip
            assert sorted(_measure(measure, part)) == sorted(wanted)


ENDINGS = "X:1\nL:1/4\nM:4/4\nK:D\n|:DEFG|1,2 A4:|3 B4|]\n|:d4::e4:|[M:3/4][K:Dm]f3||:c3::|\n"


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        (
            JIG,
            ["0 fifths 2", "0 metre 6/8", "1 forward", "4 ending 1", "4 backward", "5 ending 2",
             "6 forward", "10 backward"],
        ),
        (WALTZ, ["0 fifths -2", "0 metre 3/4", "4 metre 2/4", "5 fifths 1"]),
        (DUET, ["0 fifths 0", "0 metre 4/4", "0 forward", "1 backward"]),
        (
            ENDINGS,
            ["0 fifths 2", "0 metre 4/4", "0 forward", "1 ending 1,2", "1 backward", "2 ending 3",
             "3 forward", "3 backward", "4 forward", "4 backward", "5 fifths -1", "5 metre 3/4",
             "6 forward", "6 backward 3"],
        ),
    ],
    ids=["jig", "waltz", "duet", "endings"],
)  # fmt: skip
def test_musicxml_has_the_signs_of_each_bar(text: str, signs: list[str]) -> None:
    """Repeats, endings, key and metre, in every part."""
    pytest.importorskip("music21")
    for part in ET.fromstring(write_musicxml(read_tune(text))).findall("part"):
        found = []
        for i, measure in enumerate(part.findall("measure")):
            found += [f"{i} fifths {key.findtext('fifths')}" for key in measure.iter("key")]
            found += [
                f"{i} metre {time.findtext('beats')}/{time.findtext('beat-type')}"
                for time in measure.iter("time")
            ]
            endings = [e for e in measure.iter("ending") if e.get("type") == "start"]
            repeats = {r.get("direction"): r.get("times", "") for r in measure.iter("repeat")}
            found += [f"{i} forward"] * ("forward" in repeats)
            found += [f"{i} ending {(e.get('number') or '').replace(' ', '')}" for e in endings]
            if "backward" in repeats:
                found.append(f"{i} backward {repeats['backward']}".rstrip())
        assert found == signs


def _measure(measure: ET.Element, part: ET.Element) -> list[tuple[int, int]]:
    steps = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
    divisions = int((part.find(".//divisions").text) or "1")  # type: ignore[union-attr]
    found = []
    for note in measure.findall("note"):
        pitch = note.find("pitch")
        if pitch is None or note.find("grace") is not None:
            continue
        midi = 12 * (int(pitch.findtext("octave", "0")) + 1) + steps[pitch.findtext("step", "C")]
        midi += int(float(pitch.findtext("alter", "0")))
        length = Fraction(int(note.findtext("duration", "0")), divisions)
        found.append((midi, int(length * QUARTER)))
    return found


def test_a_score_is_an_svg_with_the_tunes_notes() -> None:
    pytest.importorskip("verovio")
    from corpora.abc.engraving import write_svg

    svg = write_svg(read_tune(JIG))
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    heads = [e for e in root.iter() if (e.get("class") or "").split()[:1] == ["note"]]
    written = sum(
        len(e.pitches) + len(e.graces) for b in read_tune(JIG).voices[0].bars for e in b.events()
    )
    assert len(heads) == written


def test_a_piano_roll_shows_pitch_and_time() -> None:
    rows = piano_roll(perform(read_tune("X:1\nL:1/4\nK:C\nC E2|\n")), width=60)
    assert [row[:4] for row in rows] == [" E4 ", " D4 ", " C4 "]
    assert rows[2][4:].startswith("▄▄▄")
    assert rows[0][8:].startswith("▄▄▄▄▄▄▄")


def test_a_piano_roll_names_the_pitches_that_sound_as_the_key_spells_them() -> None:
    for key, fifths, names in (("C", 0, ["A4 ", "G4 ", "E4 "]), ("Eb", -3, ["A♭4", "G4 ", "E♭4"])):
        tune = read_tune(f"X:1\nL:1/4\nK:{key}\nE G A2|\n")
        assert tune.key.fifths == fifths
        rows = piano_roll(perform(tune), width=60, fifths=fifths)
        sounding = [row[:4].strip() for row in rows if set(row[4:]) & set("▀▄█")]
        assert sounding == [name.strip() for name in names]


def test_fifty_tunes_of_which_ten_are_broken(tmp_path: Path) -> None:
    """Forty whole ones are exported, ten damaged ones as far as they can be, and an empty one lies beside them."""
    damaged = JIG.replace("dfa {b}a^ga", "dfa {b a^]ga )(3").replace("|1", "[[1")
    book = [JIG] * 40 + [damaged] * 9 + ["X:1\nT:Only a title\nK:D\n"]
    text = "\n".join(tune.replace("X:7", f"X:{i}") for i, tune in enumerate(book, 1))
    done = list(export(read_book(text), tmp_path, ExportOptions(formats=("mid", "abc"))))
    assert len(done) == 50
    assert sum(len(d.files) == 2 and not d.problems for d in done) == 49
    assert sum(bool(d.findings) for d in done) == 9
    assert [p.name for p in tmp_path.glob("*.bad.abc")] == ["001-only-a-title.bad.abc"]
    whole = heard((tmp_path / "001-the-test-bench.mid").read_bytes())[0]
    assert whole[1:] == notes(perform(read_tune(JIG)))


def test_files_are_never_written_over_unless_told(tmp_path: Path) -> None:
    (tmp_path / "007-the-test-bench.mid").write_text("mine")
    (first,) = export(read_book(JIG), tmp_path, ExportOptions())
    assert "exists already" in first.problems[0]
    assert (tmp_path / "007-the-test-bench.mid").read_text() == "mine"
    (second,) = export(read_book(JIG), tmp_path, ExportOptions(force=True))
    assert not second.problems
    assert (tmp_path / "007-the-test-bench.mid").read_bytes().startswith(b"MThd")


@given(st.text(max_size=80))
def test_a_title_never_leaves_the_folder(title: str) -> None:
    stem = file_stem(read_tune("X:3\nT:" + title.replace("\n", " ") + "\nK:C\nC|\n"), 1)
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(stem) < 80


def test_the_key_option_brings_every_tune_to_one_tonic(tmp_path: Path) -> None:
    (done,) = export(read_book(DUET), tmp_path, ExportOptions(formats=("abc",), key="D"))
    assert "K:D" in done.files[0].read_text()


@pytest.mark.skipif(shutil.which("rsvg-convert") is None, reason="needs rsvg-convert")
def test_a_score_becomes_pdf_without_letters_of_a_font_that_is_not_there() -> None:
    pytest.importorskip("verovio")
    svg = write_svg(read_tune(JIG))
    assert chr(0xECA5) in svg
    with pytest.MonkeyPatch.context() as patch:
        given: list[bytes] = []
        real = subprocess.run

        def run(*args: Any, **options: Any) -> Any:
            given.append(options["input"])
            return real(*args, **options)

        patch.setattr(subprocess, "run", run)
        assert write_pdf(svg).startswith(b"%PDF")
    assert "♩" in given[0].decode()
    assert not [c for c in given[0].decode() if "\ue000" <= c <= "\uf8ff"]


@pytest.mark.skipif(sys.platform == "win32", reason="the converter is a script")
def test_a_converter_that_fails_gives_its_own_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rsvg-convert"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('noise\\nno room for fonts')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="rsvg-convert made no PDF: no room for fonts"):
        write_pdf("<svg/>")


def test_without_a_converter_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="turns SVG into PDF") as caught:
        write_pdf("<svg/>")
    assert "librsvg2-bin" in caught.value.hint


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 10**6))
def test_a_length_is_written_as_it_is(n: int, d: int, times: int) -> None:
    above, slash, below = length_text(n * times, d * times).partition("/")
    assert Fraction(int(above or 1), int(below or 2) if slash else 1) == Fraction(n, d)


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_length_is_written_in_numbers_that_the_reader_takes(length: int, unit: int) -> None:
    n, _, d = length_text(length, unit).partition("/")
    if length <= 512 * unit:
        assert int(n or 1) <= 512
        assert int(d or 2) <= 512
