"""How a text is drawn: the playground's sliders, what they are to the sampler, and how that is said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from tui.widgets.sliders import Slider, Sliders

SLIDERS = (
    Slider("temperature", "temperature", 0.0, 2.0, 0.05),
    Slider("top_k", "top-k", 0, 100, 5, off=0),
    Slider("top_p", "top-p", 0.05, 1.0, 0.05, off=1.0),
    Slider("min_p", "min-p", 0.0, 0.5, 0.02, off=0.0),
    Slider("repetition_penalty", "repetition", 1.0, 3.0, 0.1, off=1.0),
    Slider("length", "length", 50, 4000, 50),
    Slider("seed", "seed", 0, 999, 1),
)
START = {
    "temperature": 0.8,
    "top_k": 0.0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "length": 400.0,
    "seed": 1.0,
}


class Drawing(Sliders):
    """`remembered` gives what was told of a slider in an earlier session, or empty text."""

    def __init__(self, remembered: Callable[[str], str], *, id: str) -> None:
        values = {**START}
        for slider in SLIDERS:
            with suppress(ValueError):
                value = float(remembered(slider.name))
                values[slider.name] = min(slider.high, max(slider.low, value))
        super().__init__(SLIDERS, values, id=id)

    @property
    def seed(self) -> int:
        return int(self.values["seed"])

    @property
    def length(self) -> int:
        """Characters."""
        return int(self.values["length"])

    @property
    def settings(self) -> dict[str, float | int]:
        """As `SampleConfig` takes them."""
        names = ("temperature", "top_p", "min_p", "repetition_penalty")
        return {**{n: self.values[n] for n in names}, "top_k": int(self.values["top_k"])}

    @property
    def manner(self) -> str:
        """The settings in a few words; those that do nothing are left out."""
        filters = [
            f"{s.label} {self.values[s.name]:g}"
            for s in SLIDERS
            if s.off not in (None, self.values[s.name])
        ]
        return " · ".join([f"T {self.values['temperature']:g}", *filters])
