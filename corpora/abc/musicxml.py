"""A tune as MusicXML, through music21, which builds the score from our tune and never sees the ABC.

The written score: repeats and endings as signs, not unfolded. Chord symbols, graces, ties and tuplets are kept.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from checkpoints.errors import UserError
from corpora.abc.fields import default_tempo
from corpora.abc.tune import (
    QUARTER,
    Bar,
    Change,
    Event,
    Item,
    Key,
    Meter,
    Pitch,
    Tempo,
    Tune,
    Voice,
)
from corpora.abc.unfolding import repeat_signs

BREVE = 8
"""Quarters of the longest note that is written; a longer one is tied from several."""


def write_musicxml(tune: Tune) -> bytes:
    """The MusicXML 4 file of a tune, UTF-8. Imports music21 (3 s of CPU the first time).

    Raises UserError where a note is too short for any sign, or in a tuplet that has none.
    """
    from music21 import duration, meter, stream
    from music21.musicxml.m21ToXml import GeneralObjectExporter
    from music21.musicxml.xmlObjects import MusicXMLExportException

    # music21 would carry what crosses the metre's end into the next measure, under the notes that stand there, and
    # fill short measures with rests; a model's bars are as long as they are. So it beams by the tune's metre, and
    # breaks at one that has no end.
    endless = meter.TimeSignature()
    endless.barDuration = duration.Duration(2**30)
    made = score(tune)
    made.makeNotation(meterStream=stream.Stream([endless]), inPlace=True)
    try:
        written: bytes = GeneralObjectExporter().parseWellformedObject(made)
    except MusicXMLExportException as error:
        raise UserError(
            "no score can show it: it has a note or rest whose length no signs make up",
            hint="mid, abc and wav hold any length",
        ) from error
    return written


def score(tune: Tune) -> Any:
    """The tune as a music21 Score: a Part a voice, a Measure a bar."""
    from music21 import metadata, stream

    result = stream.Score()
    result.insert(0, metadata.Metadata())
    result.metadata.title = _plain(tune.title) or "Untitled"
    if tune.composer:
        result.metadata.composer = _plain(tune.composer)
    for i, voice in enumerate(tune.voices):
        result.insert(0, _part(voice, tune, first=i == 0))
    return result


def _part(voice: Voice, tune: Tune, *, first: bool) -> Any:
    from music21 import instrument, key, meter, note, stream, tempo

    part = stream.Part(id=voice.name)
    several = len(tune.voices) > 1
    part.partName = _plain(voice.title) or (f"Voice {voice.name}" if several else "")
    player = instrument.Violin()
    player.instrumentAbbreviation = ""  # a tune needs no "Vln" before each line
    part.insert(0, player)
    measures = []
    tied: set[int] = set()
    starts, ends = repeat_signs(voice.bars)
    full = tune.meter.length
    pickup = bool(voice.bars) and 0 < _length(voice.bars[0]) < full
    for i, bar in enumerate(voice.bars):
        measure = stream.Measure(number=i if pickup else i + 1)
        for item in bar.items:
            if isinstance(item, Change) and isinstance(item.value, Meter):
                full = item.value.length
        length = _length(bar)
        missing = Fraction(full - length, QUARTER).limit_denominator(1024)
        if missing > 0 and pickup and i == 0:
            measure.paddingLeft = missing
        elif missing > 0:  # beams are grouped from its beginning
            measure.paddingRight = missing
        if i == 0:
            measure.insert(0, key.KeySignature(tune.key.fifths))
            if tune.meter.unit:
                measure.insert(0, meter.TimeSignature(f"{tune.meter.beats}/{tune.meter.unit}"))
            if first:
                shown = tune.tempo or default_tempo(tune.rhythm, tune.meter)
                measure.insert(0, tempo.MetronomeMark(number=round(shown.quarters, 2)))
        tied = _fill(measure, bar, voice.transpose, tied)
        for rest in measure.recurse().getElementsByClass(note.Rest):
            # Said, or music21 looks for a metre that free ones do not have: for hours, or to leave 5/8 without signs.
            rest.fullMeasure = length == full and rest.quarterLength == full / QUARTER
        _barlines(measure, bar, opens=i in starts, times=1 + ends.get(i, 0))
        measures.append(measure)
        part.append(measure)
    for bracket in _endings(voice.bars, measures):
        part.insert(0, bracket)
    return part


def _length(bar: Bar) -> int:
    """How long a bar lasts, in units of time: as long as its longest layer."""
    layers = [bar.items, *bar.overlays]
    return max(sum(i.duration for i in layer if isinstance(i, Event)) for layer in layers)


def _fill(measure: Any, bar: Bar, transpose: int, tied: set[int]) -> set[int]:
    """Put a bar's layers into a measure; give the pitches that its last event ties on."""
    from music21 import stream

    if not bar.overlays:
        return _layer(measure, measure, bar.items, transpose, tied)
    for number, layer in enumerate([bar.items, *bar.overlays]):
        lane = stream.Voice(id=str(number + 1))
        held = _layer(measure, lane, layer, transpose, tied if not number else set())
        tied = held if not number else tied
        measure.insert(0, lane)
    return tied


