"""`--bars-exact`: of a tune's next tokens, which would break the length of the bar that is being written.

For models of `--tokenizer abc`, whose tokens are notes, lengths and bar lines. A guard follows one text and names the
tokens that it must not go on with: a note that does not fit, a length that is too long, a bar line before the bar is
full. Pickups, and bars that a repeat or a double bar divides, may be short. What it does not follow (free metre,
overlays, several voices) it leaves alone, and it never forbids every token.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from checkpoints.errors import ConfigError
from corpora.abc import fields
from corpora.abc.body import fraction
from corpora.abc.lexer import Token, tokens
from corpora.abc.tune import Meter
from engine.tokenizers._spelling import NIBBLES
from engine.tokenizers.base import Tokenizer

MAX_CHORD, MAX_GRACES = 4, 6
"""Notes after which an open chord or grace is closed."""

_TIMES = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""In the time of how many notes a tuplet goes; the others in that of 2, or of 3 in compound metre."""


@dataclass(frozen=True, slots=True)
class _Kinds:
    """A vocabulary by what its tokens are in a tune; masks are (V,)."""

    texts: list[str]
    notes: Tensor
    lengths: Tensor
    length_texts: list[tuple[int, str]]
    tuplet_times: list[tuple[int, int]]
    """Tuplets, and how many notes' time each takes at most."""
    bars: Tensor
    plain_bars: Tensor
    broken: Tensor
    chords: Tensor
    chord_ends: Tensor
    grace_ends: Tensor
    ends: Tensor

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> _Kinds:
        size = tokenizer.vocab_size
        # Half bytes and the document's end read as no notation.
        texts = ["" if i < NIBBLES else tokenizer.token_text(i) for i in range(size)]
        kinds = [next((t.kind for t in tokens(text)), "") for text in texts]

        def mask(*wanted: str) -> Tensor:
            return torch.tensor([kind in wanted for kind in kinds])

        ends = torch.zeros(size, dtype=torch.bool)
        ends[tokenizer.document_end] = True
        return cls(
            texts=texts,
            notes=mask("note", "rest"),
            lengths=mask("length"),
            length_texts=[(i, text) for i, text in enumerate(texts) if kinds[i] == "length"],
            tuplet_times=[
                (i, _TIMES.get(int(text[1:].split(":")[0]), 3))
                for i, text in enumerate(texts)
                if kinds[i] == "tuplet"
            ],
            bars=mask("bar"),
            plain_bars=torch.tensor([text == "|" for text in texts]),
            broken=mask("broken"),
            chords=mask("chord"),
            chord_ends=mask("chord_end"),
            grace_ends=mask("grace_end"),
            ends=ends,
        )


