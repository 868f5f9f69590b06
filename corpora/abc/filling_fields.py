"""Fields while bars are filled, character by character: headers, fields in the body, and the way to the next tune."""

from __future__ import annotations

from corpora.abc import fields
from corpora.abc.filling_state import MAX_ASIDE, State, is_free, settle
from corpora.abc.tune import WHOLE, Meter

FIELD_LETTERS = "HIKLMNOPQRSTUVWXYZmrsw"
"""Letters that, with a colon, make a line a field; A to G are notes too, and are left to them."""


def header(state: State, c: str) -> State | None:
    """A header's line. Behind X: there are fields only, for music would end the header."""
    line = state.line
    named = c == ":" if len(line) == 1 and line != "%" else True
    begun = c in "ABCDEFGHIJKLMNOPQRSTUVWXYZmrsw%\n" if not line else True
    if state.held and not (named and begun):
        return None
    if c == "\n":
        return _read(state)
    said = line[:1] in "XMLKV" or len(line) < 2
    return state._replace(line=line + c) if said else state


def begin_field(state: State) -> State | None:
    """Behind a letter at a line's beginning (`state.line`) and a colon: a field, where a bar has ended."""
    settled = settle(state)
    if settled is None or settled.time or not is_free(settled):
        return None
    return settled._replace(mode="field", line=state.line + ":")


def field(state: State, c: str) -> State:
    """A field on a line of its own in the body."""
    return _read(state) if c == "\n" else state._replace(line=state.line + c)


def inline(state: State, c: str) -> State | None:
    """A field in brackets; its letter stands already."""
    if len(state.line) < 3:
        wrong = c != ":" if len(state.line) == 1 else c in "|:]\n"
        return None if wrong else state._replace(line=state.line + c)
    if c == "]":
        return _read(state)._replace(line="+")
    return None if c == "\n" or len(state.line) > MAX_ASIDE else state._replace(line=state.line + c)


def ended(state: State, c: str) -> State | None:
    """Behind the empty line: the next tune, or nothing."""
    return State(line="X", held=1) if c == "X" else state if c == "\n" else None


def lost(state: State, c: str) -> State:
    """Several voices or free metre: everything may come, up to the next tune."""
    if c != "\n":
        return state._replace(line=(state.line + c)[:2])
    return State() if state.line == "X:" else state._replace(line="")


def _read(state: State) -> State:
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
