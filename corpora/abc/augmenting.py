"""What a tune is learned as: in its own key, in one, or in all twelve; with its title and chord symbols, or without.

The text is changed where it must be and nowhere else, so that layout, ornaments and spelling stay those of the book:
transposed, each note's token becomes another one (its letter moves, its accidental with it), whatever stands around
it. Accidentals hold to the bar's end for letters, and all letters move by as many steps, so the notes come out right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from checkpoints.errors import ConfigError
from corpora.abc.book import read_tune
from corpora.abc.fields import key_of
from corpora.abc.lexer import FIELD, NOTE, tokens
from corpora.abc.reader import looks_like_music
from corpora.abc.signs import is_chord
from corpora.abc.transposing import key_moved, moved, nameable, root_moved, spellings, transposed
from corpora.abc.tune import LETTERS, Key
from corpora.abc.writer import SIGNS, key_text, write_abc

ALL = "all"
ALL_KEYS = range(-5, 7)
"""The intervals, in semitones, that bring a tune to all twelve keys, its own among them, as near as can be."""

_ROWS = re.compile(r"[^\n]*\n|[^\n]+")
_KEY_FIELD = re.compile(r"^([ \t]{0,8}K:[ \t]*)([^\n%]*)", re.MULTILINE)
_INLINE_KEY = re.compile(r"(\[ ?K:)([^\]]*)(\])")
_BESIDE = re.compile(r"\S+=\S*|(?:treble|alto|tenor|bass)\S*|[+-]8(?:va)?(?=\s|$)")
"""What may stand in K: beside the key."""
_FIELD = re.compile(rf"{FIELD}|\+:|%")
_TITLE = re.compile(r"[ \t]{0,8}T:")
_MOVED = frozenset(("note", "inline", "symbol", "decoration"))
_SHIFT = {"": 0, **{sign: alter for alter, sign in SIGNS.items()}}


class Rewriting:
    """Writes the pieces of a tune book, one after the other, as they are to be learned.

    `transpose` is "all", a tonic, or "" for each tune's own key; a tune without a tonic stays in its own. Raises
    ConfigError for what is no key.
    """

    def __init__(self, *, transpose: str, titles: bool, chords: bool) -> None:
        tonic = key_of(transpose) if transpose not in ("", ALL) else Key()
        if tonic is None or tonic.tonic_pitch is None:
            raise ConfigError(
                f"--transpose {transpose!r} is no key", hint="use all, or a tonic such as D or Bb"
            )
        self.transpose, self.tonic = transpose, tonic.tonic_pitch
        self.titles, self.chords = titles, chords

    def __call__(self, piece: str, held_out: bool) -> Iterator[str]:
        """The piece in each key in which it is learned: "all" gives twelve, but one of what is held out."""
        plain = stripped(piece, titles=self.titles, chords=self.chords)
        key = _key_of(plain)
        tonic = key.tonic_pitch if key is not None and self.transpose else None
        if key is None or tonic is None or (self.transpose == ALL and held_out):
            return iter((plain,))
        return in_keys(plain, key, ALL_KEYS if self.transpose == ALL else [self._nearest(tonic)])

    def _nearest(self, tonic: int) -> int:
        return (self.tonic - tonic + 5) % 12 - 5


def _key_of(piece: str) -> Key | None:
    field = _KEY_FIELD.search(piece)
    return key_of(field[2]) if field else None


def stripped(piece: str, *, titles: bool, chords: bool) -> str:
    """A tune's text without its titles, or without what stands in quotes above the staff."""
    if titles and chords:
        return piece
    rows = piece.split("\n")
    if not titles:
        rows = [row for row in rows if not _TITLE.match(row)]
    if not chords:
        rows = [
            row if _FIELD.match(row) else "".join(t.text for t in tokens(row) if t.kind != "symbol")
            for row in rows
        ]
    return "\n".join(rows)


def in_keys(piece: str, key: Key, intervals: Iterable[int]) -> Iterator[str]:
    """The text of a tune in `key` so many semitones higher, each time in the key with the fewest signs."""
    signs = list(_signs(piece))
    for semitones in intervals:
        if not semitones:
            yield piece
            continue
        for steps in spellings(key, semitones):
            try:
                yield "".join(_moved(kind, text, semitones, steps) for kind, text in signs)
                break
            except _NoSuchNoteError:
                continue
        else:  # written anew, note for note
            tune = read_tune(piece)
            yield write_abc(transposed(tune, semitones), titles=bool(tune.titles), notes=False)


class _NoSuchNoteError(Exception):
    """A note or key that would need three sharps or flats."""


def _signs(piece: str) -> Iterator[tuple[str, str]]:
    """A tune's text as (kind, text): what moves by its kind, fields and prose by none."""
    for row in _ROWS.findall(piece):
        field = _KEY_FIELD.match(row)
        if field:
            yield "", field[1]
            yield "key", field[2]
            yield "", row[field.end() :]
        elif _FIELD.match(row) or not looks_like_music(row.rstrip("\n")):
            yield "", row
        else:
            for kind, text, _ in tokens(row):
                yield kind if kind in _MOVED else "", text


@lru_cache(maxsize=1 << 16)
def _moved(kind: str, text: str, semitones: int, steps: int) -> str:
    if kind == "key":
        return _key(text, semitones, steps)
    if kind == "note":
        return _note(text, semitones, steps)
    if kind == "inline":
        return _INLINE_KEY.sub(lambda m: m[1] + _key(m[2], semitones, steps) + m[3], text)
    if kind == "symbol" and is_chord(text[1:-1]):
        return root_moved(text, semitones, steps)
    if kind == "decoration" and text[0] == "+" and re.fullmatch(r"\+[\^_=A-Ga-g,'0-9/]+\+", text):
        return NOTE.sub(lambda m: _note(m[0], semitones, steps), text)  # ABC 1.6's chord
    return text


def _note(text: str, semitones: int, steps: int) -> str:
    match = NOTE.fullmatch(text)
    assert match is not None  # the lexer's pattern
    sign, letter, marks = match[1] or "", match[2], match[3]
    octaves = marks.count("'") - marks.count(",") + letter.islower()
    position = LETTERS.index(letter.upper()) + 7 * octaves
    if sign:
        pitch = moved(position, _SHIFT[sign], semitones, steps)
        if pitch.alter not in SIGNS:
            raise _NoSuchNoteError
        sign = SIGNS[pitch.alter]
    octaves, letter_index = divmod(position + steps, 7)
    name = LETTERS[letter_index]
    if octaves > 0:
        return sign + name.lower() + "'" * (octaves - 1)
    return sign + name + "," * -octaves


def _key(value: str, semitones: int, steps: int) -> str:
    key = key_of(value)
    if key is None or (key.mode == "none" and not key.explicit):
        return value
    new = key_moved(key, semitones, steps)
    if not nameable(new):
        raise _NoSuchNoteError
    beside = " ".join(_BESIDE.findall(value))
    return key_text(new) + (f" {beside}" if beside else "")
