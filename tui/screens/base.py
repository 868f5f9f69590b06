"""What every screen has: a head line, a footer of keys, help, and a word where the terminal is too small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input

from tui.child import Answer
from tui.literal import one_line
from tui.watch import Followed
from tui.widgets.bar import Bar
from tui.widgets.ink import wrap

if TYPE_CHECKING:
    from tui.app import Studio

SMALLEST = (60, 16)
LOW = 30
"""Lines below which a screen leaves out what matters less."""


class StudioScreen(Screen[None]):
    """A screen of the studio. Subclasses give `TITLE`, `ABOUT` (its help) and `body`."""

    TITLE: ClassVar[str] = ""
    ABOUT: ClassVar[str] = ""
    AUTO_FOCUS = None
    ALLOW_IN_MAXIMIZED_VIEW = "Footer, #too-small"
    BINDINGS = [
        Binding("escape", "back", "Back", show=False, id="screen.back"),
        Binding("tab", "app.focus_next", "Next pane", show=False, id="screen.next"),
        Binding("shift+tab", "app.focus_previous", "Pane before", show=False, id="screen.previous"),
        Binding("z", "grow", "Grow pane", show=False, id="screen.grow"),
        *(
            Binding(str(n), f"pane({n})", f"Pane {n}", show=False, id=f"screen.pane-{n}")
            for n in range(1, 6)
        ),
    ]

    _focused_before: Widget | None = None
    """What had the focus when the terminal became too small to show anything."""

    @property
    def studio(self) -> Studio:
        from tui.app import Studio

        app = self.app
        assert isinstance(app, Studio)
        return app

    def body(self) -> Iterable[Widget]:
        """The screen's own widgets."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield Bar(id="head")
        yield from self.body()
        yield Footer(compact=True, show_command_palette=False)
        yield Bar(id="too-small")

    def on_mount(self) -> None:
        grown = self.studio.remembered.layout.get(f"{self.TITLE}.grown")
        if grown:
            self.call_after_refresh(self._grow, grown)

    def _grow(self, name: str) -> None:
        for pane in self.panes():
            if pane.id == name:
                pane.focus()
                self.maximize(pane)

    def head(self, *spans: tuple[str, str]) -> None:
        """What the head line says after the screen's name."""
        self.query_one("#head", Bar).show([(" rnnstudio ", "accent"), *spans])

    def entitle(self, selector: str, title: str, subtitle: str | None = None) -> None:
        """Give a pane a title; any text, shown literally."""
        widget = self.query_one(selector)
        widget.border_title = Content(f" {one_line(title, 120)} ") if title else None
        if subtitle is not None:
            widget.border_subtitle = Content(f" {one_line(subtitle, 120)} ") if subtitle else None

    def news(self, runs: Sequence[Followed] | None) -> None:
        """Called, while this screen is in front, when followed runs changed (None: the list of runs did)."""

    def ask(self, op: str, **body: object) -> int:
        """Ask the playground's process; the request's id, or 0 and a toast where it cannot be started."""
        number = 0

        def ask() -> None:
            nonlocal number
            number = self.studio.child.ask(op, **body)

        self.studio.attempt(ask)
        return number

    def answered(self, answer: Answer) -> None:
        """Called with every part of an answer of the playground's process; each screen knows its own by `id`."""

    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        if small and not self.has_class("-too-small"):
            self._focused_before = self.focused  # what is not shown loses the focus
        elif not small and self.has_class("-too-small"):
            self.call_after_refresh(self._focus_again)
        self.set_class(small, "-too-small")
        self.set_class(width >= 120, "-wide")
        self.set_class(height < LOW, "-low")
        if small:
            text = (
                f"rnnstudio needs {SMALLEST[0]}x{SMALLEST[1]} characters; this is {width}x{height}"
            )
            self.query_one("#too-small", Bar).show(*wrap([(text, "warn")], width))

    def _focus_again(self) -> None:
        widget, self._focused_before = self._focused_before, None
        if widget is None or not widget.is_attached:
            return
        # A field that gets the focus selects its text, which the next key would replace.
        selection = widget.selection if isinstance(widget, Input) else None
        self.set_focus(widget)
        if selection is not None:
            widget.call_later(setattr, widget, "selection", selection)

    def offers(self, binding: Binding) -> bool:
        """Whether the footer shows a key now. It acts all the same, if only to say why it cannot."""
        return binding.show

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return {
            key: active._replace(binding=replace(active.binding, show=self.offers(active.binding)))
            for key, active in super().active_bindings.items()
        }

    def panes(self) -> list[Widget]:
        """The panes that `1` to `5` go to, in order."""
        return [w for w in self.focus_chain if w.has_class("pane")]

    def action_pane(self, number: int) -> None:
        panes = self.panes()
        if number <= len(panes):
            panes[number - 1].focus()

    def action_grow(self) -> None:
        """Give the focused pane the whole screen, or give it back."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None and self.focused.has_class("pane"):
            self.maximize(self.focused)

    def on_idle(self) -> None:
        """A grown pane that is no longer shown leaves the room to those that are."""
        grown = self.maximized
        if grown is not None and not all(
            node.display for node in grown.ancestors_with_self if isinstance(node, Widget)
        ):
            self.minimize()

    def watch_maximized(self, _before: Widget | None, now: Widget | None) -> None:
        if self.is_attached and self.is_mounted:
            self.studio.lay_out(f"{self.TITLE}.grown", (now.id or "") if now is not None else "")

    def action_back(self) -> None:
        if self.maximized is not None:
            self.minimize()
        elif len(self.app.screen_stack) > 2:
            self.dismiss()
