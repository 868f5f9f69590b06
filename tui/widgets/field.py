"""A line to type in, which takes nothing that a terminal would obey and forgets nothing that was typed."""

from __future__ import annotations

from textual import events
from textual.dom import DOMNode
from textual.suggester import Suggester
from textual.widgets import Input

from tui.literal import literal


class Field(Input):
    """An input whose value is always literal; a paste of several lines becomes one."""

    DEFAULT_CSS = "Field { height: 1; border: none; padding: 0 1; } Field:focus { border: none; }"

    def __init__(
        self,
        value: str = "",
        *,
        id: str | None = None,
        placeholder: str = "",
        suggester: Suggester | None = None,
    ) -> None:
        super().__init__(value, id=id, placeholder=placeholder, suggester=suggester, compact=True)
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        return literal(value.replace("\r\n", "\n")).replace("\n", " ")

    async def _on_key(self, event: events.Key) -> None:
        if not event.is_printable:
            await act(event, self)

    def _on_paste(self, event: events.Paste) -> None:
        self.replace(self.validate_value(event.text[:10_000]), *self.selection)
        event.stop()
        event.prevent_default()


async def act(event: events.Key, *nodes: DOMNode) -> None:
    """Do what a key is bound to in the first of these at once.

    Textual runs a binding only when the key has gone up to the app, by when the letters typed behind it have already
    come to the field: of `BSpace a` in one burst the backspace would take away the a.
    """
    for node in nodes:
        keys = node._bindings.copy()
        keys.apply_keymap(node.app._keymap)
        for binding in keys.key_to_bindings.get(event.key, ()):
            if await node.app.run_action(binding.action, node):
                event.stop()
                return
