"""`word`: words, digits, punctuation and white space are tokens; what is rare is spelled, so nothing is unknown.

A text is cut into units: a word (letters of any script with their combining marks, apostrophes inside: `don't`), a run
of line ends, spaces or tabs, or a single other character. Every unit keeps its case and its place: joined, they are the
text again. A frequent unit is one token, another is spelled through the tokens of its characters, and a character
that the corpus did not have through its bytes.

Digits stand alone. Numbers have no end, so a vocabulary of whole ones would leave most of them rare; ten tokens write
them all, and `350` and `351` share what they have in common. Scripts that put no space between words (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) go by character too, since no rule this small can find their words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Self

import numpy as np

from engine.tokenizers._corpus import survey
from engine.tokenizers._units import UnitTokenizer
from engine.tokenizers.base import Ids

# What is chosen where `vocab_size` is 0: a word for each 250 characters of corpus, within these bounds.
DEFAULT_WORDS = (256, 16_000)
CHARACTERS_A_WORD = 250

# No unit is longer, so that a text can be cut without looking far; longer words are rare and spelled anyway.
_LETTERS = 40
_RUN = 32
# Within so much text from the end, white space is looked for to cut at.
_WINDOW = 4096

_WITHOUT_SPACES = [
    *[range(0x0E00, 0x0F00), range(0x1000, 0x10A0), range(0x1780, 0x1800)],  # Thai to Khmer
    *[range(0x3005, 0x3008), range(0x3021, 0x302A), range(0x3040, 0x3100), range(0x31F0, 0x3200)],
    *[range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00), range(0xFF66, 0xFFA0)],
]


def _letters() -> str:
    """Letters, marks and the joiners between them as ranges of a regular expression's class (25 ms).

    Python's `\\w` would leave the marks out, and so cut every word of Hindi to pieces. Beyond U+FFFF two wide ranges
    stand for the old and the small scripts: the engine walks such ranges one by one, and exact ones made it 4x slower.
    """
    ranges: list[list[int]] = [[0x200C, 0x200D]]
    for c in range(0x10000):
        if unicodedata.category(chr(c))[0] not in "LM" or any(c in r for r in _WITHOUT_SPACES):
            continue
        if ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    ranges += [[0x10000, 0x1AFEF], [0x1E000, 0x1EEFF]]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in ranges)


@cache
def _cutter() -> re.Pattern[str]:
    """Finds the units of a text: joined, they are the text."""
    word = f"[{_letters()}]{{1,{_LETTERS}}}"
    return re.compile(
        rf"{word}(?:['’]{word}){{0,3}}| {{1,{_RUN}}}|\n{{1,{_RUN}}}|\t{{1,{_RUN}}}|.", re.DOTALL
    )


# Stands for a unit that has no token, until its spelling takes its place.
_SPELLED = -1


class _UnitIds(dict[str, int]):
    def __missing__(self, unit: str) -> int:
        return _SPELLED


class WordTokenizer(UnitTokenizer):
    """The units are words, and runs of white space."""

    name = "word"
    unit = "word"
    # Together below 65,536 with nibbles and the document's end, so that a token takes two bytes on disk.
    max_characters = 30_000
    max_units = 32_000

    def __init__(self, characters: str, units: Sequence[str]) -> None:
        super().__init__(characters, units)
        self._ids = _UnitIds(self._ids)

    @classmethod
    def is_unit(cls, text: str) -> bool:
        return _cutter().fullmatch(text) is not None

    @classmethod
    def learn(cls, pieces: Iterable[str], *, vocab_size: int = 0) -> Self:
        """Characters that make up all but a ten-thousandth of the text, then the words that occur three times.

        `vocab_size` gives at most half of its room to characters. By default a word for each 250 characters of
        corpus, 256 to 16,000.
        """
        room = cls._room(vocab_size)
        counts, sample = survey(pieces)
        characters = counts.most_common(min(cls.max_characters, (room + 1) // 2))
        least, largest = DEFAULT_WORDS
        chosen = min(max(counts.total // CHARACTERS_A_WORD, least), largest)
        most = min(room - len(characters), cls.max_units) if vocab_size else chosen
        found = Counter(
            unit for text in sample for unit in _cutter().findall(text) if len(unit) > 1
        )
        return cls(characters, cls._frequent(found, most))

    def encode(self, text: str) -> Ids:
        units = _cutter().findall(text)
        ids = np.array(list(map(self._ids.__getitem__, units)), np.int64)
        rare = [units[i] for i in np.flatnonzero(ids == _SPELLED)]
        if not rare:
            return ids.astype(np.uint32)
        # Each rare unit gives way to as many ids as its characters take; their spelling fills these places.
        text = "".join(rare)
        starts = np.cumsum([0, *map(len, rare[:-1])])
        places = np.ones(len(ids), np.int64)
        places[ids == _SPELLED] = np.add.reduceat(self._alphabet.lengths(text), starts)
        out = np.repeat(ids, places)
        out[out == _SPELLED] = self._alphabet.encode(text)
        return out.astype(np.uint32)

    def safe_cut(self, text: str) -> int:
        """Before white space every unit ends, and before the last two units the units are settled."""
        # White space that begins a run: what stands before it can neither join it nor look beyond it.
        starts = [m.start() for m in _SPACE_AFTER_OTHER.finditer(text, max(len(text) - _WINDOW, 0))]
        if starts:
            return starts[-1] + 1
        # A unit's end depends on two more characters at most (an apostrophe and the letter after it).
        units = _cutter().findall(text)
        return len(text) - sum(map(len, units[-2:]))


_SPACE_AFTER_OTHER = re.compile(r"[^ \n\t](?=[ \n\t])")
