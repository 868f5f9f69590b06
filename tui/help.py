"""What `?` shows: what the screen is for, then every key that acts where one is."""

from __future__ import annotations

from textual.screen import Screen

from tui.widgets.ink import Span


def help_spans(screen: Screen[None]) -> list[Span]:
    """The help of a screen, made from its own bindings, so that it cannot be out of date."""
    about = " ".join(str(getattr(screen, "ABOUT", "")).split())
    spans: list[Span] = [(about + "\n", "")] if about else []
    groups: dict[str, list[tuple[str, str]]] = {}
    focused = screen.focused
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.id or not binding.description:
            continue
        if active.node is focused:
            group = "this pane"
        elif active.node is screen.app or binding.id.startswith("screen."):
            group = "everywhere"
        else:
            group = "this screen"
        entry = (screen.app.get_key_display(binding), binding.description)
        if binding.id.startswith("screen.pane-"):
            entry = ("1 … 5", "Pane 1 to 5")  # one line for all of them
        if entry not in groups.setdefault(group, []):
            groups[group].append(entry)
    for group in ("this screen", "this pane", "everywhere"):
        # One action may have several keys: they share a line.
        lines: dict[str, list[str]] = {}
        for key, description in groups.get(group, []):
            lines.setdefault(description, []).append(key)
        if lines:
            spans.append((f"\n{group}\n", "title"))
            for description, keys in lines.items():
                spans.append((f"  {' '.join(keys):<14}", "key"))
                spans.append((f" {description}\n", ""))
    return spans
