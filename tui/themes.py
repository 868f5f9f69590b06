"""The studio's own themes, and the colours that any other theme gets where it names none.

The lines' colours are Okabe and Ito's palette (jfly.uni-koeln.de/color), which people with any colour vision tell
apart; nothing is told by colour alone all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

DARK = {
    "ink-line-0": "#56b4e9",
    "ink-line-1": "#e69f00",
    "ink-line-2": "#2fbf9b",
    "ink-line-3": "#cc79a7",
    "ink-good": "#2fbf9b",
    "ink-warn": "#e69f00",
    "ink-bad": "#f0795b",
    "ink-new": "#f0e442",
    "ink-axis": "#5b6675",
    "ink-heat-1": "#9fb3c8",
    "ink-heat-2": "#f0e442",
    "ink-heat-3": "#e69f00",
    "ink-heat-4": "#f0795b",
}
LIGHT = {
    "ink-line-0": "#0072b2",
    "ink-line-1": "#b35c00",
    "ink-line-2": "#00795a",
    "ink-line-3": "#a3427a",
    "ink-good": "#00795a",
    "ink-warn": "#9a5200",
    "ink-bad": "#b53a12",
    "ink-new": "#7a3e00",
    "ink-axis": "#9aa3ad",
    "ink-heat-1": "#5b6675",
    "ink-heat-2": "#7a6a00",
    "ink-heat-3": "#9a5200",
    "ink-heat-4": "#b53a12",
}

INK = Theme(
    name="rnnstudio-ink",
    primary="#56b4e9",
    secondary="#2fbf9b",
    accent="#e69f00",
    foreground="#d8dee6",
    background="#0f141a",
    surface="#161d26",
    panel="#1f2833",
    success="#2fbf9b",
    warning="#e69f00",
    error="#f0795b",
    dark=True,
    variables={
        **DARK,
        "block-cursor-background": "#24445a",
        "block-cursor-foreground": "#ffffff",
        "border": "#56b4e9",
        "border-blurred": "#33404f",
    },
)
PAPER = Theme(
    name="rnnstudio-paper",
    primary="#0072b2",
    secondary="#00795a",
    accent="#b35c00",
    foreground="#22262b",
    background="#faf7f0",
    surface="#f3eee3",
    panel="#e8e1d2",
    success="#00795a",
    warning="#9a5200",
    error="#b53a12",
    dark=False,
    variables={
        **LIGHT,
        "block-cursor-background": "#cfe4f2",
        "block-cursor-foreground": "#101418",
        "border": "#0072b2",
        "border-blurred": "#cfc6b4",
    },
)
THEMES = (INK, PAPER)

# Kind of text: the variable that colours it, and how else it differs.
_INKS = {
    "dim": ("muted", ""),
    "label": ("muted", ""),
    "axis": ("ink-axis", ""),
    "title": ("foreground", "bold"),
    "key": ("accent", "bold"),
    "accent": ("accent", ""),
    "good": ("ink-good", ""),
    "warn": ("ink-warn", ""),
    "bad": ("ink-bad", "bold"),
    "mark": ("accent", "bold"),
    "cursor": ("muted", ""),
    "prime": ("muted", "italic"),
    "new": ("ink-new", "underline"),
    "line-0": ("ink-line-0", ""),
    "line-1": ("ink-line-1", ""),
    "line-2": ("ink-line-2", ""),
    "line-3": ("ink-line-3", ""),
    "heat-0": ("muted", ""),
    "heat-1": ("foreground", ""),
    "heat-2": ("ink-heat-2", ""),
    "heat-3": ("ink-heat-3", "underline"),
    "heat-4": ("ink-heat-4", "bold underline"),
    "here": ("foreground", "reverse"),
    "genre-title": ("accent", "bold"),
    "genre-name": ("ink-line-2", ""),
    "genre-keyword": ("ink-line-0", "bold"),
    "genre-number": ("ink-line-1", ""),
    "genre-string": ("ink-good", ""),
    "genre-comment": ("muted", "italic"),
    "genre-markup": ("ink-line-3", ""),
    "genre-note": ("ink-line-0", ""),
    "genre-bar": ("ink-axis", ""),
    "genre-error": ("ink-bad", "underline"),
}


class Themed(Protocol):
    """What has a theme's variables: the application."""

    @property
    def theme_variables(self) -> dict[str, str]: ...


_KNOWN: dict[str, Mapping[str, Style]] = {}


def inks(theme: str, app: Themed) -> Mapping[str, Style]:
    """The style of each kind of text under a theme; `row-cursor` and `row-blurred` are grounds."""
    if theme not in _KNOWN:
        _KNOWN[theme] = _inks_of(app.theme_variables)
    return _KNOWN[theme]


def _inks_of(known: Mapping[str, str]) -> Mapping[str, Style]:
    foreground = Color.parse(known["foreground"])
    colours = {"muted": Color.parse(known["background"]).blend(foreground, 0.62)}

    def colour(name: str) -> Color:
        return colours.get(name) or Color.parse(known[name])

    found = {
        kind: Style.parse(how) + Style(color=colour(name).rich_color)
        for kind, (name, how) in _INKS.items()
    }
    cursor = Color.parse(known["block-cursor-background"]).rich_color
    blurred = Color.parse(known["surface"]).rich_color
    return {**found, "row-cursor": Style(bgcolor=cursor), "row-blurred": Style(bgcolor=blurred)}
