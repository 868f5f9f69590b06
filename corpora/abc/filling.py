"""Bars filled character by character: after each, which characters keep the promise that every bar is full.

An automaton: `step(state, character)` gives the state after it, or None where a bar could no longer come out at the
metre's length. It allows less than ABC has, so that from every state there is a way on to a full bar: no lengths inside
tuplets, broken rhythm between equal notes, whole notation only (no overlays, no signs that mean nothing).

The first bar may be short, a pickup. Where a repeat, an ending or a double bar divides, the bar may be short by just
that pickup; behind a repeat the next bar may be a pickup again, behind a double bar it must, so that two make one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from corpora.abc import fields
from corpora.abc.body import fraction
from corpora.abc.tune import WHOLE, Meter

MAX_CHORD, MAX_GRACES, MAX_ASIDE, MAX_IDLE = 4, 6, 40, 16
"""Notes of a chord and of a grace; characters in quotes, of a decoration or a field; signs between two notes."""

TIMES = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""In the time of how many notes a tuplet goes; the others in that of 2, or of 3 in compound metre."""

_LENGTHS = tuple(
    dict.fromkeys(
        [*map(str, range(1, 33)), "/", "//"]
        + [f"{n if n > 1 else ''}/{d}" for d in (2, 4, 8, 16) for n in range(1, 32, 2)]
        + [f"{n}/" for n in range(3, 32, 2)]
    )
)
_NOTES = "ABCDEFGabcdefg"
_ORNAMENTS = ".~HLMOPSTuv"
_FIELDS = "HIKLMNOPQRSTUVWXYZmrsw"
"""Letters that, with a colon, make a line a field; A to G are notes too, and are left to them."""

Mode = Literal[
    "", "bar", "divides", "colon", "repeat", "bracket", "paren", "tuplet", "broken", "chord", "grace",
    "quote", "decoration", "inline", "letter", "field", "comment", "ended", "header", "lost",
]  # fmt: skip


class State(NamedTuple):
    """Where a tune stands. Times are those of `corpora.abc.tune`."""

    mode: Mode = "header"
    full: int = 0
    """The metre's length; 0 asks for nothing."""
    goal: int = 0
    """The length of the bar that is being filled: the metre's, or that of the pickup where one must stand."""
    unit: int = 0
    grain: int = 0
    """What is left of a bar is always a multiple of it."""
    time: int = 0
    """What is filled, but for the last note."""
    base: int = 0
    """The last note's time without its length; 0 where none may follow."""
    length: str = ""
    begun: bool = False
    """Whether a bar was ended: the first may be short."""
    pickup: int = 0
    """How long the short first bar was."""
    again: bool = False
    """Whether the pickup may stand here once more."""
    tuplet: int = 0
    """Notes that a tuplet still asks for."""
    share: int = 0
    """The time of each."""
    beat: int = 2
    """How many notes' time the odd tuplets take: 3 in compound metre."""
    owed: bool = False
    """Whether a broken rhythm asks for its second note."""
    sign: str = ""
    """An accidental that waits for its note."""
    marks: bool = False
    """Whether octave marks may follow."""
    ending: int = 0
    """The ending that was opened last, until the second one is."""
    idle: int = 0
    """Signs since the last note."""
    held: int = 0
    """Notes of a chord or grace, characters of an aside, signs of a broken rhythm."""
    line: str = ""
    """What the line begins with; of a field or aside, all of it."""


def step(state: State, character: str) -> State | None:
    """The state after one more character; None where it would break a bar."""
    return _STEPS[state.mode](state, character)


def may_end(state: State) -> bool:
    """Whether the tune may end here."""
    if state.mode in ("header", "lost", "ended"):
        return True
    if state.mode not in ("", "bar", "repeat", "letter", "field", "comment"):
        return False
    settled = _settled(state)
    return settled is not None and _closed(settled, divides=True) is not None


# -- fields -----------------------------------------------------------------------------------------------------------


def _header(state: State, c: str) -> State | None:
    """A header's line. Behind X: there are fields only, for music would end the header."""
    line = state.line
    named = c == ":" if len(line) == 1 and line != "%" else True
    begun = c in "ABCDEFGHIJKLMNOPQRSTUVWXYZmrsw%\n" if not line else True
    if state.held and not (named and begun):
        return None
    if c == "\n":
        return _field_read(state)
    said = line[:1] in "XMLKV" or len(line) < 2
    return state._replace(line=line + c) if said else state


