"""Tunes to files: MIDI, MusicXML, ABC, WAV, SVG, PDF, one file a tune and format; no tune stands in another's way."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from checkpoints.errors import UserError
from checkpoints.files import FREE_SPACE, reason, write_atomic
from checkpoints.paths import exists
from corpora.abc.chords import accompaniment
from corpora.abc.midi import write_midi
from corpora.abc.transposing import interval_to, transposed
from corpora.abc.tune import Finding, Tempo, Tune
from corpora.abc.unfolding import Note, Playing, Repeats, perform
from corpora.abc.writer import write_abc

FORMATS = ("mid", "musicxml", "abc", "wav", "svg", "pdf")

INSTRUMENTS = {
    "piano": 0, "harpsichord": 6, "celesta": 8, "accordion": 21, "concertina": 21, "harmonica": 22, "guitar": 24,
    "fiddle": 40, "violin": 40, "cello": 42, "harp": 46, "clarinet": 71, "piccolo": 72, "flute": 73, "recorder": 74,
    "whistle": 74, "banjo": 105, "pipes": 109,
}  # fmt: skip
"""Names of General MIDI programs, counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is written, and how the tune is played in MIDI and WAV."""

    formats: tuple[str, ...] = ("mid",)
    repeats: Repeats = "written"
    graces: bool = False
    swing: bool = False
    chords: bool = False
    """Add an accompaniment from the chord symbols, on a track of its own."""
    tempo: float = 0.0
    """Quarters a minute; 0 takes the tune's."""
    program: int = 40
    """The General MIDI program, 0 to 127."""
    transpose: int = 0
    """Semitones."""
    key: str = ""
    """A tonic to bring every tune to; empty leaves it."""
    force: bool = False
    """Write over files that exist."""


@dataclass(slots=True)
class Exported:
    """What became of one tune."""

    tune: Tune
    files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Sentences that say why something was not written."""
    playing: Playing | None = None
    left: list[Path] = field(default_factory=list)
    """Files that were there already and were not written over."""
    disk_full: bool = False
    """Whether there was no space left for one of its files: there is none for others either."""

    @property
    def findings(self) -> list[Finding]:
        return self.tune.findings


def export(tunes: Iterable[Tune], folder: Path, options: ExportOptions) -> Iterator[Exported]:
    """Write each tune's files into `folder` (made if need be); what became of each, as it is done.

    A tune that cannot be written (no note in it) is kept beside the others as NAME.bad.abc, the reason in a comment.
    Raises UserError where the folder cannot be written.
    """
    is_new = not exists(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be made: {reason(error)}", hint="name another with --out"
        ) from None
    taken: set[str] = set()
    for index, tune in enumerate(tunes, 1):
        stem = _unique(file_stem(tune, index), taken)
        done = Exported(tune)
        if tune.empty:
            _keep_bad(done, folder / f"{stem}.bad.abc", "there is no note in it", options)
        else:
            _export_one(done, folder / stem, options, index)
        yield done
    if is_new:
        with suppress(OSError):  # unless something is in it
            folder.rmdir()


def file_stem(tune: Tune, index: int) -> str:
    """A file's name without its ending: the number and the title in plain letters, such as `012-the-kesh`."""
    plain = unicodedata.normalize("NFKD", tune.title).encode("ascii", "ignore").decode().lower()
    title = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:60].rstrip("-")
    number = tune.number if tune.number is not None else index
    return f"{number:03d}-{title or 'untitled'}"


def _unique(stem: str, taken: set[str]) -> str:
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return name


def _export_one(done: Exported, base: Path, options: ExportOptions, index: int) -> None:
    tune = _in_key(done, options)
    playing = _performed(tune, options)
    done.playing = playing
    backing = accompaniment(playing) if options.chords else []
    if options.chords and not backing:
        done.problems.append("it has no chord symbols, so there is no accompaniment")
    number = tune.number if tune.number is not None else index
    for name in options.formats:
        path = base.parent / f"{base.name}.{name}"
        make = partial(_data, name, tune, playing, backing, options, number)
        _write(done, path, make, options)


def _in_key(done: Exported, options: ExportOptions) -> Tune:
    tune, semitones = done.tune, options.transpose
    if options.key:
        interval = interval_to(tune, options.key)
        if interval is None:
            done.problems.append(f"it has no tonic that could be brought to {options.key}")
        else:
            semitones += interval
    return transposed(tune, semitones)


def _performed(tune: Tune, options: ExportOptions) -> Playing:
    if options.tempo:
        tune = replace(tune, tempo=Tempo(options.tempo))
    return perform(tune, repeats=options.repeats, graces=options.graces, swing=options.swing)


def _data(
    name: str,
    tune: Tune,
    playing: Playing,
    backing: list[Note],
    options: ExportOptions,
    number: int,
) -> bytes | str:
    """A tune in one format. What is heavy is imported here: music21 for scores, numpy for sound."""
    if name == "mid":
        return write_midi(playing, program=options.program, accompaniment=backing)
    if name == "abc":
        return write_abc(tune, number=number)
    if name == "wav":
        from corpora.abc.sound import write_wav

        return write_wav(playing, accompaniment=backing)
    if name == "musicxml":
        from corpora.abc.musicxml import write_musicxml

        return write_musicxml(tune)
    from corpora.abc.engraving import write_pdf, write_svg

    svg = write_svg(tune)
    return svg if name == "svg" else write_pdf(svg)


def _write(
    done: Exported, path: Path, make: Callable[[], bytes | str], options: ExportOptions
) -> None:
    """Make and write one file; whatever goes wrong is said, and stops neither its other files nor other tunes."""
    if os.path.lexists(path) and not options.force:
        done.problems.append(f"{path} exists already; --force writes over it")
        done.left.append(path)
        return
    try:
        write_atomic(path, make())
    except UserError as error:
        done.problems.append(error.message + (f" ({error.hint})" if error.hint else ""))
        done.disk_full |= error.hint == FREE_SPACE
    except OSError as error:
        done.problems.append(f"{path} cannot be written: {reason(error)}")
    except (
        Exception
    ) as error:  # music21 and verovio raise what they like; the other tunes must not suffer
        done.problems.append(
            f"no {path.suffix[1:]}: {type(error).__name__} in its writer: {error}"[:300]
        )
    else:
        done.files.append(path)


def _keep_bad(done: Exported, path: Path, why: str, options: ExportOptions) -> None:
    done.problems.append(f"not exported: {why}")
    text = f"% not exported: {why}\n{done.tune.source.rstrip()}\n"
    _write(done, path, lambda: text, options)
