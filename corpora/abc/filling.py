"""Bars filled character by character: after each, which characters keep the promise that every bar is full.

An automaton: `step(state, character)` gives the state after it, or None where a bar could no longer come out at the
metre's length. It allows less than ABC has, so that from every state there is a way on to a full bar: no lengths inside
tuplets, broken rhythm between equal notes, whole notation only (no overlays, no signs that mean nothing).

The first bar may be short, a pickup. Where a repeat, an ending or a double bar divides, the bar may be short by just
that pickup; behind a repeat the next bar may be a pickup again, behind a double bar it must, so that two make one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from corpora.abc import filling_fields
from corpora.abc.filling_state import (
    MAX_ASIDE,
    MAX_CHORD,
    MAX_GRACES,
    MAX_IDLE,
    Mode,
    State,
    add_note,
    close_bar,
    double_bar,
    fitting_beginnings,
    has_room,
    is_free,
    settle,
)
from corpora.abc.signs import TUPLET_TIMES

_NOTES = "ABCDEFGabcdefg"
_ORNAMENTS = ".~HLMOPSTuv"
_OPENS: Mapping[str, Mode] = {
    "[": "bracket", "(": "paren", "{": "grace", '"': "quote", "!": "decoration",
}  # fmt: skip


def step(state: State, character: str) -> State | None:
    """The state after one more character; None where it would break a bar."""
    return _STEPS[state.mode](state, character)


def may_end(state: State) -> bool:
    """Whether the tune may end here."""
    if state.mode in ("header", "lost", "ended"):
        return True
    if state.mode not in ("", "bar", "repeat", "letter", "field", "comment"):
        return False
    settled = settle(state)
    return settled is not None and close_bar(settled, divides=True) is not None


def _bar(state: State, c: str) -> State | None:
    """Behind a bar line, which may go on."""
    if c in "|:]":
        state = double_bar(state) if state.mode == "bar" and c != ":" else state
        return state._replace(mode="") if c == "]" else state
    return _ending(state, c) if c in "123456789" else _music(state._replace(mode=""), c)


def _ending(state: State, c: str) -> State | None:
    """Endings come in order: the first, then the second."""
    number = int(c)
    if number != state.ending + 1:
        return None
    return state._replace(mode="", ending=number % 2)


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


def _music(state: State, c: str) -> State | None:
    fresh = state.line == ""
    if fresh and c in " \t`y\\":  # the reader takes a line of these for an empty one
        return settle(state)
    if fresh and c in filling_fields.FIELD_LETTERS and not state.sign:
        deferred = state._replace(mode="letter", line=c)
        possible = filling_fields.begin_field(deferred) or _music(state._replace(line="+"), c)
        return possible and deferred
    if c in "0123456789/":
        text = state.length + c
        room = state.goal - state.time
        if not state.base or text not in fitting_beginnings(state.base, room, state.grain):
            return None
        return state._replace(length=text, marks=False)
    if c in ",'":
        return state if state.marks else None
    after = _sign(state, c)
    if after is not None or state.sign:
        return after
    if c in "<>":
        return _broken_begins(state, c)
    settled = settle(state)
    if settled is None:
        return None
    if c == "\n":
        return _line_end(settled, fresh)
    settled = settled._replace(line="+", idle=settled.idle + 1)
    if c in _NOTES + "zx":
        return add_note(settled, marks=c not in "zx")
    if c in "|:" and settled.time:
        return _bar_line(settled, c)
    if settled.idle > MAX_IDLE:
        return None
    if c in " \t-)`\\y" or c in _ORNAMENTS:
        return settled
    if c in "ZX":
        whole = is_free(settled) and not settled.time and settled.goal == settled.full
        return settled._replace(time=settled.full) if whole else None
    if c in "|:":
        return _bar_line(settled, c)
    if c == "%":  # the reader weighs a line's words, so that a comment stands by itself
        return settled._replace(mode="comment") if fresh else None
    opened: Mode | None = _OPENS.get(c)
    return settled._replace(mode=opened, held=0) if opened else None


def _letter(state: State, c: str) -> State | None:
    """A line began with a letter: with a colon it is a field, else music."""
    if c == ":":
        return filling_fields.begin_field(state)
    after = _music(state._replace(mode="", line="+"), state.line)
    return after and _music(after, c)


def _bar_line(state: State, c: str) -> State | None:
    if c == ":":
        closed = close_bar(state, divides=True)
        return closed and closed._replace(mode="colon")
    closed = close_bar(state, divides=False)
    if closed is not None:
        return closed._replace(mode="bar")
    closed = close_bar(state, divides=True)
    return closed and closed._replace(mode="divides")


def _line_end(state: State, fresh: bool) -> State | None:
    if not is_free(state):
        return None
    if not fresh:
        return state._replace(line="", idle=state.idle + 1)
    closed = close_bar(state, divides=True)  # an empty line ends the tune
    return closed and closed._replace(mode="ended", line="")


def _sign(state: State, c: str) -> State | None:
    """An accidental, or the note that it stands before."""
    if c in "^_=":
        if state.sign:
            return state._replace(sign=2 * c) if state.sign == c != "=" else None
        settled = settle(state)
        if settled is None or not has_room(settled):
            return None
        return settled._replace(sign=c, line="+")
    if not state.sign or c not in _NOTES:
        return None
    return add_note(state._replace(sign=""), marks=True)


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


def _bracket(state: State, c: str) -> State | None:
    """`[` opens a chord, an ending, a field or a bar line."""
    if c == "|":
        closed = close_bar(state, divides=True)
        return closed and double_bar(closed)._replace(mode="bar")
    if c in "123456789":
        return _ending(state, c) if not state.time and is_free(state) else None
    if c in "KLM":
        empty = not state.time and is_free(state)
        return state._replace(mode="inline", line=c) if empty else None
    return _chord(state._replace(mode="chord"), c) if has_room(state) else None


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
        return add_note(state, marks=False) if end == "]" else state
    aside = "-" if end == "]" else "2/"
    if c not in aside or state.idle > MAX_IDLE:
        return None
    return state._replace(marks=False, idle=state.idle + 1)


def _paren(state: State, c: str) -> State | None:
    """`(` opens a slur or a tuplet."""
    if c not in "0123456789":
        return _music(state._replace(mode=""), c)
    p = int(c)
    need = state.unit * TUPLET_TIMES.get(p, state.beat)
    room = state.goal - state.time - need
    if p < 2 or not is_free(state) or room < 0 or room % state.grain:
        return None
    return state._replace(mode="tuplet", tuplet=p, share=need // p)


def _tuplet(state: State, c: str) -> State | None:
    return None if c in "0123456789:" else _music(state._replace(mode=""), c)


def _aside(state: State, c: str, *, end: str) -> State | None:
    """Words in quotes, or a decoration's name."""
    if c == end:
        return state._replace(mode="", held=0) if state.held or end == '"' else None
    if c in "\n|" or state.held == MAX_ASIDE or (c == " " and not state.held and end == "!"):
        return None
    return state._replace(held=state.held + 1)


def _comment(state: State, c: str) -> State | None:
    return _line_end(state._replace(mode=""), fresh=False) if c == "\n" else state


_STEPS: Mapping[Mode, Callable[[State, str], State | None]] = {
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
    "quote": partial(_aside, end='"'),
    "decoration": partial(_aside, end="!"),
    "inline": filling_fields.inline,
    "letter": _letter,
    "field": filling_fields.field,
    "comment": _comment,
    "ended": filling_fields.ended,
    "header": filling_fields.header,
    "lost": filling_fields.lost,
}
