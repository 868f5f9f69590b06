"""A tune in another key: every note, key and chord symbol moved by the same interval, and spelled as the key spells.

Used by `export --transpose` and `--key`; augmenting.py moves a tune's text by the same rules.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace

from corpora.abc.fields import key_of, signature
from corpora.abc.tune import LETTERS, SEMITONES, Change, Event, Item, Key, Pitch, Tune

_ROOT = re.compile(r"([A-G])(##|bb|[#b♯♭]?)|(?<=/)([a-g])([#b♯♭+]?)")
_ALTER = {"": 0, "#": 1, "♯": 1, "+": 1, "##": 2, "b": -1, "♭": -1, "bb": -2}
_SIGNS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}


def transposed(tune: Tune, semitones: int) -> Tune:
    """A new tune, `semitones` higher, in the key with the fewest signs; the old one is left as it was."""
    if not semitones:
        return tune
    steps = spellings(tune.key, semitones)[0]
    new = copy.copy(tune)
    new.key = key_moved(tune.key, semitones, steps)
    new.voices = []
    for voice in tune.voices:
        other_voice = copy.copy(voice)
        other_voice.bars = []
        for bar in voice.bars:
            other = copy.copy(bar)
            other.items = [_item(item, semitones, steps) for item in bar.items]
            other.overlays = [[_item(i, semitones, steps) for i in layer] for layer in bar.overlays]
            other_voice.bars.append(other)
        new.voices.append(other_voice)
    return new


def interval_to(tune: Tune, tonic: str) -> int | None:
    """The semitones, -5 to 6, that bring a tune's tonic to another; None if either has none."""
    wanted = key_of(tonic)
    here = tune.key.tonic_pitch
    if wanted is None or wanted.tonic_pitch is None or here is None:
        return None
    return (wanted.tonic_pitch - here + 5) % 12 - 5


def spellings(key: Key, semitones: int) -> list[int]:
    """The letters that an interval may span, first those that give the new key the fewest signs."""
    near = round(semitones * 7 / 12)

    def rank(steps: int) -> tuple[int, int, int]:
        accidentals = key_moved(key, semitones, steps).accidentals
        double = any(abs(a) > 1 for a in accidentals)
        return sum(map(abs, accidentals)) + 20 * double, abs(steps - near), steps

    return sorted((near - 1, near, near + 1), key=rank)


def key_moved(key: Key, semitones: int, steps: int) -> Key:
    """The key with its tonic and each accidental moved; one without a tonic shows its accidentals."""
    accidentals = [0] * 7
    for letter, alter in enumerate(key.accidentals):
        new = moved(letter, alter, semitones, steps)
        accidentals[new.position % 7] = new.alter
    shown = next((f for f in range(-7, 8) if signature(f) == tuple(accidentals)), 0)
    tonic = root_moved(key.tonic, semitones, steps)
    explicit = key.explicit or not tonic
    return replace(
        key, tonic=tonic, accidentals=tuple(accidentals), fifths=shown, explicit=explicit
    )


def nameable(key: Key) -> bool:
    """Whether K: can say it: with one sharp or flat at its tonic, two at its notes."""
    return len(key.tonic) <= 2 and all(abs(alter) <= 2 for alter in key.accidentals)


def moved(position: int, alter: int, semitones: int, steps: int) -> Pitch:
    """The pitch so many letters up, altered so that it is so many semitones up."""
    target = position + steps
    height = 12 * (position // 7) + SEMITONES[position % 7] + alter + semitones
    return Pitch(target, height - 12 * (target // 7) - SEMITONES[target % 7])


def root_moved(text: str, semitones: int, steps: int) -> str:
    """A chord symbol, or a tonic, with each root and bass in it moved."""

    def root(match: re.Match[str]) -> str:
        letter, sign = match[1] or match[3], match[2] or match[4] or ""
        new = _readable(LETTERS.index(letter.upper()), _ALTER[sign], semitones, steps)
        name = LETTERS[new.position % 7]
        return (name.lower() if letter.islower() else name) + _SIGNS[new.alter]

    return _ROOT.sub(root, text)


def _readable(position: int, alter: int, semitones: int, steps: int) -> Pitch:
    """The same; one that would need three signs (G double sharp up a third) by the letter next to it."""
    new = moved(position, alter, semitones, steps)
    if abs(new.alter) > 2:
        new = moved(position, alter, semitones, steps + (1 if new.alter > 0 else -1))
    return new


def _pitch(pitch: Pitch, semitones: int, steps: int) -> Pitch:
    new = _readable(pitch.position, pitch.alter, semitones, steps)
    return replace(pitch, position=new.position, alter=new.alter)


def _item(item: Item, semitones: int, steps: int) -> Item:
    if isinstance(item, Change):
        if not isinstance(item.value, Key):
            return item
        key = key_moved(item.value, semitones, steps)
        if not nameable(key):  # far from the tune's own: as it is spelled best by itself
            key = key_moved(item.value, semitones, spellings(item.value, semitones)[0])
        return replace(item, value=key)
    event: Event = copy.copy(item)
    event.pitches = tuple(_pitch(p, semitones, steps) for p in item.pitches)
    event.graces = tuple(_pitch(p, semitones, steps) for p in item.graces)
    event.symbol = root_moved(item.symbol, semitones, steps)
    return event
