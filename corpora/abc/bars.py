"""Where bars end and begin: bar lines with their repeats, endings, overlays, and marks that a bar line takes along."""

from __future__ import annotations

import re

from corpora.abc.brackets import close_open
from corpora.abc.lexer import Token
from corpora.abc.signs import mark_of
from corpora.abc.state import Reading, VoiceState


def read_bar_line(reading: Reading, token: Token) -> None:
    """End the bar; where nothing stands in it, the line is one with the line before."""
    close_open(reading)
    state = reading.state
    state.carry_ties()
    state.bar_accidentals.clear()
    _place_marks(state)
    line, repeat_end, repeat_start = _drawn(token.text)
    bar = state.bar
    if state.bar_begun or bar.overlays:
        bar.line, bar.repeat_end = line, repeat_end
        state.next_bar(token.start)
    elif state.voice.bars:
        # Two bar lines with nothing between are one: `|` at a line's end and `|:` at the next one's beginning.
        ended = state.voice.bars[-1]
        ended.repeat_end = max(ended.repeat_end, repeat_end)
        ended.closed = True
        if line in ("||", "|]") or not ended.line:
            ended.line = line
        state.layer = bar.items
    elif repeat_end:
        reading.note_down(token.start, "a repeat ends before any note", "dropped")
    if repeat_start:
        state.bar.repeat_start = True


def read_ending(reading: Reading, token: Token) -> None:
    """`[1`, `|2`: a bar that is played on some passes only begins here."""
    numbers = _passes(token.text)
    if not numbers:
        reading.note_down(token.start, f"the ending {token.text!r} has no number", "dropped")
        return
    reading.state.break_bar(token.start)
    reading.state.bar.ending = numbers


def read_overlay(reading: Reading, token: Token) -> None:
    """`&`: what follows sounds together with the bar so far."""
    close_open(reading)
    state = reading.state
    if len(state.bar.overlays) >= 8:
        reading.note_down(token.start, "more than 8 overlays in a bar", "dropped")
        return
    state.bar.overlays.append([])
    state.layer = state.bar.overlays[-1]


def _drawn(text: str) -> tuple[str, int, bool]:
    """The line that a bar line's text draws, how often it goes back (`::|` is 2), and whether a repeat begins."""
    core = text.strip(":")
    before = len(text) - len(text.lstrip(":"))
    after = len(text) - len(text.rstrip(":"))
    if not core:  # `::` and longer
        before = after = len(text) // 2
    elif ":" in core:  # `|::|` is `::`; `|:|` is `|:` (abc2midi and abcjs read it so)
        before, after = max(before, core.count(":") // 2), 1
    line = "|"
    if "[|]" in text:
        line = "[|]"
    elif "]" in core:
        line = "|]"
    elif "[" in core or "||" in core:
        line = "||"
    elif text == ".|":
        line = ".|"
    return line, min(before, 8), after > 0


def _passes(text: str) -> tuple[int, ...]:
    """The passes that `[1`, `|1,3`, `[1-3` or `["1."` names, each 1 to 32."""
    numbers: set[int] = set()
    for first, last in re.findall(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", text):
        numbers.update(range(int(first), min(int(last or first), 32) + 1))
    return tuple(sorted(n for n in numbers if 1 <= n <= 32))


def _place_marks(state: VoiceState) -> None:
    """Marks that wait at a bar's end (`!D.C.!|`) belong to that bar, or, after its line, to the one before."""
    waiting = [*state.decorations, *(d for e in state.bar.events() for d in e.decorations)]
    if not waiting:
        return
    begun = state.bar_begun
    bar = state.bar if begun or not state.voice.bars else state.voice.bars[-1]
    for name in waiting:
        mark = mark_of(name)
        if mark == "coda" and begun and "coda" not in state.bar.marks:
            mark = "tocoda"
        if mark in ("fine", "dacapo", "dalsegno", "tocoda") and mark not in bar.marks:
            bar.marks += (mark,)
    state.decorations.clear()
