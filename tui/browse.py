"""A file browser: folders first, `enter` goes in or takes the file, `backspace` goes up, typing narrows."""

from __future__ import annotations

import os
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui import words
from tui.literal import one_line
from tui.widgets.bar import Bar
from tui.widgets.rows import Row, Rows

MOST = 5_000
"""Entries shown of one folder."""
HERE = "."
UP = ".."


class Browse(ModalScreen[str | None]):
    """Dismissed with the path of a file or folder, or None. `root`, if given, is never left (the browser's studio)."""

    DEFAULT_CSS = """
    Browse .dialog { height: 80%; }
    Browse .dialog Rows { height: 1fr; max-height: 100%; margin: 0; }
    """
    BINDINGS = [
        Binding("escape", "dismiss(None)", "Cancel", id="browse.cancel"),
        Binding("backspace", "shorter", "Shorter or up", show=False, id="browse.up"),
    ]

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        super().__init__()
        self._folder = folder if folder.is_dir() else Path.cwd()
        self._root = root
        self._narrow = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Bar(id="where")
            yield Rows(empty="nothing here has these letters")
            yield Bar(
                [("enter opens or takes · backspace goes up · letters narrow · esc cancels", "dim")]
            )

    def on_mount(self) -> None:
        self.query_one(Vertical).border_title = "choose a text"
        self.query_one(Rows).focus()
        self._show()

    def _show(self) -> None:
        try:
            with os.scandir(self._folder) as found:
                entries = [
                    (e.name, e.is_dir(), 0 if e.is_dir() else e.stat().st_size) for e in found
                ][:MOST]
            fault = ""
        except OSError as error:
            entries, fault = [], str(error)
        narrow = self._narrow.lower()
        entries = [e for e in entries if not e[0].startswith(".") and narrow in e[0].lower()]
        rows = []
        if not narrow:
            rows.append(Row(HERE, ((" this folder, with all its texts", "accent"),)))
            if self._folder.resolve() != (self._root or Path(self._folder.anchor)).resolve():
                rows.append(Row(UP, ((" ..", "dim"),)))
        for name, is_folder, size in sorted(entries, key=lambda e: (not e[1], e[0].lower())):
            shown = f" {one_line(name, 48)}{'/' if is_folder else ''}"
            rows.append(
                Row(
                    f"={name}",
                    (
                        (f"{shown:<52}", "title" if is_folder else ""),
                        ("" if is_folder else words.size(size), "dim"),
                    ),
                )
            )
        self.query_one(Rows).show(rows)
        self.query_one("#where", Bar).show(
            [
                (one_line(str(self._folder.absolute())), "title"),
                (f"  {self._narrow}", "key"),
                (fault, "bad"),
            ]
        )

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        if event.key == HERE:
            self.dismiss(str(self._folder))
            return
        path = self._folder.absolute().parent if event.key == UP else self._folder / event.key[1:]
        if path.is_dir():
            self._folder, self._narrow = path, ""
            self._show()
        else:
            self.dismiss(str(path))

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character.isprintable() and len(event.character) == 1:
            event.stop()
            event.prevent_default()
            self._narrow += event.character
            self._show()

    def action_shorter(self) -> None:
        if self._narrow:
            self._narrow = self._narrow[:-1]
        elif self._root is None or self._folder.resolve() != self._root.resolve():
            self._folder = self._folder.absolute().parent
        self._show()
