"""A button: a line that says what it does and by which key; a click does the same."""

from __future__ import annotations

from textual import events

from tui.widgets.bar import Bar


class Press(Bar):
    """Runs one of its screen's actions when it is clicked."""

    def __init__(self, key: str, label: str, action: str, *, id: str | None = None) -> None:
        super().__init__([(f" {key} ", "here"), (f" {label}", "title")], id=id)
        self._action = action

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        await self.run_action(f"screen.{self._action}")
