"""The values of ABC's fields: keys, metres, tempi, lengths, the order of parts.

Pure functions from text to values; each gives None (or says so) where the text means nothing, and never raises.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from corpora.abc.tune import LETTERS, QUARTER, WHOLE, Key, Meter, Tempo

MODES = {
    "maj": ("major", 0),
    "ion": ("ionian", 0),
    "mix": ("mixolydian", -1),
    "dor": ("dorian", -2),
    "min": ("minor", -3),
    "aeo": ("aeolian", -3),
    "phr": ("phrygian", -4),
    "loc": ("locrian", -5),
    "lyd": ("lydian", 1),
}
"""By the first three letters: the mode's name and its place on the circle of fifths against major."""

_SHARPS = "FCGDAEB"
_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_KEY = re.compile(r"\s*([A-Ga-g])([#b♯♭]?)\s*(.*)", re.DOTALL)
_MODE = re.compile(r"(maj|ion|mix|dor|min|aeo|phr|loc|lyd)[a-z]*|m(?![a-z])", re.IGNORECASE)
_ACCIDENTAL = re.compile(r"(\^\^|\^|__|_|=)\s*([A-Ga-g])")
_SHIFT = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}

TEMPO_WORDS = {
    "larghissimo": 40, "adagissimo": 44, "lentissimo": 48, "largo": 56, "adagio": 59, "lento": 62,
    "larghetto": 66, "adagietto": 74, "andante": 88, "andantino": 96, "moderato": 104, "allegretto": 112,
    "allegro": 120, "vivace": 168, "vivo": 180, "presto": 192, "allegrissimo": 208, "vivacissimo": 220,
    "prestissimo": 240, "slow": 70, "lively": 132, "brisk": 126, "quick": 132,
}  # fmt: skip
"""Quarters a minute for the words that stand in Q: alone."""

RHYTHM_TEMPI = {
    "slip jig": (3, 8, 110), "double jig": (3, 8, 112), "single jig": (3, 8, 120), "slide": (3, 8, 130),
    "jig": (3, 8, 112), "hornpipe": (1, 2, 80), "reel": (1, 2, 100), "polka": (1, 4, 130), "waltz": (1, 4, 140),
    "strathspey": (1, 2, 72), "march": (1, 4, 110), "mazurka": (1, 4, 130), "barndance": (1, 2, 84),
    "schottische": (1, 2, 78), "fling": (1, 2, 84), "clog": (1, 2, 80), "quadrille": (1, 4, 120), "air": (1, 4, 80),
    "slow air": (1, 4, 60), "song": (1, 4, 96),
}  # fmt: skip
"""What a rhythm (R:) is usually played at: so many of that note a minute."""


@lru_cache(maxsize=4096)
def key_of(text: str) -> Key | None:
    """The key that `K:` names, its clef and other words left out; None if it names none.

    `exp` takes only the accidentals that stand there; otherwise they are added to the mode's. HP and Hp are the
    highland pipes' (two sharps; HP shows none). A mode is read by its first three letters, in either case.
    """
    words = re.sub(
        r"\b(?:clef|octave|transpose|middle|m|t|stafflines|staffscale|style|name|nm)=\S*", " ", text
    ).strip()
    if not words:
        return None
    if words.lower().startswith("none"):
        return Key("", "none", (0,) * 7, 0)
    if words[:2] in ("HP", "Hp"):
        # Both sound F and C sharp on the pipes (ABC 2.1, 3.1.14).
        return Key("A", "mixolydian", signature(2), 2)
    match = _KEY.match(words)
    if not match or (match[1].islower() and not _MODE.match(match[3]) and match[3]):
        accidentals = _accidentals(words, [0] * 7)
        return (
            Key("", "none", accidentals, _fifths(accidentals), True) if any(accidentals) else None
        )
    letter, sharp, rest = match[1].upper(), match[2], match[3]
    mode, offset = "major", 0
    found = _MODE.match(rest)
    if found:
        short = found[0][:3].lower()
        mode, offset = MODES.get(short, MODES["min"])  # `m` alone, in either case
        rest = rest[found.end() :]
    shift = {"#": 1, "♯": 1, "b": -1, "♭": -1}.get(sharp, 0)
    tonic = letter + {1: "#", -1: "b", 0: ""}[shift]
    fifths = _FIFTHS[letter] + 7 * shift + offset
    # Keys of theory (G# major) have double accidentals; few readers show them, all hear them.
    shown = max(-7, min(7, fifths))
    base = list(signature(fifths))
    exp = re.match(r"\s*exp\b", rest, re.IGNORECASE)
    if exp:
        base, rest = [0] * 7, rest[exp.end() :]
    accidentals = _accidentals(rest, base)
    explicit = bool(exp) or accidentals != signature(fifths)
    return Key(tonic, mode, accidentals, shown, explicit)


