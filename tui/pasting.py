"""What is pasted is text: an escape sign in it is shown as a picture, and none is played as keys.

Textual looks for the sequences of keys inside a paste too, and hands them on before the paste itself: an Enter or an
`r` copied along with a terminal's colours would act.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual import _xterm_parser
from textual.message import Message

ESC, PICTURE = "\x1b", "\N{SYMBOL FOR ESCAPE}"
START, END = f"{ESC}[200~", f"{ESC}[201~"


class Pasted:
    """Takes a terminal's input piece by piece, and gives it on without the escape signs that were pasted."""

    def __init__(self) -> None:
        self._inside = False
        self._held = ""
        """The end of a piece where the paste's own end may begin."""
        self._passed = ""
        """The last characters before this piece, in which a paste may have begun to begin."""

    def harmless(self, piece: str) -> str:
        out = ""
        while piece:
            if self._inside:
                piece, self._held = self._held + piece, ""
                text, end, rest = piece.partition(END)
                if not end:
                    kept = next(n for n in range(len(END) - 1, -1, -1) if text.endswith(END[:n]))
                    text, self._held = text[: len(text) - kept], text[len(text) - kept :]
                out += text.replace(ESC, PICTURE) + end
                self._inside, self._passed, piece = not end, "", rest
                continue
            before = len(self._passed)
            begin = (self._passed + piece).find(START)
            stop = begin + len(START) - before if begin >= 0 else len(piece)
            out += piece[:stop]
            self._inside = begin >= 0
            self._passed, piece = (self._passed + piece[:stop])[-len(START) + 1 :], piece[stop:]
        return out


class Parser(_xterm_parser.XTermParser):
    """Textual's own, of what is harmless."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasted = Pasted()

    def feed(self, data: str) -> Iterable[Message]:
        harmless = self._pasted.harmless(data)
        if data and not harmless:  # nothing at all is how Textual says that the input has ended
            return ()
        return super().feed(harmless)


def install() -> None:
    """Have it so in every driver that is loaded from now on."""
    _xterm_parser.XTermParser = Parser  # type: ignore[misc]
