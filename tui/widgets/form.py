"""The lines of a form: a label, what is typed, and its help or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input

from checkpoints.paths import expanded, is_folder
from corpora import catalogue
from tui.recipe import Field as Setting
from tui.widgets.bar import Bar
from tui.widgets.field import Field
from tui.widgets.ink import Span


class Paths(Suggester):
    """Completes catalogue names and those paths that are `allowed`."""

    def __init__(self, allowed: Callable[[Path], bool]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._allowed = allowed

    async def get_suggestion(self, value: str) -> str | None:
        names = [n for n in catalogue.entries() if n.startswith(value)]
        if names:
            return names[0]
        path = expanded(value)
        folder, start = (path, "") if value.endswith("/") else (path.parent, path.name)
        if not self._allowed(folder):
            return None
        try:
            found = sorted(
                p for p in folder.iterdir() if p.name.startswith(start) and p.name[0] != "."
            )
        except OSError:
            return None
        if not found:
            return None
        first = found[0]
        return value + first.name[len(start) :] + ("/" if is_folder(first) else "")


class Line(Horizontal):
    """One setting: its label, the value, and its help or what is wrong with it."""

    class Changed(Message):
        def __init__(self, name: str, value: str) -> None:
            super().__init__()
            self.name, self.value = name, value

    # With priority the focus moves before the next key is handed on: in a burst the keys behind would still go to the
    # field before.
    BINDINGS = [
        Binding("up", "neighbour(-1)", "Setting above", show=False, id="line.up", priority=True),
        Binding(
            "down,enter", "neighbour(1)", "Setting below", show=False, id="line.down", priority=True
        ),
        Binding("tab", "app.focus_next", "Next", show=False, id="line.next", priority=True),
        Binding(
            "shift+tab", "app.focus_previous", "Before", show=False, id="line.before", priority=True
        ),
    ]

    def __init__(self, setting: Setting, value: str, suggester: Suggester | None = None) -> None:
        super().__init__(id=f"line-{setting.name}")
        self.setting = setting
        self._value, self._suggester = value, suggester
        self.said: Span = (setting.help, "dim")

    def compose(self) -> ComposeResult:
        yield Bar([(f" {self.setting.label}", "label")], classes="label")
        yield Value(self.setting, self._value, self._suggester)
        yield Bar([(self.setting.help, "dim")], classes="help")

    @property
    def field(self) -> Value:
        return self.query_one(Value)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        changed = bool(event.value.strip())
        self.query_one(".label", Bar).show(
            [(f" {self.setting.label}", "title" if changed else "label")]
        )
        self.post_message(self.Changed(self.setting.name, event.value))

    def tell(self, wrong: str) -> None:
        """Say what is wrong, or the help again."""
        said: Span = (f"✗ {wrong}", "bad") if wrong else (self.setting.help, "dim")
        if said != self.said:
            self.said = said
            self.query_one(".help", Bar).show([said])

    def action_neighbour(self, by: int) -> None:
        self.screen.focus_next(Value) if by > 0 else self.screen.focus_previous(Value)


class Value(Field):
    """The typed value. Where there are choices, ← and → (and a click) go through them."""

    BINDINGS = [
        Binding("left", "choose(-1)", "Choice before", show=False, id="value.before"),
        Binding("right", "choose(1)", "Next choice", show=False, id="value.after"),
    ]

    def __init__(self, setting: Setting, value: str, suggester: Suggester | None) -> None:
        super().__init__(value, placeholder=setting.default, suggester=suggester)
        self.setting = setting

    def action_choose(self, by: int) -> None:
        if not self.setting.choices:
            self.action_cursor_left() if by < 0 else self.action_cursor_right()
            return
        choices = ("", *self.setting.choices)
        at = choices.index(self.value) if self.value in choices else 0
        self.value = choices[(at + by) % len(choices)]
        self.cursor_position = len(self.value)

    def on_click(self, event: events.Click) -> None:
        if self.setting.choices and self.has_focus:
            event.stop()
            self.action_choose(1)