class BarGuard:
    """Follows one tune, which begins with a prime, token by token."""

    def __init__(self, tokenizer: Tokenizer, prime: str) -> None:
        """Raises ConfigError unless the tokens are those of tunes."""
        if tokenizer.name != "abc":
            raise ConfigError(
                f"exact bars need a model of --tokenizer abc, and this one reads by {tokenizer.name}",
                hint="rnnstudio train tunes.abc --tokenizer abc",
            )
        self._kinds = _Kinds.of(tokenizer)
        self._texts = self._kinds.texts
        self._line = ""
        self._body = False
        self._meter = Meter(0, 0)
        self._unit = 0
        self._bars = (
            0  # bars since a repeat, a double bar or the beginning, where a bar may be short
        )
        self._pickup = 0  # how long the short bar there was
        self._done = 0  # the bar's length before the last note, in units of time
        self._base = 0  # the last note without its length
        self._length = ""  # what is written of its length
        self._open = False  # whether a length may follow
        self._tuplet = Fraction(1)
        self._tuplet_left = 0
        self._broken = Fraction(1)  # what waits for the next note
        self._aside = ""  # what is being read that takes no time: a field, quotes, a grace, a chord's later notes
        self._chord = 0  # notes of an open chord
        self._graces = 0  # notes of an open grace
        self._lost = False
        self._field = ""
        for token in tokenizer.encode(prime).tolist():
            self.push(int(token))

    @property
    def _full(self) -> int:
        return self._meter.length

    @property
    def _last(self) -> int:
        n, d = fraction(self._length) if self._length else (1, 1)
        return self._base * n // d

    def forbidden(self) -> Tensor | None:
        """Which tokens (V,) must not come next; None if any may."""
        if self._lost or not self._body or not self._full:
            return None
        kinds = self._kinds
        if self._aside == "grace" or self._chord:
            # What is open holds notes, a few at most, and is closed.
            ends = kinds.grace_ends if self._aside else kinds.chord_ends
            most = MAX_GRACES if self._aside else MAX_CHORD
            held = self._graces if self._aside else self._chord - 1
            allowed = ends if held >= most else ends | kinds.notes
            return ~allowed if bool(ends.any()) else None
        if self._aside:
            return None
        total = self._done + self._last
        room = self._full - total
        banned = torch.zeros(len(self._texts), dtype=torch.bool)
        inside = self._tuplet_left > 0 or self._broken != 1
        # A note must fit: by itself inside a tuplet or a broken rhythm, else at least halved by the length behind it.
        if self._unit * self._factor() > (room if inside else 2 * room):
            banned |= kinds.notes | kinds.chords
        if room < 0:
            banned |= ~kinds.lengths
        if inside or not self._open:
            banned |= kinds.lengths  # a length stands behind its note, and once
        for token, text in kinds.length_texts:
            n, d = fraction(text)
            left = self._full - self._done - self._base * n // d
            if (
                not n or left < 0 or 2 * left % self._unit
            ):  # too long, or no note would fill what is left
                banned[token] = True
        for token, time in kinds.tuplet_times:
            if inside or self._unit * time > room:
                banned[token] = True
        if inside or self._length or self._base != self._unit or room < self._unit:
            banned |= kinds.broken  # the second note of A>B needs as much room as the first
        if inside:
            banned |= kinds.bars
        if total and room:
            banned |= kinds.ends
            if self._bars:
                banned |= kinds.plain_bars
            if self._bars and total + self._pickup != self._full:
                banned |= kinds.bars
        goes_on = kinds.notes | kinds.bars | kinds.lengths if room >= 0 else kinds.lengths
        # Should nothing fit that would bring the tune forward, a bar of another length is the lesser fault.
        return banned if bool((goes_on & ~banned).any()) else None

    def push(self, token: int) -> None:
        """The token that was drawn."""
        text = self._texts[token]
        if self._line == "" and text != "\n":
            self._aside = "field" if self._field_begins(text) else self._aside
        self._line = "" if text.endswith("\n") else self._line + text
        if self._aside == "field":
            if text.endswith("\n"):
                self._aside = ""
                self._read_field(self._field)
            else:
                self._field = self._line
            return
        for piece in tokens(text):
            self._music(piece)
            self._open = piece.kind in ("note", "rest", "chord_end")

    @staticmethod
    def _field_begins(text: str) -> bool:
        return len(text) > 1 and text[1] == ":" and text[0].isalpha()

    def _read_field(self, line: str) -> None:
        letter, _, value = line.partition(":")
        if letter == "M":
            self._meter = fields.meter_of(value) or self._meter
        elif letter == "L":
            self._unit = fields.unit_of(value) or self._unit
        elif letter == "V":
            self._lost = True
        elif letter == "K":
            self._body = True
            self._unit = self._unit or fields.default_unit(self._meter)

    def _factor(self) -> Fraction:
        return self._broken * (self._tuplet if self._tuplet_left else 1)

    def _music(self, piece: Token) -> None:
        kind, text, _ = piece
        if kind == "grace":
            self._aside, self._graces = "grace", 0
        elif kind == "grace_end":
            self._aside = ""
        elif self._aside:
            self._graces += kind == "note"
        elif kind == "chord":
            self._chord = 1
        elif kind == "chord_end":
            self._chord = 0
        elif kind in ("note", "rest"):
            if self._chord <= 1:
                self._note(bar=text in "ZX")
            self._chord += bool(self._chord)
        elif kind == "length" and self._open and not self._chord:
            self._length = text
        elif kind == "broken":
            n = len(text)
            longer = Fraction(2 ** (n + 1) - 1, 2**n)
            first, second = (
                (longer, Fraction(1, 2**n)) if text[0] == ">" else (Fraction(1, 2**n), longer)
            )
            self._done += int(self._last * (first - 1))
            self._broken = second
        elif kind == "tuplet":
            p = int(text[1:].split(":")[0])
            three = 3 if self._meter.compound else 2
            q = _TIMES.get(p, three)
            self._tuplet, self._tuplet_left = Fraction(q, max(p, 1)), p
        elif kind == "bar":
            self._bar_line(divides=text != "|")
        elif kind == "inline":
            self._read_field(text[1:-1])
        elif kind == "overlay":
            self._lost = True

    def _bar_line(self, *, divides: bool) -> None:
        total = self._done + self._last
        if total:
            if self._bars == 0:
                self._pickup = total if total < self._full else 0
            self._bars += 1
        if divides:
            self._bars = 0
        self._done = self._base = 0
        self._length = ""

    def _note(self, *, bar: bool) -> None:
        self._done += self._last
        self._length = ""
        self._base = self._full if bar else int(self._unit * self._factor())
        self._broken = Fraction(1)
        if self._tuplet_left:
            self._tuplet_left -= 1
