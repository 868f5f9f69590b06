"""The last door before the terminal: every strip of every widget passes here, whichever widget drew it.

`literal()` is called where text enters a widget. Textual's own widgets (inputs, toasts, tooltips, the palette) do
not call it, and no widget of Textual stops an ESC; so the same table is applied once more to what is about to be
written.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.literal import NEWLINE, is_literal, literal


class Door(LineFilter):
    """Makes literal whatever a widget let through. Text that needs nothing costs 50 ns."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        del background
        if all(is_literal(segment.text) for segment in segments):
            return segments
        return [
            Segment(literal(text).replace("\n", NEWLINE), style, control)
            for text, style, control in segments
        ]


# What the studio itself draws, for terminals and fonts that have nothing else.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("─━╌┄┈═⎯▔▁▂▃", "-"),
        **dict.fromkeys("│┃┆┊║▏▎▍▌▐▕", "|"),
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛╋", "+"),
        **dict.fromkeys("▄▅▆▇█▀■", "#"),
        **dict.fromkeys("░▒▓", ":"),
        "●": "*",
        "○": "o",
        "◆": "#",
        "★": "$",
        "◇": "o",
        "‖": "=",
        "✓": "+",
        "✗": "x",
        "·": ".",
        "…": "~",
        "—": "-",
        "–": "-",
        "×": "x",
        "♪": "j",
        "→": ">",
        "←": "<",
        "↑": "^",
        "↓": "v",
        "▶": ">",
        "▲": "^",
        "▼": "v",
        "␤": "/",
    }
)


class Plain(LineFilter):
    """`--ascii`: the studio's own glyphs as ASCII; letters of the text that is shown stay as they are."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        del background
        if all(segment.text.isascii() for segment in segments):
            return segments
        return [
            Segment(text.translate(_PLAIN), style, control) for text, style, control in segments
        ]
