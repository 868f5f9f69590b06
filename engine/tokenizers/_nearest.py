"""What a reader would take for the same character, for prompts that use one the model never saw."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Within a group any may stand for any, the first before the others: books print “ and ’ where keyboards have " and '.
_ALIKE = (
    "'’‘ʼ′´`‛‚",
    '"“”„«»‟″',
    "-–—‒―‐‑−",
    " \u00a0\u202f\u2009\u3000\t\n",
)


def nearest(character: str) -> Iterator[str]:
    """What may stand for the character, the nearest first; "" for a combining mark, which may go.

    Its like among quotes, dashes and spaces; the other case; without accents or in its plain form (é as e, ﬁ as fi,
    ½ as 1/2); that in the other case.
    """
    for group in _ALIKE:
        if character in group:
            yield from group.replace(character, "")
    yield character.swapcase()
    parts = unicodedata.normalize("NFKD", character).replace("\u2044", "/")
    plain = "".join(c for c in parts if not unicodedata.category(c).startswith("M"))
    yield plain
    if plain:
        yield plain.swapcase()
