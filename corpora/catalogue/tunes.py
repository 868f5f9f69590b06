"""`abc-tunes`: the folk tunes that music21 carries, read from its files without importing it (that costs 3 s)."""

from __future__ import annotations

import importlib.util
import random
import re
from collections.abc import Iterator
from pathlib import Path

from checkpoints.errors import CorpusError

BOOKS = ("airdsAirs", "oneills1850", "ryansMammoth")
"""The folders of music21's corpus that hold dance tunes: Aird's Airs, O'Neill's Music of Ireland, Ryan's Mammoth."""

KEPT = "XTRMLK"
"""Header fields that are kept, in the order in which they are written."""

_HEAD = re.compile(r"^X:", re.MULTILINE)
_SPACES = re.compile(r"[ \t]{2,}|\t")
_FIELD = re.compile(r"([A-Za-z]):[ \t]*(.*)")


def make() -> str:
    """All tunes of the three books, numbered anew in a seeded order; the same music21 gives the same text."""
    tunes = {tune: None for text in _books() for tune in cut(text)}
    order = sorted(tunes)
    random.Random(0).shuffle(order)
    return "".join(f"X:{i}\n{tune}\n" for i, tune in enumerate(order, 1))


def cut(text: str) -> Iterator[str]:
    """Each tune of an ABC file without its number: its header cut to T, R, M, L and K, its comments dropped.

    A tune without a key or a note is left out, and so is one for several voices.
    """
    for tune in _HEAD.split(text)[1:]:
        # A blank line ends a tune; what follows belongs to the file.
        lines = tune.split("\n\n")[0].split("\n")[1:]
        fields: dict[str, str] = {}
        body: list[str] = []
        voices = False
        for line in lines:
            # Back-ticks and runs of spaces only align a tune's lines under one another.
            line = _SPACES.sub(" ", line.split("%")[0].replace("`", "")).rstrip()
            field = _FIELD.fullmatch(line)
            if field is None:
                if line and "K" in fields:
                    body.append(line)
            elif "K" not in fields:
                fields.setdefault(field[1], field[2])
                voices = voices or field[1] == "V"
            elif field[1] in "MLK":
                body.append(f"{field[1]}:{field[2]}")
            else:
                voices = voices or field[1] == "V"
        if "K" in fields and "|" in "".join(body) and not voices:
            header = [f"{letter}:{fields[letter]}" for letter in KEPT if fields.get(letter)]
            yield "\n".join([*header, *body]) + "\n"


def _books() -> Iterator[str]:
    spec = importlib.util.find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise CorpusError(
            "music21, whose tunes make this corpus, is not installed",
            hint="reinstall rnnstudio; music21 comes with it",
        )
    corpus = Path(spec.submodule_search_locations[0]) / "corpus"
    files = [path for book in BOOKS for path in sorted((corpus / book).glob("*.abc"))]
    if not files:
        raise CorpusError(
            f"{corpus} holds no tunes: this music21 was installed without its corpus",
            hint="pip install --force-reinstall music21",
        )
    for path in files:
        data = path.read_bytes()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        yield text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
