"""Noticing that a model writes the same thing over and over, or a run of characters without end."""

from __future__ import annotations

import re
from typing import Literal

TAIL = 600
"""Characters at a text's end that are looked at."""

_LEAST = 120  # characters that a repetition must fill: "ha ha ha ha" is no fault yet
_TIMES = 4  # and how often it must come
# What base64 is made of. Scripts that do without spaces are not meant.
_UNBROKEN = re.compile(r"[A-Za-z0-9+/=_-]{200,}\Z")


def stuck(text: str) -> Literal["", "loop", "unbroken"]:
    """Whether the end of `text` is a `loop` (one stretch again and again), an `unbroken` run of letters and digits
    (a model that strayed into encoded data), or neither."""
    tail = text[-TAIL:]
    for period in range(1, len(tail) // _TIMES + 1):
        span = max(_LEAST, _TIMES * period)
        if span <= len(tail) and tail[-span:-period] == tail[-span + period :]:
            return "loop"
    return "unbroken" if _UNBROKEN.search(tail) else ""