def _layer(
    measure: Any, target: Any, items: list[Item], transpose: int, tied: set[int]
) -> set[int]:
    """Put a layer's notes into `target`; signs for all layers stand in the measure, or music21 leaves them out."""
    from music21 import key, meter, tempo

    now = Fraction(0)
    for item in items:
        if isinstance(item, Change):
            value = item.value
            if isinstance(value, Key):
                measure.insert(now, key.KeySignature(value.fifths))
            elif isinstance(value, Meter) and value.unit:
                measure.insert(now, meter.TimeSignature(f"{value.beats}/{value.unit}"))
            elif isinstance(value, Tempo):
                measure.insert(now, tempo.MetronomeMark(number=round(value.quarters, 2)))
            continue
        above = (words[1:] for words in item.annotations if words.startswith("^"))
        for words in filter(None, (item.symbol, *above)):
            target.insert(now, _words(words))
        for grace in item.graces:
            target.insert(now, _note((grace,), Fraction(1, 2), transpose).getGrace())
        length = Fraction(item.duration, QUARTER).limit_denominator(1024)
        if length <= 0:
            continue
        sounding = _note(item.pitches, length, transpose) if item.pitches else _rest(length)
        tied = _ties(sounding, item, transpose, tied)
        while sounding.quarterLength > BREVE:
            first, sounding = sounding.splitAtQuarterLength(BREVE)
            target.insert(now, first)
            now += BREVE
        target.insert(now, sounding)
        now += Fraction(sounding.quarterLength)
    return tied


def _plain(text: str) -> str:
    """The text without characters that no XML may hold."""
    return re.sub(r"[\x00-\x1f\ud800-\udfff\ufffe\uffff]", "", text)


def _words(text: str) -> Any:
    """Words above the staff, also a chord symbol: what the tune's writer wrote, not what music21 takes it for."""
    from music21 import expressions

    words = expressions.TextExpression(_plain(text))
    words.placement = "above"
    return words


def _note(pitches: tuple[Pitch, ...], length: Fraction, transpose: int) -> Any:
    from music21 import chord, note

    spelled = [_pitch(p, transpose) for p in pitches]
    made = note.Note(spelled[0]) if len(spelled) == 1 else chord.Chord(spelled)
    made.quarterLength = length
    return made


def _pitch(pitch: Pitch, transpose: int) -> Any:
    from music21 import pitch as m21

    made = m21.Pitch(step=pitch.letter, octave=pitch.octave)
    if pitch.alter:
        made.accidental = m21.Accidental(pitch.alter)
    return made.transpose(transpose) if transpose else made


def _rest(length: Fraction) -> Any:
    from music21 import note

    made = note.Rest()
    made.quarterLength = length
    return made


def _ties(sounding: Any, event: Event, transpose: int, tied: set[int]) -> set[int]:
    """Set the ties of a note or chord: to the event before (`tied`, MIDI pitches) and to the next."""
    from music21 import tie

    held: set[int] = set()
    if not event.pitches:
        return held
    notes = sounding.notes if len(event.pitches) > 1 else [sounding]
    for made, pitch in zip(notes, event.pitches, strict=True):
        midi = pitch.midi + transpose
        if pitch.tied:
            held.add(midi)
        kind = {(True, True): "continue", (True, False): "stop", (False, True): "start"}.get(
            (midi in tied, pitch.tied)
        )
        if kind:
            made.tie = tie.Tie(kind)
    return held


def _barlines(measure: Any, bar: Bar, *, opens: bool, times: int) -> None:
    """`times`: how often what the bar ends is played, 1 without a repeat."""
    from music21 import bar as m21

    if opens:
        measure.leftBarline = m21.Repeat(direction="start")
    if times > 1:
        measure.rightBarline = m21.Repeat(direction="end", times=times if times > 2 else None)
    elif bar.line in ("||", "[|"):
        measure.rightBarline = m21.Barline("double")
    elif bar.line == "|]":
        measure.rightBarline = m21.Barline("final")


def _endings(bars: list[Bar], measures: list[Any]) -> list[Any]:
    """A bracket for each ending: from its bar to the repeat sign, double bar or next ending."""
    from music21 import spanner

    brackets = []
    for i, bar in enumerate(bars):
        if not bar.ending:
            continue
        end = i
        while end + 1 < len(bars) and not (
            bars[end].repeat_end
            or bars[end].double
            or bars[end + 1].ending
            or bars[end + 1].repeat_start
        ):
            end += 1
        number = list(bar.ending) if len(bar.ending) > 1 else bar.ending[0]
        brackets.append(spanner.RepeatBracket(measures[i : end + 1], number=number))
    return brackets
