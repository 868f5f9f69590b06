"""A tune in another key: every note, key and chord symbol moved by the same interval, and spelled as the key spells.

Used by `export --transpose` and `--key`, and to have a model learn tunes in all keys or in one.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace

from corpora.abc.fields import key_of, signature
from corpora.abc.tune import LETTERS, SEMITONES, Change, Event, Item, Key, Pitch, Tune

_ROOT = re.compile(r"([A-G])([#b♯♭]?)")
_SIGNS = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}


def transposed(tune: Tune, semitones: int) -> Tune:
    """A new tune, `semitones` higher, in the key with the fewest signs; the old one is left as it was."""
    if not semitones:
        return tune
    steps = _steps(tune.key, semitones)
    new = copy.copy(tune)
    new.key = _key(tune.key, semitones, steps)
    new.voices = []
    for voice in tune.voices:
        moved = copy.copy(voice)
        moved.bars = []
        for bar in voice.bars:
            other = copy.copy(bar)
            other.items = [_item(item, semitones, steps) for item in bar.items]
            other.overlays = [[_item(i, semitones, steps) for i in layer] for layer in bar.overlays]
            moved.bars.append(other)
        new.voices.append(moved)
    return new


def interval_to(tune: Tune, tonic: str) -> int | None:
    """The semitones, -5 to 6, that bring a tune's tonic to another; None if either has none."""
    wanted = key_of(tonic)
    here = tune.key.tonic_pitch
    if wanted is None or wanted.tonic_pitch is None or here is None:
        return None
    return (wanted.tonic_pitch - here + 5) % 12 - 5


def _steps(key: Key, semitones: int) -> int:
    """The letters that an interval spans, so that the new key has the fewest signs."""
    best: tuple[int, int, int] | None = None
    near = round(semitones * 7 / 12)
    for steps in (near, near - 1, near + 1):
        moved = _key(key, semitones, steps)
        signs = sum(map(abs, moved.accidentals))
        double = any(abs(a) > 1 for a in moved.accidentals)
        rank = (signs + 20 * double, abs(steps - near), steps)
        best = min(best, rank) if best else rank
    assert best is not None
    return best[2]


def _key(key: Key, semitones: int, steps: int) -> Key:
    accidentals = [0] * 7
    for letter, alter in enumerate(key.accidentals):
        moved = _moved(letter, alter, semitones, steps)
        accidentals[moved.position % 7] = moved.alter
    shown = next((f for f in range(-7, 8) if signature(f) == tuple(accidentals)), 0)
    tonic = _root(key.tonic, semitones, steps) if key.tonic else ""
    return replace(key, tonic=tonic, accidentals=tuple(accidentals), fifths=shown)


def _moved(position: int, alter: int, semitones: int, steps: int) -> Pitch:
    target = position + steps
    height = 12 * (position // 7) + SEMITONES[position % 7] + alter + semitones
    return Pitch(target, height - 12 * (target // 7) - SEMITONES[target % 7])


def _pitch(pitch: Pitch, semitones: int, steps: int) -> Pitch:
    moved = _moved(pitch.position, pitch.alter, semitones, steps)
    if abs(moved.alter) > 2:  # G double sharp up a third: take the letter nearer by
        moved = _moved(
            pitch.position, pitch.alter, semitones, steps + (1 if moved.alter > 0 else -1)
        )
    return replace(pitch, position=moved.position, alter=moved.alter)


def _item(item: Item, semitones: int, steps: int) -> Item:
    if isinstance(item, Change):
        value = item.value
        return (
            replace(item, value=_key(value, semitones, steps)) if isinstance(value, Key) else item
        )
    event: Event = copy.copy(item)
    event.pitches = tuple(_pitch(p, semitones, steps) for p in item.pitches)
    event.graces = tuple(_pitch(p, semitones, steps) for p in item.graces)
    if item.symbol:
        event.symbol = _ROOT.sub(lambda m: _root(m[0], semitones, steps), item.symbol)
    return event


def _root(name: str, semitones: int, steps: int) -> str:
    alter = len(re.findall("[#♯]", name)) - len(re.findall("[b♭]", name))
    moved = _moved(LETTERS.index(name[0]), alter, semitones, steps)
    if abs(moved.alter) > 2:
        moved = _moved(
            LETTERS.index(name[0]), alter, semitones, steps + (1 if moved.alter > 0 else -1)
        )
    return LETTERS[moved.position % 7] + _SIGNS.get(moved.alter, "")
