"""A tune's files beside its run: ABC, MIDI, MusicXML, WAV and score under one name, none ever written over.

The ABC says whose the name is: where it is this very tune, what is there is this export's, and only what is missing is
made.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from checkpoints.files import DISK, write_atomic
from corpora.abc.exporting import file_stem
from corpora.abc.tune import Tune

KINDS = {"mid": "MIDI", "musicxml": "MusicXML", "wav": "WAV", "svg": "score"}
"""What is made of the ABC, by file name ending."""


def stem_of(tune: Tune, semitones: int, quarters: float | None) -> str:
    """Number and title, as `rnnstudio export` has them, and what was changed: `016-chane-jig-up-2-tempo-140`."""
    stem = file_stem(tune, 1)
    if semitones:
        stem += f"-{'up' if semitones > 0 else 'down'}-{abs(semitones)}"
    return stem if quarters is None else f"{stem}-tempo-{quarters:g}"


def begun(folder: Path, stem: str, abc: str) -> str:
    """Write the ABC, if it is not there; the name that this tune's files have: `stem`, or that and a number where other
    files are called so.

    Raises OSError and UserError.
    """
    folder.mkdir(exist_ok=True)
    name, count = stem, 1
    while True:
        book = folder / f"{name}.abc"
        if book.is_file():
            if book.read_bytes() == abc.encode():
                return name
        elif not book.exists() and len(missing(folder, name, KINDS)) == len(KINDS):
            write_atomic(book, abc)
            return name
        count += 1
        name = f"{stem}-{count}"


def missing(folder: Path, name: str, kinds: Iterable[str]) -> list[str]:
    """Of these kinds those that the tune of this name has no file of."""
    return [kind for kind in kinds if not (folder / f"{name}.{kind}").exists()]


def bring(made: Path, folder: Path, name: str, kinds: Iterable[str]) -> None:
    """Bring the files of one tune from the folder where they were made to their place and name. Raises OSError."""
    for kind in kinds:
        for file in made.glob(f"*.{kind}"):
            DISK.rename(file, folder / f"{name}.{kind}")
