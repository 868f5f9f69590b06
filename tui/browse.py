"""A file browser: folders first, `enter` goes in or takes the file, `backspace` goes up, typing narrows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from checkpoints.paths import is_folder
from tui import words
from tui.literal import one_line
from tui.widgets.bar import Bar
from tui.widgets.field import act
from tui.widgets.ink import fit
from tui.widgets.rows import Row, Rows

MOST = 5_000
"""Entries shown of one folder."""
HERE = "."
UP = ".."


class Entries(Rows):
    """What is chosen is taken at once, before the next key comes."""

    def action_choose(self) -> None:
        assert isinstance(self.screen, Browse)
        self.screen.take()


class Browse(ModalScreen[str | None]):
    """Dismissed with the path of a file or folder, or None; goes into and takes only what is `allowed`."""

    DEFAULT_CSS = """
    Browse .dialog { height: 80%; }
    Browse .dialog Rows { height: 1fr; max-height: 100%; margin: 0; }
    """
    BINDINGS = [
        Binding("escape", "dismiss(None)", "Cancel", id="browse.cancel"),
        Binding("backspace", "shorter", "Shorter or up", show=False, id="browse.up"),
    ]

    def __init__(self, folder: Path, allowed: Callable[[Path], bool]) -> None:
        super().__init__()
        self._folder = folder.absolute() if is_folder(folder) and allowed(folder) else Path.cwd()
        self._allowed = allowed
        self._narrow = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Bar(id="where")
            yield Entries(empty="nothing here has these letters")
            yield Bar(
                [("enter opens or takes · backspace goes up · letters narrow · esc cancels", "dim")]
            )

    def on_mount(self) -> None:
        self.query_one(Vertical).border_title = "choose a text"
        self.query_one(Rows).focus()
        self._show()

    @property
    def _rows(self) -> Rows:
        return self.query_one(Rows)

    def _show(self) -> None:
        narrow, fault = self._narrow.lower(), ""
        try:
            with os.scandir(self._folder) as found:
                entries = [e for e in found if e.name[0] != "." and narrow in e.name.lower()]
        except OSError as error:
            entries, fault = [], str(error)
        folders = {e.name for e in entries if _is_folder(e)}
        entries.sort(key=lambda e: (e.name not in folders, e.name.lower()))
        rows = []
        if not narrow:
            rows.append(Row(HERE, ((" this folder, with all its texts", "accent"),)))
            if self._folder != self._folder.parent and self._allowed(self._folder.parent):
                rows.append(Row(UP, ((" ..", "dim"),)))
        for entry in entries[:MOST]:
            inner = entry.name in folders
            shown = f" {one_line(entry.name, 48)}{'/' if inner else ''}"
            cells = fit([(shown, "title" if inner else "")], 52)
            rows.append(Row(f"={entry.name}", (*cells, ("" if inner else _size(entry), "dim"))))
        self._rows.show(rows)
        self.query_one("#where", Bar).show(
            [(one_line(str(self._folder)), "title"), (f"  {self._narrow}", "key"), (fault, "bad")]
        )

    async def on_key(self, event: events.Key) -> None:
        """Do at once what a key does: in a burst the letters behind it are narrowed with where it leads."""
        if event.character and event.is_printable:
            event.stop()
            self._narrow += event.character
            self._show()
        else:
            await act(event, self, self._rows)

    def take(self) -> None:
        """Go into the folder under the cursor, or take the file."""
        key = self._rows.key
        if key == HERE:
            self.dismiss(str(self._folder))
        elif key == UP:
            self._go(self._folder.parent)
        elif key and is_folder(path := self._folder / key[1:]):
            self._go(path)
        elif key and self._allowed(path):
            self.dismiss(str(path))

    def action_shorter(self) -> None:
        if self._narrow:
            self._narrow = self._narrow[:-1]
            self._show()
        else:
            self._go(self._folder.parent)

    def _go(self, folder: Path) -> None:
        if self._allowed(folder):
            self._folder, self._narrow = folder, ""
            self._show()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere one may look
        return False


def _size(entry: os.DirEntry[str]) -> str:
    try:
        return words.size(entry.stat().st_size)
    except OSError:
        return "?"
