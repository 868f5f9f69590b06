"""Jump mode: a letter over every pane; press it to go there."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from tui.widgets.bar import Bar

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class Jump(ModalScreen[None]):
    """Shows the letters over what is in sight of the screen beneath, and takes one key."""

    DEFAULT_CSS = """
    Jump Bar { width: 3; height: 1; position: absolute; background: $accent; color: $background; text-style: bold; }
    """

    def __init__(self, below: Screen[None]) -> None:
        super().__init__()
        self._targets: dict[str, Widget] = {}
        seen = [w for w in below.focus_chain if below.find_widget(w).visible_region]
        for letter, widget in zip(LETTERS, seen, strict=False):
            self._targets[letter] = widget

    def compose(self) -> ComposeResult:
        for letter, widget in self._targets.items():
            bar = Bar([(f" {letter} ", "")])
            bar.styles.offset = (widget.region.x, widget.region.y)
            yield bar

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self.dismiss()
        target = self._targets.get(event.key)
        if target is not None and target.is_attached:
            target.focus()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.dismiss()
