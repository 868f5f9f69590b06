"""The parser: tokens to a tune of bars and events, with a list of what was wrong and what was done about it.

It goes over the tokens once, from left to right, without recursion: linear time, and memory in proportion to what is
kept. What is kept is limited (`MAX_TOKENS` here, lengths in state.py, octaves and rests in notes.py).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from corpora.abc import fields
from corpora.abc.body import HANDLERS
from corpora.abc.brackets import close_open
from corpora.abc.lexer import Token, tokens
from corpora.abc.notes import end_tuplet
from corpora.abc.state import Reading
from corpora.abc.tune import Change, Finding, Key, Meter, Tempo, Tune

MAX_TOKENS = 60_000
"""Tokens read of one tune (the longest of music21's 13,000 has about 5,000); the rest is dropped."""
MAX_FINDINGS = 100
MAX_VOICES = 32

_PROSE = re.compile(r"[A-Za-z]{3,}")
_NOTATION = frozenset("ABCDEFGabcdefgxyzXZHLMOPSTuv")
"""Letters that stand in music often: notes, rests, the usual decorations."""


def looks_like_music(row: str) -> bool:
    """Whether a line can be music, and is not prose that stands where music should."""
    plain = re.sub(r'"[^"]*"|![^!]*!', "", row)
    wordy = [w for w in _PROSE.findall(plain) if 2 * sum(c in _NOTATION for c in w) <= len(w)]
    if "|" in row:
        return len(wordy) < 4 or sum(map(len, wordy)) * 5 < len(row.strip()) * 2
    if not re.search(r"[A-Ga-gzx]", row):
        return bool(re.fullmatch(r"\s*:{2,3}[\s\\]*", row))  # `::` on a line of its own
    return len(wordy) < 2 or sum(map(len, wordy)) * 2 < len(row.strip())


class Reader(Reading):
    """Reads one tune's text: its lines and fields here, the body's tokens by `HANDLERS`; `read` gives the tune."""

    def __init__(self, text: str, *, line: int = 1, defaults: Iterable[str] = ()) -> None:
        super().__init__(text, line=line)
        self.defaults = tuple(defaults)
        self.body = False
        self.unit_given = False
        self.keyed = False
        self.voiced = False  # whether a voice was named
        self.tempo_text = ""

    def read(self) -> Tune:
        """The tune, whatever the text holds."""
        for row in self.defaults:
            self._header_field(row[0], row[2:], 0)
        skipping = blank = False
        fresh = True  # at a line's beginning
        for count, token in enumerate(tokens(self.text)):
            kind, text, start = token
            if count == MAX_TOKENS:
                self.note_down(
                    start,
                    f"the tune goes on beyond {MAX_TOKENS:,} signs; the rest is left out",
                    "dropped",
                )
                break
            if kind == "newline":
                blank = (blank or fresh) and self.body
                skipping, fresh, self.before = False, True, kind
                continue
            if skipping:
                continue
            if kind in ("field", "comment", "continuation"):
                if kind == "field":
                    self._field(token)
                fresh, skipping = False, True
                continue
            if kind == "backslash":
                continue
            if fresh and kind != "space":
                fresh = False
                end = self.text.find("\n", start, start + 4000)
                row = self.text[start : end if end >= 0 else start + 4000]
                if not looks_like_music(row) or (
                    (blank or not self.body) and not self.keyed and "|" not in row
                ):
                    if row.strip():
                        self.note_down(start, "a line that is no music", "dropped")
                    skipping = True
                    continue
                if blank:
                    if "|" not in row:
                        skipping = True
                        continue
                    self.note_down(start, "an empty line inside the tune", "repaired")
                    blank = False
                if not self.body:
                    self._begin_body(start)
            if kind == "space":
                self.state.beam = False
            else:
                if kind == "inline":
                    self._inline(token)
                else:
                    HANDLERS[kind](self, token)
                self.solid = kind
            # `+CEG+2` takes a length as `[CEG]2` does.
            self.before = "chord_end" if text[0] == "+" and kind == "decoration" else kind
        self._finish()
        return self.tune

    def _finish(self) -> None:
        if not self.body:
            self._begin_body(len(self.text), music=False)
        close_open(self)
        for state in self.states.values():
            end_tuplet(self, state, len(self.text))
            if state.bar.items or state.bar.overlays:
                state.bar.closed = False
                state.bar.line = ""
                state.voice.bars.append(state.bar)
        tune = self.tune
        tune.voices = [s.voice for s in self.states.values() if s.voice.bars] or [self.state.voice]
        breaks = [m.start() for m in re.finditer("\n", self.text)]
        for start, what, action in sorted(self.found, key=lambda f: f[0])[:MAX_FINDINGS]:
            row = bisect_right(breaks, start - 1) if start else 0
            column = start - (breaks[row - 1] if row else -1)
            tune.findings.append(Finding(tune.line + row, column, what, action))
        tune.findings_left_out = max(0, len(self.found) - MAX_FINDINGS)

    def _begin_body(self, start: int, *, music: bool = True) -> None:
        self.body = True
        if music and not self.keyed:
            self.note_down(start, "no K: field before the music; read in C", "repaired")
        tune = self.tune
        if not self.unit_given:
            tune.unit = fields.default_unit(tune.meter)
        if self.tempo_text:
            tune.tempo = fields.tempo_of(self.tempo_text, tune.unit)
        for state in self.states.values():
            state.unit, state.key, state.meter = tune.unit, tune.key, tune.meter

    def _field(self, token: Token) -> None:
        letter, _, value = token.text.strip().partition(":")
        if self.body:
            close_open(self)
            self._body_field(letter, value, token.start)
        else:
            self._header_field(letter, value, token.start)

    def _header_field(self, letter: str, raw: str, start: int) -> None:
        tune = self.tune
        value = re.split(r"(?<!\\)%", raw)[0].strip()
        tune.fields.append((letter, value))
        if letter == "X":
            digits = re.match(r"\s*([0-9]{1,9})", value)
            tune.number = int(digits[1]) if digits else None
            if not digits:
                self.note_down(start, "X: has no number", "repaired")
        elif letter == "T":
            tune.titles.append(value)
        elif letter == "C" and not tune.composer:
            tune.composer = value
        elif letter == "R":
            tune.rhythm = value
        elif letter == "M":
            tune.meter = self._meter(value, start) or tune.meter
        elif letter == "L":
            unit = self._unit(value, start)
            if unit:
                tune.unit, self.unit_given = unit, True
        elif letter == "Q":
            self.tempo_text = value
            if fields.tempo_of(value, tune.unit) is None:
                self.note_down(start, f"Q: {value[:40]!r} is no tempo", "dropped")
        elif letter == "P":
            tune.order = (
                fields.part_order(value) if re.fullmatch(r"[A-Z0-9().,\s*]+", value) else ""
            )
        elif letter == "V":
            self._voice(value, start)
        elif letter == "m":
            self.note_down(start, "a macro is not carried out", "kept")
        elif letter == "K":
            self.keyed = True
            self._key(value, start, header=True)
            self._begin_body(start)

    def _body_field(self, letter: str, raw: str, start: int) -> None:
        value = re.split(r"(?<!\\)%", raw)[0].strip()
        state = self.state
        if letter == "K":
            self.keyed = True
            self._key(value, start, header=False)
        elif letter == "M":
            meter = self._meter(value, start)
            if meter is not None:
                state.meter = meter
                self._change(meter, start)
        elif letter == "L":
            state.unit = self._unit(value, start) or state.unit
        elif letter == "Q":
            tempo = fields.tempo_of(value, state.unit)
            if tempo is None:
                self.note_down(start, f"Q: {value[:40]!r} is no tempo", "dropped")
            else:
                self._change(tempo, start)
        elif letter == "P":
            self._part(value, start)
        elif letter == "V":
            self._voice(value, start)
        elif letter == "R" and not self.tune.rhythm:
            self.tune.rhythm = value
        elif letter == "T" and self._fresh() and not self.tune.titles:
            self.tune.titles.append(value)
        elif letter == "X":
            self.note_down(start, "X: inside the tune", "dropped")

    def _fresh(self) -> bool:
        """Whether no note of this voice was read yet."""
        return not self.state.voice.bars and not self.state.bar.items

    def _inline(self, token: Token) -> None:
        letter, _, value = token.text[1:-1].strip().partition(":")
        if self.gracing or self.chord is not None:
            close_open(self)
        if letter in "KMLQPVR":
            self._body_field(letter, value, token.start)
        elif letter not in "INrwmUST":
            self.note_down(
                token.start, f"the field {token.text[:40]!r} means nothing here", "dropped"
            )

    def _change(self, value: Key | Meter | Tempo, start: int) -> None:
        """A key, metre or tempo that begins here: the tune's own if no note came before, else a change."""
        tune, state = self.tune, self.state
        if self._fresh() and len(self.states) == 1:
            if isinstance(value, Key):
                tune.key = value
            elif isinstance(value, Meter):
                tune.meter = value
            else:
                tune.tempo = value
        else:
            state.layer.append(Change(value, start))

    def _meter(self, value: str, start: int) -> Meter | None:
        meter = fields.meter_of(value)
        if meter is None:
            self.note_down(
                start, f"M: {value[:40]!r} is no metre; the one before goes on", "dropped"
            )
        return meter

    def _unit(self, value: str, start: int) -> int | None:
        unit = fields.unit_of(value)
        if unit is None:
            self.note_down(start, f"L: {value[:40]!r} is no note length", "dropped")
        return unit

    def _key(self, value: str, start: int, *, header: bool) -> None:
        key, clef = fields.key_of(value), fields.clef_of(value)
        if clef is not None:
            for state in self.states.values() if header else (self.state,):
                state.voice.clef, state.voice.transpose = clef[0] or state.voice.clef, clef[1]
        if key is None:
            if value and clef is None:
                instead = "read in C" if header else "the key before goes on"
                self.note_down(start, f"K: {value[:40]!r} names no key; {instead}", "repaired")
            return
        if header:
            self.tune.key = key
        else:
            self.state.key = key
            self.state.bar_accidentals.clear()
            self._change(key, start)

    def _voice(self, value: str, start: int) -> None:
        name, _, rest = value.strip().partition(" ")
        if not name:
            self.note_down(start, "V: names no voice", "dropped")
            return
        if name == "*":
            return
        if self.body:
            close_open(self)
        state = self.states.get(name)
        self.voiced, first_named = True, not self.voiced
        if state is None:
            if len(self.states) >= MAX_VOICES:
                self.note_down(start, f"more than {MAX_VOICES} voices", "dropped")
                return
            first = self.states.get("1")
            if first_named and first is not None and self._fresh():
                # The first voice named takes the place of the one that stands in where none is named.
                del self.states["1"]
            state = self.new_state(name)
        clef = fields.clef_of(rest)
        if clef is not None:
            state.voice.clef, state.voice.transpose = clef[0] or state.voice.clef, clef[1]
        title = re.search(r'\b(?:name|nm)="([^"]{0,80})"', rest)
        if title:
            state.voice.title = title[1]
        self.state = state

    def _part(self, value: str, start: int) -> None:
        """Begin a part: at a bar's beginning."""
        self.state.break_bar(start)
        self.state.bar.part = value[:40] or "?"