@lru_cache(maxsize=64)
def signature(fifths: int) -> tuple[int, ...]:
    """The alterations of C D E F G A B in a key so many fifths above C (up to 14 either way)."""
    order = _SHARPS if fifths > 0 else _SHARPS[::-1]
    changes = dict.fromkeys(LETTERS, 0)
    for i in range(min(abs(fifths), 14)):
        changes[order[i % 7]] += 1 if fifths > 0 else -1
    return tuple(changes[letter] for letter in LETTERS)


def _accidentals(text: str, base: list[int]) -> tuple[int, ...]:
    for sign, letter in _ACCIDENTAL.findall(text):
        base[LETTERS.index(letter.upper())] = _SHIFT[sign]
    return tuple(base)


def _fifths(accidentals: tuple[int, ...]) -> int:
    for fifths in range(-7, 8):
        if signature(fifths) == accidentals:
            return fifths
    return 0


_CLEF = re.compile(
    r"(?:^|[\s=])(treble|alto|tenor|bass|soprano|mezzo|baritone|perc)\w*?([+-]?8(?:va)?)?(?=\s|$)"
)


@lru_cache(maxsize=1024)
def clef_of(text: str) -> tuple[str, int] | None:
    """The clef's name and the semitones by which the text asks to be shifted; None where it says nothing of either.

    `octave=-1`, `transpose=-12` (also `t=`) and a clef's `-8`, `+8`, `-8va` shift what sounds.
    """
    clef = _CLEF.search(text)
    shift, said = 0, clef is not None
    for octave in re.findall(r"\boctave=(-?\d)", text)[:1]:
        shift, said = shift + 12 * int(octave), True
    for semitones in re.findall(r"\b(?:transpose|t)=(-?\d{1,2})", text)[:1]:
        shift, said = shift + int(semitones), True
    ottava = re.search(r"(?:^|[\s\w])([+-])8(?:va)?(?=\s|$)", text)
    if ottava:
        shift, said = shift + (12 if ottava[1] == "+" else -12), True
    if not said:
        return None
    return (clef[1] + (clef[2] or "") if clef else ""), max(-48, min(48, shift))


@lru_cache(maxsize=1024)
def meter_of(text: str) -> Meter | None:
    """The metre that `M:` names: C, C|, 6/8, 2+3/8, (2+3)/8, none; None if it names none of at most 32 whole notes."""
    word = text.strip()
    if word.lower() in ("none", "") or word.lower().startswith("none"):
        return Meter(0, 0)
    if word.startswith("C|"):
        return Meter(2, 2, "C|")
    if re.match(r"C(?![A-Za-z])", word):
        return Meter(4, 4, "C")
    match = re.search(r"\(?([0-9]{1,3}(?:[ +]+[0-9]{1,3}){0,11})\)?\s*/\s*([0-9]{1,3})", word)
    if not match:
        return None
    groups = tuple(int(n) for n in re.findall(r"[0-9]+", match[1]))
    beats, unit = sum(groups), int(match[2])
    if unit not in (1, 2, 4, 8, 16, 32, 64, 128) or not 1 <= beats <= 32 * unit or 0 in groups:
        return None
    return Meter(beats, unit, "", groups if len(groups) > 1 else ())


