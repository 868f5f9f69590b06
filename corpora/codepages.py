"""Which legacy code page a text without Unicode is in.

charset-normalizer tells the scripts apart. The code pages for Latin letters differ in a handful of bytes, of which an
English text has few; there it looks at where letters and signs come to stand (`_misplaced`): an e-acute may end a
word, a low quotation mark may not.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Protocol

import numpy as np
from charset_normalizer import from_bytes

BLOCK = 1 << 20
SAMPLE_BYTES = 1 << 16

# Latin code pages in the order in which equals are preferred.
LATIN = (
    "cp1252",
    "cp437",
    "cp850",
    "cp1250",
    "iso8859_2",
    "iso8859_15",
    "mac_roman",
    "latin_1",
)
OTHER = ("koi8_r", "cp1251", "cp866", "cp1253", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")

# The letters beyond ASCII of languages written in Latin letters.
ALPHABETS = (
    "àâæçéèêëîïôœùûüÿ",  # French
    "äöüß",  # German
    "åäöé",  # Swedish, Finnish
    "æøåé",  # Danish, Norwegian
    "áéíóúñü",  # Spanish
    "áâãàçéêíóôõúü",  # Portuguese
    "àèéìòóùî",  # Italian
    "àçéèíïóòúü",  # Catalan
    "áðéíóúýþæö",  # Icelandic
    "ąćęłńóśźż",  # Polish
    "áčďéěíňóřšťúůýž",  # Czech
    "áäčďéíĺľňóôŕšťúýž",  # Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîşţ",  # Romanian
    "čćđšž",  # Croatian, Slovenian
)


class Rereadable(Protocol):
    """A file aside, which is read more than once."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...


def guess(file: Rereadable) -> str | None:
    """The likeliest code page, judged by the first lines that hold bytes beyond ASCII; None where none fits."""
    sample, present = _sample(file)
    matches = from_bytes(
        sample,
        cp_isolation=[*LATIN, *OTHER],
        enable_fallback=False,
        steps=16,
        preemptive_behaviour=False,
    )
    best = matches.best()
    if best is not None and best.encoding not in LATIN:
        return best.encoding
    texts = {}
    for encoding in LATIN:
        try:
            bytes(present).decode(encoding)  # every byte of the whole file, not of the sample alone
            texts[encoding] = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
    misplaced = {encoding: _misplaced(text) for encoding, text in texts.items()}
    least = min(misplaced.values())
    if best is None and least > 0.3:
        return None
    equals = [encoding for encoding in texts if misplaced[encoding] <= least + 0.02]
    # Then how well the letters make up one language's, which tells Czech or Polish from French.
    return max(equals, key=lambda encoding: _one_language(texts[encoding]))


def _sample(file: Rereadable) -> tuple[bytes, bytes]:
    """Lines with bytes beyond ASCII, up to `SAMPLE_BYTES` together, and which byte values the whole file has."""
    counts = np.zeros(256, dtype=np.int64)
    file.seek(0)
    sample = b""
    rest = b""
    while block := file.read(BLOCK):
        counts += np.bincount(np.frombuffer(block, np.uint8), minlength=256)
        if len(sample) < SAMPLE_BYTES:
            lines = (rest + block).splitlines(keepends=True)
            # The last line may go on in the next block; a very long one is taken as it comes.
            rest = b"" if len(lines[-1]) >= BLOCK else lines.pop()
            sample += b"".join(line for line in lines if not line.isascii())
    if len(sample) < SAMPLE_BYTES:
        sample += rest
    if len(sample) > SAMPLE_BYTES:
        # Cut at a line end or a space: both never are the second byte of a character.
        cut = max(sample.rfind(b"\n", 0, SAMPLE_BYTES), sample.rfind(b" ", 0, SAMPLE_BYTES))
        sample = sample[: cut + 1] if cut > 0 else sample[:SAMPLE_BYTES]
    return sample, bytes(np.flatnonzero(counts).astype(np.uint8))


def _misplaced(text: str) -> float:
    """The share of characters beyond ASCII that stand where no writer puts them."""
    bad = total = 0
    padded = f" {text} "
    for before, char, after in zip(padded, padded[1:], padded[2:], strict=False):
        if char > "\x7f":
            total += 1
            bad += _is_misplaced(before, char, after)
    return bad / max(1, total)


def _is_misplaced(before: str, char: str, after: str) -> bool:
    kind = unicodedata.category(char)
    between_letters = before.isalpha() and after.isalpha()
    if kind in ("Cc", "Cn", "Co"):
        return True
    if kind[0] == "L":
        if before.isdigit():  # 450øF for 450°F
            return char not in "ªº"
        if kind == "Lu" and before.islower():
            return True
        latin = unicodedata.name(char, "").startswith("LATIN")
        return not latin and any(c.isascii() and c.isalpha() for c in (before, after))
    if kind in ("Ps", "Pi"):
        return between_letters or (before.isalnum() and char not in "‘“«")
    if kind in ("So", "Sc", "Sk", "Sm", "No") or char in "†‡‰":
        if "\u2500" <= char <= "\u259f":  # box drawing stands beside itself
            return before.isalpha() or after.isalpha()
        return before.isalpha() or between_letters
    return kind[0] == "P" and between_letters and char not in "’‐–—·…"


def _one_language(text: str) -> float:
    """The largest share of the letters beyond ASCII that one language's alphabet covers."""
    letters = Counter(char.lower() for char in text if char > "\x7f" and char.isalpha())
    total = max(1, letters.total())
    return max(sum(letters[char] for char in alphabet) / total for alphabet in ALPHABETS)
