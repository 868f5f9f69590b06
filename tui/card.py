"""A corpus on a card: what it is like, and what the corpus check found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tui import words
from tui.colour import coloured
from tui.literal import one_line
from tui.widgets.ink import Span

Finding = Mapping[str, Any]
"""As `rnnstudio corpora check --json` tells it: level, text, and the name of the fix, if there is one."""

_LEVELS = {"problem": ("✗", "bad"), "warning": ("!", "warn"), "note": ("·", "dim")}


def grave(findings: Sequence[Finding]) -> list[Finding]:
    """Those that somebody should do something about."""
    return [f for f in findings if f.get("level") in ("problem", "warning")]


def fixes(findings: Sequence[Finding]) -> list[str]:
    """The fixes that the check knows for what is grave."""
    return list(dict.fromkeys(str(f["fix"]) for f in grave(findings) if f.get("fix")))


def card(found: Mapping[str, object], findings: Sequence[Finding] | None) -> list[Span]:
    """What a corpus is like, in words; `findings` is None until the check has been through."""

    def number(name: str) -> int:
        value = found.get(name, 0)
        return value if isinstance(value, int) else 0

    encodings = found.get("encodings")
    how = ", ".join(map(str, encodings)) if isinstance(encodings, list) else ""
    spans: list[Span] = [
        (f"{number('chars'):,} characters", "title"),
        (f"  {words.size(number('size_bytes'))}  {how}", "dim"),
        (f"  {number('files')} files" if number("files") > 1 else "", "dim"),
        (f"\n{number('vocabulary')} different characters", ""),
        (f", {number('once')} of them once" if number("once") else "", "dim"),
        (f"\n{found.get('genre_title', '')}", "accent"),
        (f"  {one_line(str(found.get('why', '')))}\n", "dim"),
        *_of_check(found, findings),
        ("\n", ""),
    ]
    return [*spans, *coloured(str(found.get("genre", "")), str(found.get("preview", "")))]


def _of_check(found: Mapping[str, object], findings: Sequence[Finding] | None) -> list[Span]:
    if findings is None:
        notes = found.get("notes")
        said = notes if isinstance(notes, list) else []
        return [*((f"· {note}\n", "dim") for note in said), ("checking…\n", "dim")]
    if not findings:
        return [("✓ nothing to complain of\n", "good")]
    spans: list[Span] = []
    for finding in findings:
        glyph, kind = _LEVELS.get(str(finding.get("level")), _LEVELS["note"])
        spans.append((f"{glyph} {finding.get('text', '')}\n", kind))
    return spans
