"""A genre's colouring as spans of ink."""

from __future__ import annotations

from checkpoints.errors import CorpusError
from corpora import genres
from tui.widgets.ink import Span


def coloured(genre: str, text: str) -> list[Span]:
    """The text as the genre colours it; plain where the genre is not known. Never fails on broken text."""
    try:
        found = genres.find(genre)
    except CorpusError:
        return [(text, "")]
    out: list[Span] = []
    at = 0
    for start, stop, style in found.colour(text):
        if start > at:
            out.append((text[at:start], ""))
        out.append((text[start:stop], f"genre-{style}"))
        at = stop
    if at < len(text):
        out.append((text[at:], ""))
    return out


def coloured_from(genre: str, prime: str, text: str) -> list[Span]:
    """The text that goes on from a prime, coloured as one, the prime itself in its own ink."""
    out: list[Span] = [(prime, "prime")] if prime else []
    at = 0
    for part, kind in coloured(genre, prime + text):
        rest = part[max(0, len(prime) - at) :]
        if rest:
            out.append((rest, kind))
        at += len(part)
    return out
