"""Dialogs: choose one of a few, type a line, or read. `esc` always takes nothing back with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from tui.literal import one_line
from tui.widgets.bar import Bar
from tui.widgets.field import Field
from tui.widgets.ink import Span
from tui.widgets.page import Page
from tui.widgets.rows import Row, Rows

CSS = """
Choose, Ask, Read, Browse { align: center middle; background: $background 60%; }
.-screen-suspended ToastRack { display: none; }
/* Toasts leave what is asked in sight: above it is room for one, the last. */
Choose ToastRack, Ask ToastRack { dock: top; align: right top; }
Choose ToastHolder, Ask ToastHolder { display: none; }
Choose ToastHolder:last-child, Ask ToastHolder:last-child { display: block; }
.dialog { width: 72; max-width: 90%; height: auto; max-height: 90%; border: round $border; background: $surface;
          padding: 0 1; }
.dialog Page { height: auto; max-height: 14; }
.dialog Rows { height: auto; max-height: 12; margin: 1 0 0 0; }
.dialog Bar { height: 1; }
.dialog Field { margin: 1 0 0 0; background: $panel; }
Read .dialog { width: 96; height: 90%; }
Read .dialog Page { height: 1fr; max-height: 100%; }
"""


class Choose(ModalScreen[str]):
    """One of a few answers, by key, arrows or mouse; dismissed with the answer's key, or "" for none."""

    BINDINGS = [Binding("escape", "dismiss('')", "Cancel", id="dialog.cancel")]

    def __init__(
        self, title: str, text: str, answers: Sequence[tuple[str, str]], *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        assert all(key for key, _ in answers)  # a row without a key cannot be chosen
        self._title, self._text, self._answers = title, text, answers

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Page(id="question")
            yield Rows(id="answers")

    def on_mount(self) -> None:
        self.query_one(Vertical).border_title = Content(f" {one_line(self._title, 60)} ")
        self.query_one(Page).show(self._text)
        self.query_one(Page).can_focus = False
        rows = self.query_one(Rows)
        rows.show([Row(key, ((f" {label}", ""),)) for key, label in self._answers])
        rows.focus()

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        self.dismiss(event.key)


class Ask(ModalScreen[str | None]):
    """A line of text; `check` says what is wrong with it, or nothing. Dismissed with the text, or None."""

    BINDINGS = [Binding("escape", "dismiss(None)", "Cancel", id="dialog.cancel")]

    def __init__(
        self, title: str, text: str, value: str, check: Callable[[str], str] = lambda _: ""
    ) -> None:
        super().__init__()
        self._title, self._text, self._value, self._check = title, text, value, check

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Page(id="question")
            yield Field(self._value)
            yield Bar(id="wrong")

    def on_mount(self) -> None:
        self.query_one(Vertical).border_title = Content(f" {one_line(self._title, 60)} ")
        self.query_one(Page).show(self._text)
        self.query_one(Page).can_focus = False
        self.query_one(Field).focus()
        self._say(self._check(self._value) if self._value else "")

    def _say(self, wrong: str) -> None:
        self.query_one(Bar).show(
            [(wrong or "enter takes it, esc cancels", "bad" if wrong else "dim")]
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        self._say(self._check(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        wrong = self._check(event.value)
        if wrong:
            self._say(wrong)
        else:
            self.dismiss(event.value)


class Read(ModalScreen[None]):
    """Something to read: help, a log's tail, versions and paths. `y` copies it."""

    BINDINGS = [
        Binding("escape,q,question_mark,f1,f12", "dismiss", "Close", id="dialog.close"),
        Binding("y", "copy", "Copy", id="dialog.copy"),
    ]

    def __init__(self, title: str, spans: Sequence[Span]) -> None:
        super().__init__()
        self._title, self._spans = title, spans

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Page()
            yield Bar([("esc closes · y copies", "dim")])

    def on_mount(self) -> None:
        self.query_one(Vertical).border_title = Content(f" {one_line(self._title, 60)} ")
        page = self.query_one(Page)
        page.show(self._spans)
        page.focus()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one(Page).text)
        self.app.notify("Copied.", markup=False)
