"""Tune books for training: each tune in its own key, in one, or in all twelve; with titles and chord symbols or not."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

from corpora.abc.transposing import interval_to, transposed
from corpora.abc.tune import Event, Item, Tune
from corpora.abc.writer import write_abc

ALL_KEYS = range(-5, 7)
"""The intervals, in semitones, that bring a tune to all twelve keys, its own among them, as near as can be."""


def book(
    tunes: Iterable[Tune],
    *,
    key: str = "",
    all_keys: bool = False,
    titles: bool = True,
    symbols: bool = True,
) -> Iterator[str]:
    """The tunes as ABC, numbered from 1, an empty line after each; those without notes are left out.

    `key` brings each tune to that tonic (one that has none stays as it is); `all_keys` gives each twelve times over.
    The header keeps X, T, C, R, M, L, Q, P and K. What was repaired stays repaired.
    """
    number = 0
    for tune in tunes:
        if tune.empty:
            continue
        one = tune if symbols else _without_symbols(tune)
        intervals: Iterable[int] = (
            ALL_KEYS if all_keys else (interval_to(one, key) or 0,) if key else (0,)
        )
        for semitones in intervals:
            number += 1
            yield (
                write_abc(transposed(one, semitones), number=number, titles=titles, notes=False)
                + "\n"
            )


def _without_symbols(tune: Tune) -> Tune:
    """The tune without what stands in quotes above the staff: chord symbols and annotations."""
    plain = copy.copy(tune)
    plain.voices = []
    for voice in tune.voices:
        other = copy.copy(voice)
        other.bars = []
        for bar in voice.bars:
            silent = copy.copy(bar)
            silent.items = [_bare(item) for item in bar.items]
            silent.overlays = [[_bare(item) for item in layer] for layer in bar.overlays]
            other.bars.append(silent)
        plain.voices.append(other)
    return plain


def _bare(item: Item) -> Item:
    if not isinstance(item, Event):
        return item
    event = copy.copy(item)
    event.symbol, event.annotations = "", ()
    return event
