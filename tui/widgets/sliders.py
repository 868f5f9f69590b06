"""Numbers that one moves: a line each, ← and → (or the mouse) change the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.message import Message

from tui.widgets.ink import Ink, Span, fit

TRACK = 12


@dataclass(frozen=True, slots=True)
class Slider:
    """A number from `low` to `high` in steps of `step`; `off` is the value that does nothing."""

    name: str
    label: str
    low: float
    high: float
    step: float
    off: float | None = None


class Sliders(Ink, can_focus=True):
    """Tells of each change with `Changed`."""

    BINDINGS = [
        Binding("down,j", "move(1)", "Down", show=False, id="sliders.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="sliders.up"),
        Binding("left,h", "change(-1)", "Less", show=False, id="sliders.less"),
        Binding("right,l", "change(1)", "More", show=False, id="sliders.more"),
    ]

    class Changed(Message):
        def __init__(self, name: str, value: float) -> None:
            super().__init__()
            self.name, self.value = name, value

    def __init__(
        self, sliders: Sequence[Slider], values: dict[str, float], *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._sliders = sliders
        self.values = values
        self._at = 0

    def count(self) -> int:
        return len(self._sliders)

    def line(self, y: int) -> Sequence[Span]:
        slider = self._sliders[y]
        value = self.values[slider.name]
        share = (value - slider.low) / (slider.high - slider.low)
        knob = round(min(1.0, max(0.0, share)) * (TRACK - 1))
        off = slider.off is not None and value == slider.off
        pointer = ">" if y == self._at and self.has_focus else " "
        return fit(
            [
                (pointer, "key"),
                (f"{slider.label:<12}", "dim" if off else ""),
                ("─" * knob, "axis"),
                ("●", "accent"),
                ("─" * (TRACK - 1 - knob), "axis"),
                (f" {value:g}", "title"),
                (" off" if off else "", "dim"),
            ],
            self.scrollable_content_region.width,
        )

    def backdrop(self, y: int) -> str:
        return "row-cursor" if y == self._at and self.has_focus else ""

    def set(self, name: str, value: float) -> None:
        """Move a slider, within its limits."""
        slider = next(s for s in self._sliders if s.name == name)
        value = round(min(slider.high, max(slider.low, value)), 4)
        if value != self.values[name]:
            self.values[name] = value
            self.refresh()
            self.post_message(self.Changed(name, value))

    def action_move(self, by: int) -> None:
        self._at = min(len(self._sliders) - 1, max(0, self._at + by))
        self.refresh()

    def action_change(self, by: int) -> None:
        slider = self._sliders[self._at]
        self.set(slider.name, self.values[slider.name] + by * slider.step)

    def on_click(self, event: events.Click) -> None:
        y = event.y - self.gutter.top
        x = event.x - self.gutter.left - 13
        if 0 <= y < len(self._sliders):
            self._at = y
            slider = self._sliders[y]
            if 0 <= x < TRACK:
                steps = round(x / (TRACK - 1) * (slider.high - slider.low) / slider.step)
                self.set(slider.name, slider.low + steps * slider.step)
            self.refresh()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_change(1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_change(-1)
