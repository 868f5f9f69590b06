"""`literal()`: the one door through which text from outside reaches a screen or a terminal.

Corpus text, samples, file names, configuration values and exception texts are data. Shown raw, an ESC or a C1 byte
would reach the terminal (no Textual widget stops it), a bidirectional override would reorder a line, a zero-width
character would put every column after it out of step. The table below makes each of them visible instead.
"""

from __future__ import annotations

import html
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
NEWLINE = "\N{SYMBOL FOR NEWLINE}"
"""What a line end is shown as where there is one line only."""


# Variation selectors only choose a glyph, and terminals disagree about the width that it then has. Python calls them
# printable.
_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))


def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = {}
    # Beyond plane 1 and the tags of plane 14, Unicode 16 has no such character (a test walks all of them).
    for code in (*range(0x20000), *range(0xE0000, 0xE0200)):
        # Cf: bidirectional controls, zero-width characters, tags; Zl, Zp: line ends that only some programs obey.
        if unicodedata.category(chr(code)) in ("Cf", "Cs", "Zl", "Zp"):
            table[code] = REPLACEMENT
    table.update({code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"})
    table[0x7F] = "\N{SYMBOL FOR DELETE}"
    table.update(dict.fromkeys(range(0x80, 0xA0), REPLACEMENT))
    table.update(dict.fromkeys(map(ord, _SELECTORS), None))
    return table


_TABLE: dict[int, str | None] = {}
_NO_XML = dict.fromkeys((0xFFFE, 0xFFFF, 0x1FFFE, 0x1FFFF), REPLACEMENT)


def is_literal(text: str) -> bool:
    """Whether `literal` would change nothing."""
    return text.isprintable() and (text.isascii() or _SELECTORS.isdisjoint(text))


def literal(text: str) -> str:
    """The text with nothing left in it that a terminal would obey; newlines stay, tabs become spaces.

    C0 controls and DEL become their control pictures; C1 controls, bidirectional and zero-width characters, line and
    paragraph separators and lone surrogates become U+FFFD; variation selectors are left out.
    """
    if is_literal(text):
        return text
    if not _TABLE:
        _TABLE.update(_table())  # 20 ms of CPU, spent when the first such text arrives
    return text.expandtabs(4).translate(_TABLE)


def xml(text: str) -> str:
    """`literal`, as text of an XML or HTML file; the four characters that these may not hold become U+FFFD too."""
    return html.escape(literal(text).translate(_NO_XML))


def encodable(text: str) -> str:
    """The text as it is, but for lone surrogates, which no file and no clipboard can hold: they become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def spelled(text: str) -> str:
    """A text as a field of one line holds it, where `\\n` stands for a new line."""
    return text.replace("\n", "\\n")


def meant(typed: str) -> str:
    """The text that was `spelled` so."""
    return typed.replace("\\n", "\n")


def one_line(text: str, width: int = 0) -> str:
    """`literal(text)` on one line, newlines shown as `␤`, cut to `width` characters with an ellipsis (0: uncut)."""
    if width and len(text) > 4 * width:
        text = text[: 4 * width]
    line = literal(text).replace("\n", NEWLINE)
    return line if not width or len(line) <= width else line[: width - 1] + "…"
