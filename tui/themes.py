"""The studio's own themes, and the colours that any other theme gets where it names none.

The lines' colours are Okabe and Ito's palette (jfly.uni-koeln.de/color), which people with any colour vision tell
apart; nothing is told by colour alone all the same.
"""

from __future__ import annotations

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