@lru_cache(maxsize=1024)
def unit_of(text: str) -> int | None:
    """The unit note length that `L:` names, in units of time; None unless it is 1/1 to 1/512 with a power of two."""
    match = re.match(r"\s*([0-9]{1,3})(?:\s*/\s*([0-9]{1,3}))?", text)
    if not match:
        return None
    n, d = int(match[1]), int(match[2] or 1)
    if not n or d not in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) or n > 4 * d:
        return None
    return WHOLE * n // d


def default_unit(meter: Meter) -> int:
    """The unit where there is no `L:`: a sixteenth for metres below 3/4, else an eighth (ABC 2.1, 3.1.7)."""
    return (
        WHOLE // 16
        if meter.length and Fraction(meter.beats, meter.unit) < Fraction(3, 4)
        else WHOLE // 8
    )


@lru_cache(maxsize=1024)
def tempo_of(text: str, unit: int) -> Tempo | None:
    """The tempo that `Q:` names; None if it names none. `unit` is the unit note length, which `Q:120` counts.

    Reads `1/4=120`, `1/4 3/8=40`, `"Allegro" 1/4=120`, `C=120`, `C3=40`, `120` and `"Allegro"`. Kept within 10 to 1,000
    quarters a minute.
    """
    words = " ".join(re.findall(r'"([^"]*)"', text)).strip()
    rest = re.sub(r'"[^"]*"', " ", text)
    match = re.search(r"([0-9C/\s]*)=\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)", rest)
    if match:
        notes = re.findall(r"([0-9]{1,6})\s*/\s*([0-9]{1,6})", match[1])
        beat = sum(WHOLE * int(n) // int(d) for n, d in notes if int(d))
        if not beat:
            old = re.search(r"C([0-9]{0,2})", match[1])
            beat = unit * int((old[1] if old else "") or 1)
        return _tempo(float(match[2]), beat, words)
    plain = re.match(r"\s*([0-9]{1,4})\s*(?:$|%)", rest)
    if plain:
        return _tempo(float(plain[1]), unit, words)
    for word in re.findall(r"[a-z]+", (words or rest).lower()):
        if word in TEMPO_WORDS:
            return Tempo(float(TEMPO_WORDS[word]), words)
    return None


def _tempo(count: float, beat: int, words: str) -> Tempo | None:
    if not WHOLE // 64 <= beat <= 4 * WHOLE:
        return None
    quarters = count * beat / QUARTER
    return Tempo(max(10.0, min(1000.0, quarters)), words, beat) if quarters > 0 else None


def default_tempo(rhythm: str, meter: Meter) -> Tempo:
    """The tempo of a tune that states none: by its rhythm, else 120 beats of its metre a minute."""
    wanted = rhythm.lower()
    for name in sorted(RHYTHM_TEMPI, key=len, reverse=True):
        if name in wanted:
            n, d, count = RHYTHM_TEMPI[name]
            return Tempo(count * 4 * n / d, "", WHOLE * n // d)
    if meter.compound and meter.unit == 8:
        return Tempo(180.0, "", 3 * WHOLE // 8)
    return Tempo(120.0, "", QUARTER)


def part_order(text: str, *, most: int = 200) -> str:
    """The parts that `P:` lists, one letter each: `A(BC)2.A` is ABCBCA; at most `most` of them."""
    words = text.split("%")[0]
    stack: list[str] = [""]
    last = ""  # what a number repeats
    for part in re.findall(r"[A-Z]|[0-9]{1,3}|[()]", words[:1000]):
        if part.isdigit():
            stack[-1] += last * (min(int(part), most) - 1)
            last = ""
        elif part == "(":
            if len(stack) < 16:
                stack.append("")
            last = ""
        elif part == ")":
            if len(stack) > 1:
                last = stack.pop()
                stack[-1] += last
        else:
            last = part
            stack[-1] += part
        stack[-1] = stack[-1][:most]
    return "".join(stack)[:most]