def _field(state: State, c: str) -> State:
    return _field_read(state) if c == "\n" else state._replace(line=state.line + c)


def _field_read(state: State) -> State:
    """A field is whole: what it says holds from here on. The key ends the header."""
    letter, _, value = state.line.split("%")[0].partition(":")
    body = state.mode != "header"
    state = state._replace(line="", mode="" if body or letter == "K" else "header")
    if letter == "X":
        return State(held=1)
    if letter == "V":
        return state._replace(mode="lost")
    if letter == "M" and (meter := fields.meter_of(value)) is not None:
        beat = 3 if meter.compound else 2
        state = state._replace(full=meter.length, beat=beat, pickup=0, again=False)
    elif letter == "L":
        state = state._replace(unit=fields.unit_of(value) or state.unit)
    return state if state.mode == "header" else _counted(state._replace(held=0))


def _counted(state: State) -> State:
    """The body's state with its unit and its grain: a quarter of the unit, or less where the metre asks for it."""
    unit = state.unit or fields.default_unit(Meter(state.full, WHOLE) if state.full else Meter())
    grain = next((unit // d for d in (4, 8, 16) if state.full % (unit // d) == 0), 0)
    if not (state.full and grain):
        return state._replace(mode="lost")
    goal = state.goal if state.pickup and state.goal == state.pickup else state.full
    return state._replace(unit=unit, grain=grain, goal=goal)


def _letter(state: State, c: str) -> State | None:
    """A line began with a letter: with a colon it is a field, else music."""
    letter = state.line
    state = state._replace(mode="", line="")
    if c == ":":
        settled = _settled(state)
        if settled is None or settled.time or not _free(settled):
            return None
        return settled._replace(mode="field", line=letter + ":")
    after = _music(state._replace(line="+"), letter)
    return after and step(after, c)


# -- bars -------------------------------------------------------------------------------------------------------------


def _closed(state: State, *, divides: bool) -> State | None:
    """The state behind a bar line, if one may stand here."""
    time, full, pickup = state.time, state.full, state.pickup
    if not _free(state):
        return None
    if not time:
        return state
    short = divides and pickup > 0 and time == full - pickup
    first = not state.begun and time < full
    if not (
        time == state.goal or short or first or (state.again and time == pickup and not divides)
    ):
        return None
    return state._replace(
        time=0,
        idle=0,
        goal=full,
        begun=True,
        pickup=time if first and 2 * time <= full else pickup,
        again=bool(short),
    )


def _free(state: State) -> bool:
    """Whether nothing is open that asks for a note."""
    return not (state.tuplet or state.owed or state.sign)


def _bar(state: State, c: str) -> State | None:
    """Behind a bar line, which may go on."""
    if c in "|:]":
        state = _doubled(state) if state.mode == "bar" and c != ":" else state
        return state._replace(mode="") if c == "]" else state
    return _ending(state, c) if c in "123456789" else _music(state._replace(mode=""), c)


def _ending(state: State, c: str) -> State | None:
    """Endings come in order: the first, then the second."""
    number = int(c)
    if number != state.ending + 1:
        return None
    return state._replace(mode="", ending=number % 2)


def _doubled(state: State) -> State:
    """A double bar: what was short before it is made up for behind it at once."""
    return state._replace(goal=state.pickup, again=False) if state.again else state


def _divides(state: State, c: str) -> State | None:
    """Behind a bar line that must become one that divides."""
    return _bar(state._replace(mode="bar"), c) if c in "|]:" else None


def _colon(state: State, c: str) -> State | None:
    """Behind `:`, which opens `:|` or `::`."""
    if c == ":":
        return state._replace(mode="")
    return state._replace(mode="repeat") if c == "|" else None


def _repeat(state: State, c: str) -> State | None:
    """Behind `:|`: however it goes on, it repeats."""
    return state if c in "|:" else _bar(state, c)


# -- music ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _lengths(base: int, room: int, grain: int) -> frozenset[str]:
    """What may stand behind a note so that the bar can still be filled; "" among them."""
    found = set()
    for text in ("", *_LENGTHS):
        n, d = fraction(text) if text else (1, 1)
        left = room * d - base * n
        if left >= 0 and left % (grain * d) == 0:
            found.add(text)
    return frozenset(found)


@lru_cache(maxsize=4096)
def _beginnings(base: int, room: int, grain: int) -> frozenset[str]:
    return frozenset(text[:i] for text in _lengths(base, room, grain) for i in range(len(text) + 1))


def _settled(state: State) -> State | None:
    """The state with its last note counted; None if its length is not whole yet."""
    if not state.base:
        return state if not state.marks else state._replace(marks=False)
    if state.length not in _lengths(state.base, state.goal - state.time, state.grain):
        return None
    n, d = fraction(state.length) if state.length else (1, 1)
    return state._replace(time=state.time + state.base * n // d, base=0, length="", marks=False)


def _music(state: State, c: str) -> State | None:
    fresh = state.line == ""
    if fresh and c in " \t`y\\":  # the reader takes a line of these for an empty one
        return _settled(state)
    if fresh and c in _FIELDS and not state.sign:
        deferred = state._replace(mode="letter", line=c)
        possible = step(deferred, ":") or _music(state._replace(line="+"), c)
        return possible and deferred
    if c in "0123456789/":
        text = state.length + c
        room = state.goal - state.time
        if not state.base or text not in _beginnings(state.base, room, state.grain):
            return None
        return state._replace(length=text, marks=False)
    if c in ",'":
        return state if state.marks else None
    after = _sign(state, c)
    if after is not None or state.sign:
        return after
    if c in "<>":
        return _broken_begins(state, c)
    settled = _settled(state)
    if settled is None:
        return None
    if c == "\n":
        return _line_end(settled, fresh)
    settled = settled._replace(line="+", idle=settled.idle + 1)
    if c in _NOTES + "zx":
        return _note(settled, marks=c not in "zx")
    if c in "|:" and settled.time:
        return _bar_line(settled, c)
    if settled.idle > MAX_IDLE:
        return None
    if c in " \t-)`\\y" or c in _ORNAMENTS:
        return settled
    if c in "ZX":
        whole = _free(settled) and not settled.time and settled.goal == settled.full
        return settled._replace(time=settled.full) if whole else None
    if c in "|:":
        return _bar_line(settled, c)
    if c == "%":  # the reader weighs a line's words, so that a comment stands by itself
        return settled._replace(mode="comment") if fresh else None
    opened: Mode | None = _OPENS.get(c)
    return settled._replace(mode=opened, held=0) if opened else None


_OPENS: dict[str, Mode] = {
    "[": "bracket", "(": "paren", "{": "grace", '"': "quote", "!": "decoration",
}  # fmt: skip


def _bar_line(state: State, c: str) -> State | None:
    if c == ":":
        closed = _closed(state, divides=True)
        return closed and closed._replace(mode="colon")
    closed = _closed(state, divides=False)
    if closed is not None:
        return closed._replace(mode="bar")
    closed = _closed(state, divides=True)
    return closed and closed._replace(mode="divides")


def _line_end(state: State, fresh: bool) -> State | None:
    if not _free(state):
        return None
    if not fresh:
        return state._replace(line="", idle=state.idle + 1)
    closed = _closed(state, divides=True)  # an empty line ends the tune
    return closed and closed._replace(mode="ended", line="")


def _sign(state: State, c: str) -> State | None:
    """An accidental, or the note that it stands before."""
    if c in "^_=":
        if state.sign:
            return state._replace(sign=2 * c) if state.sign == c != "=" else None
        settled = _settled(state)
        if settled is None or not _room(settled):
            return None
        return settled._replace(sign=c, line="+")
    if not state.sign or c not in _NOTES:
        return None
    return _note(state._replace(sign=""), marks=True)


def _room(state: State) -> bool:
    """Whether a note may come here."""
    if state.tuplet or state.owed:
        return True
    return bool(_lengths(state.unit, state.goal - state.time, state.grain))


def _note(state: State, *, marks: bool) -> State | None:
    """A note, chord or rest."""
    state = state._replace(idle=0)
    if state.tuplet:
        done = state.time + state.share
        return state._replace(time=done, tuplet=state.tuplet - 1, marks=marks)
    if state.owed:
        return state._replace(time=state.time + state.unit, owed=False, marks=marks)
    return state._replace(base=state.unit, length="", marks=marks) if _room(state) else None


def _broken_begins(state: State, c: str) -> State | None:
    """`A>B`: the two have together the time of two units, however many signs stand between."""
    room = state.goal - state.time - 2 * state.unit
    if state.base != state.unit or state.length or room < 0 or state.owed:
        return None
    return state._replace(
        mode="broken", time=state.time + state.unit, base=0, owed=True, marks=False, held=1,
        line=c,
    )  # fmt: skip


def _broken(state: State, c: str) -> State | None:
    if c == state.line and state.held < 3:
        return state._replace(held=state.held + 1)
    return None if c in "<>" else _music(state._replace(mode="", line="+"), c)


# -- what is open -----------------------------------------------------------------------------------------------------


def _bracket(state: State, c: str) -> State | None:
    """`[` opens a chord, an ending, a field or a bar line."""
    if c == "|":
        closed = _closed(state, divides=True)
        return closed and _doubled(closed)._replace(mode="bar")
    if c in "123456789":
        return _ending(state, c) if not state.time and _free(state) else None
    if c in "KLM":
        empty = not state.time and _free(state)
        return state._replace(mode="inline", line=c) if empty else None
    return _chord(state._replace(mode="chord"), c) if _room(state) else None


def _chord(state: State, c: str) -> State | None:
    return _inside(state, c, end="]", most=MAX_CHORD)


def _grace(state: State, c: str) -> State | None:
    return _inside(state, c, end="}", most=MAX_GRACES)


def _inside(state: State, c: str, *, end: str, most: int) -> State | None:
    """The notes of a chord or a grace; what is opened holds one at least, and is closed."""
    if c in "^_=":
        double = state.sign == c != "="
        if not double and (state.sign or state.held == most):
            return None
        return state._replace(sign=state.sign + c, marks=False)
    if c in _NOTES:
        if state.held == most:
            return None
        return state._replace(sign="", marks=True, held=state.held + 1)
    if c in ",'":
        return state if state.marks else None
    if state.sign or not state.held:
        return None
    if c == end:
        state = state._replace(mode="", held=0, marks=False)
        return _note(state, marks=False) if end == "]" else state
    aside = "-" if end == "]" else "2/"
    if c not in aside or state.idle > MAX_IDLE:
        return None
    return state._replace(marks=False, idle=state.idle + 1)


def _paren(state: State, c: str) -> State | None:
    """`(` opens a slur or a tuplet."""
    if c not in "0123456789":
        return _music(state._replace(mode=""), c)
    p = int(c)
    need = state.unit * TIMES.get(p, state.beat)
    room = state.goal - state.time - need
    if p < 2 or not _free(state) or room < 0 or room % state.grain:
        return None
    return state._replace(mode="tuplet", tuplet=p, share=need // p)


def _tuplet(state: State, c: str) -> State | None:
    return None if c in "0123456789:" else _music(state._replace(mode=""), c)


def _aside(state: State, c: str, *, end: str, never: str) -> State | None:
    """Words in quotes, or a decoration's name."""
    if c == end:
        return state._replace(mode="", held=0) if state.held or end == '"' else None
    if c in never or state.held == MAX_ASIDE or (c == " " and not state.held and end == "!"):
        return None
    return state._replace(held=state.held + 1)


def _inline(state: State, c: str) -> State | None:
    if len(state.line) < 3:
        wrong = c != ":" if len(state.line) == 1 else c in "|:]\n"
        return None if wrong else state._replace(line=state.line + c)
    if c == "]":
        return _field_read(state)._replace(line="+")
    return None if c == "\n" or len(state.line) > MAX_ASIDE else state._replace(line=state.line + c)


def _comment(state: State, c: str) -> State | None:
    return _line_end(state._replace(mode=""), fresh=False) if c == "\n" else state


def _ended(state: State, c: str) -> State | None:
    """Behind the empty line: the next tune, or nothing."""
    return State(line="X", held=1) if c == "X" else state if c == "\n" else None


def _lost(state: State, c: str) -> State:
    """Several voices or free metre: everything may come, up to the next tune."""
    if c != "\n":
        return state._replace(line=(state.line + c)[:2])
    return State() if state.line == "X:" else state._replace(line="")


_STEPS: dict[Mode, Callable[[State, str], State | None]] = {
    "": _music,
    "bar": _bar,
    "divides": _divides,
    "colon": _colon,
    "repeat": _repeat,
    "bracket": _bracket,
    "paren": _paren,
    "tuplet": _tuplet,
    "broken": _broken,
    "chord": _chord,
    "grace": _grace,
    "quote": partial(_aside, end='"', never="\n|"),
    "decoration": partial(_aside, end="!", never="\n|"),
    "inline": _inline,
    "letter": _letter,
    "field": _field,
    "comment": _comment,
    "ended": _ended,
    "header": _header,
    "lost": _lost,
}
