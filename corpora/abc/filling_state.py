"""How far a bar is filled: where the tune stands, which lengths may still come, and when a bar line may.

Nothing here reads a character; filling.py and filling_fields.py do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from corpora.abc.signs import fraction

MAX_CHORD, MAX_GRACES, MAX_ASIDE, MAX_IDLE = 4, 6, 40, 16
"""Notes of a chord and of a grace; characters in quotes, of a decoration or a field; signs between two notes."""

_LENGTHS = tuple(
    dict.fromkeys(
        [*map(str, range(1, 33)), "/", "//"]
        + [f"{n if n > 1 else ''}/{d}" for d in (2, 4, 8, 16) for n in range(1, 32, 2)]
        + [f"{n}/" for n in range(3, 32, 2)]
    )
)

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


def is_free(state: State) -> bool:
    """Whether nothing is open that asks for a note."""
    return not (state.tuplet or state.owed or state.sign)


def has_room(state: State) -> bool:
    """Whether a note may come here."""
    if state.tuplet or state.owed:
        return True
    return bool(fitting_lengths(state.unit, state.goal - state.time, state.grain))


def add_note(state: State, *, marks: bool) -> State | None:
    """The state behind a note, chord or rest; None where none may come. `marks`: octave marks may follow."""
    state = state._replace(idle=0)
    if state.tuplet:
        done = state.time + state.share
        return state._replace(time=done, tuplet=state.tuplet - 1, marks=marks)
    if state.owed:
        return state._replace(time=state.time + state.unit, owed=False, marks=marks)
    return state._replace(base=state.unit, length="", marks=marks) if has_room(state) else None


@lru_cache(maxsize=4096)
def fitting_lengths(base: int, room: int, grain: int) -> frozenset[str]:
    """What may stand behind a note so that the bar can still be filled; "" among them."""
    found = set()
    for text in ("", *_LENGTHS):
        n, d = fraction(text) if text else (1, 1)
        left = room * d - base * n
        if left >= 0 and left % (grain * d) == 0:
            found.add(text)
    return frozenset(found)


@lru_cache(maxsize=4096)
def fitting_beginnings(base: int, room: int, grain: int) -> frozenset[str]:
    """What a length that may stand there begins with; the whole lengths among them."""
    return frozenset(
        text[:i] for text in fitting_lengths(base, room, grain) for i in range(len(text) + 1)
    )


def settle(state: State) -> State | None:
    """The state with its last note counted; None if its length is not whole yet."""
    if not state.base:
        return state if not state.marks else state._replace(marks=False)
    if state.length not in fitting_lengths(state.base, state.goal - state.time, state.grain):
        return None
    n, d = fraction(state.length) if state.length else (1, 1)
    return state._replace(time=state.time + state.base * n // d, base=0, length="", marks=False)


def close_bar(state: State, *, divides: bool) -> State | None:
    """The state behind a bar line, if one may stand here."""
    time, full, pickup = state.time, state.full, state.pickup
    if not is_free(state):
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


def double_bar(state: State) -> State:
    """The state behind a double bar: what was short before it is made up for behind it at once."""
    return state._replace(goal=state.pickup, again=False) if state.again else state
