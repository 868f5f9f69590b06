"""What the signs of a tune's body say by themselves: lengths, the time of tuplets, chords, marks of the order of play.

Pure functions from text to values, as fields.py has them for fields; what a sign means where it stands is said by those
who read the body.
"""

from __future__ import annotations

import re

TUPLET_TIMES = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""In the time of how many notes a tuplet goes; the others in that of 2, or of 3 in compound metre (ABC 2.1, 4.13)."""

_MARKS = {
    "segno": "segno", "S": "segno", "coda": "coda", "O": "coda", "fine": "fine",
    "dacapo": "dacapo", "d.c.": "dacapo", "d.c.alfine": "dacapo", "d.c.alcoda": "dacapo", "dacoda": "tocoda",
    "tocoda": "tocoda", "d.s.": "dalsegno", "d.s.alfine": "dalsegno", "d.s.alcoda": "dalsegno", "dalsegno": "dalsegno",
}  # fmt: skip

_CHORD = re.compile(
    r"(?:[A-G][#b♯♭]?)?"  # the root; without one it says more about the chord before it: `D m`, `G7(b9)`
    r"(?:major|minor|maj|Maj|ma|M|min|mi|m|dim|d|aug|a|\+|-|°|ø|o)?"  # d and a: Nottingham's diminished and augmented
    r"(?:[#b♯♭+/-]?[0-9]|maj|Maj|M|sus|add|no|omit|dim|aug|alt|\+(?![0-9]))*"
    r"(?:/[A-Ga-g][#b♯♭+]?)?"
)


def is_chord(text: str) -> bool:
    """Whether what stands in quotes is a chord symbol or several (`F#m/e`, `(D)`, `G(Em)`), not words like `Fine`."""
    spelled = re.sub(r"\s*/\s*", "/", text.rstrip("*!?"))
    parts = re.findall(r"[^\s()\[\],;]+", re.sub(r"-(?=[A-G])", " ", spelled))
    return (
        bool(parts) and parts[0][0] in "ABCDEFG" and all(_CHORD.fullmatch(part) for part in parts)
    )


def mark_of(name: str) -> str | None:
    """What a decoration says about the order of play: segno, coda, tocoda, fine, dacapo, dalsegno; None for others."""
    return _MARKS.get(name if len(name) == 1 else re.sub(r"\s", "", name.lower()))


def fraction(text: str) -> tuple[int, int]:
    """A length's numerator and denominator: `3/2`, `/` (1/2), `//` (1/4), `/4`, `2`; of long numbers four digits."""
    head, slash, tail = text.partition("/")
    n = int(head[:4]) if head else 1
    if not slash:
        return n, 1
    digits = re.findall(r"[0-9]+", tail)
    if not digits:
        return n, 2 ** min(len(text) - len(head), 10)
    d = 1
    for part in digits[:4]:
        d *= int(part[:4])
    return n, max(d, 1)
