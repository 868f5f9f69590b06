"""Compare: two to four runs side by side: their curves, the settings in which they differ, what each writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget

from checkpoints.errors import RunError
from checkpoints.runs import RunFolder
from tui import words
from tui.colour import coloured_from
from tui.curve import Line
from tui.literal import one_line
from tui.screens.base import StudioScreen
from tui.series import smooth
from tui.store import RunView
from tui.watch import Followed
from tui.widgets.ink import Span
from tui.widgets.page import Page
from tui.widgets.plot import Plot

MOST = 4
AXES = ("steps", "tokens", "minutes")
LOSSES = ("validation", "training")
PATTERNS = ("solid", "dashed", "dotted", "sparse")
Point = tuple[float, float, float, float]


def differing(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The settings that are not the same in all records: name, and each record's value (a dash where it has none)."""
    flat: list[dict[str, str]] = []
    for record in records:
        found = {}
        for group in ("data", "model", "training"):
            body = record.get(group)
            if isinstance(body, Mapping):
                found.update({str(k): _brief(v) for k, v in body.items()})
        corpus = record.get("corpus")
        if isinstance(corpus, Mapping):
            found["corpus"] = _brief(corpus.get("paths", ""))
        flat.append(found)
    names = dict.fromkeys(name for found in flat for name in found)
    return [
        (name, [found.get(name, "—") for found in flat])
        for name in names
        if len({found.get(name, "—") for found in flat}) > 1
    ]


def scale(view: RunView, axis: str) -> float:
    """What one step counts on an axis: 1, its tokens, or its minutes (of the whole run, pauses included)."""
    last, started = view.last_step, view.started
    if axis == "steps" or last is None or not last.step:
        return 1.0
    if axis == "tokens":
        return last.tokens / last.step
    begun = started.time if started is not None else last.time
    return max(last.time - begun, 1e-9) / 60 / last.step


class Compare(StudioScreen):
    TITLE = "compare"
    ABOUT = """\
The runs' curves on one plane (a: over steps, tokens or minutes; m: validation or training), the settings in which they
differ, and what each wrote last at the temperature nearest 0.8. Lines differ by pattern as well as by colour."""
    CSS_PATH = "compare.tcss"
    BINDINGS = [
        Binding("a", "axis", "Steps, tokens, time", id="compare.axis"),
        Binding("m", "loss", "Validation, training", id="compare.loss"),
        Binding("y", "copy", "Copy the pane", show=False, id="compare.copy"),
    ]

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self.paths = list(paths)[:MOST]
        self._runs: list[Followed] = []
        self._axis = 0
        self._loss = 0

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="planes"):
            yield Plot(id="curves")
            yield Page(id="settings", classes="pane")
        with Horizontal(id="texts"):
            for i in range(len(self.paths)):
                yield Page(id=f"text-{i}", classes="pane")

    def on_mount(self) -> None:
        self._runs = [self.studio.watcher.follow(path) for path in self.paths]
        self.query_one("#curves").add_class("pane")
        self.entitle("#settings", "what differs")
        self.query_one(Plot).focus()
        self._draw_settings()
        self._draw()
        self.set_interval(0.5, self._tick)
        self._seen = -1

    def on_unmount(self) -> None:
        for path in self.paths:
            self.studio.watcher.leave(path)

    def on_screen_resume(self) -> None:
        if self._runs:
            self._draw()

    def _tick(self) -> None:
        now = sum(run.view.revision for run in self._runs)
        if self.app.screen is self and now != self._seen:
            self._seen = now
            self._draw()

    # -- what is seen -------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        axis, loss = AXES[self._axis], LOSSES[self._loss]
        self.head((" compare ", "title"), (" · ".join(path.name for path in self.paths), "dim"))
        lines = []
        for pattern, run in zip(PATTERNS, self._runs, strict=False):
            with run.view.lock:
                factor = scale(run.view, axis)
                series = run.view.valid if loss == "validation" else run.view.train
                points = series.points()
                if loss == "training":
                    points = smooth(points, 0.9 if len(points) > 60 else 0.0)
            scaled: list[Point] = [(x * factor, low, mean, high) for x, low, mean, high in points]
            lines.append(Line(one_line(run.path.name, 18), scaled, pattern))
        self.query_one(Plot).show(lines, unit=f"bits per character over {axis}")
        self.entitle("#curves", f"{loss} loss", "a other axis · m other loss")
        for i, run in enumerate(self._runs):
            self._draw_text(i, run)

    def _draw_text(self, i: int, run: Followed) -> None:
        view = run.view
        best = f"best {view.best.bits_per_char:.3f} bits" if view.best is not None else ""
        page = self.query_one(f"#text-{i}", Page)
        samples = view.latest_samples()
        if not samples:
            self.entitle(f"#text-{i}", run.path.name, best)
            page.show([("It has written nothing yet.", "dim")])
            return
        sample = min(samples, key=lambda s: abs(s.temperature - 0.8))
        self.entitle(
            f"#text-{i}", f"{run.path.name} @ {sample.step:,}", f"{best} · T {sample.temperature:g}"
        )
        genre = view.started.genre if view.started is not None else ""
        page.show(coloured_from(genre, sample.prime, sample.text))

    def _draw_settings(self) -> None:
        records: list[Mapping[str, Any]] = []
        for path in self.paths:
            try:
                records.append(RunFolder(path).record())
            except RunError as error:
                self.studio.say(error.message, hint=error.hint, grave=True)
                records.append({})
        rows = differing(records)
        spans: list[Span] = [(f"{'':<16}", "")]
        for i, path in enumerate(self.paths):
            spans.append((f"{one_line(path.name, 12):<13}", f"line-{i}"))
        spans.append(("\n", ""))
        for name, values in rows:
            spans.append((f"{one_line(name, 15):<16}", "label"))
            spans += [(f"{one_line(value, 12):<13}", "") for value in values]
            spans.append(("\n", ""))
        self.query_one("#settings", Page).show(
            spans if rows else [("They have the same settings.", "dim")]
        )

    # -- actions ------------------------------------------------------------------------------------------------

    def action_axis(self) -> None:
        self._axis = (self._axis + 1) % len(AXES)
        self.query_one(Plot).change(x_range=None, cursor=None)
        self._draw()

    def action_loss(self) -> None:
        self._loss = (self._loss + 1) % len(LOSSES)
        self._draw()

    def action_copy(self) -> None:
        page = self.focused if isinstance(self.focused, Page) else self.query_one("#settings", Page)
        self.app.copy_to_clipboard(page.text)
        self.studio.say("copied the pane")


def _brief(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_brief(v) for v in value)
    if isinstance(value, float):
        return words.count(value) if abs(value) >= 1000 else f"{value:g}"
    return str(value)
