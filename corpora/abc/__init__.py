"""ABC notation: a tolerant reader, and what is made from a tune (notes, MIDI, MusicXML, score, sound, judgement).

`read_book(text)` never fails; each `Tune` carries what was found wrong with it and what was done about it.
"""

from __future__ import annotations

from corpora.abc.book import read_book, read_tune
from corpora.abc.tune import Finding, Tune
from corpora.abc.unfolding import Playing, perform

__all__ = ["Finding", "Playing", "Tune", "perform", "read_book", "read_tune"]
