"""Compare: two to four runs side by side: their curves, the settings in which they differ, what each writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from textual import events
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
from tui.series import smooth, smoothing
from tui.store import RunView, Sample
from tui.watch import Followed
from tui.widgets.ink import Span, fit
from tui.widgets.page import Page
from tui.widgets.plot import ASCII_SAMPLES, SAMPLES, Plot

MOST = 4
WANTED_T = 0.8
LABEL = 16
"""Cells for a setting's name beside its values."""
MOST_CHARS = 40
"""Of a value."""
AXES = ("steps", "tokens", "minutes")
LOSSES = ("validation", "training")
PATTERNS = ("solid", "dashed", "dotted", "sparse")
Point = tuple[float, float, float, float]
SAME = "They have the same settings."
UNREAD = "What cannot be read cannot be compared."


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
    known = [
        found for found in flat if found
    ]  # a run that has recorded nothing yet differs in nothing
    return [
        (name, [found.get(name, "—") for found in flat])
        for name in names
        if len({found.get(name, "—") for found in known}) > 1
    ]


def paired(written: Sequence[Sequence[Sample]]) -> list[Sample | None]:
    """Of each run's samples the one to stand beside the others: at the temperature nearest 0.8 that all wrote at, or,
    where they share none, at each one's own nearest. None where a run has written nothing.
    """
    each = [{s.temperature: s for s in samples} for samples in written]
    shared = set.intersection(*(set(found) for found in each if found)) if any(each) else set()
    return [
        found[min(shared or found, key=lambda t: abs(t - WANTED_T))] if found else None
        for found in each
    ]


def unlike(samples: Sequence[Sample | None]) -> list[tuple[str, list[str]]]:
    """What else than the model is not the same in these samples, told like settings that differ."""
    rows = [
        ("samples' T", ["—" if s is None else f"{s.temperature:g}" for s in samples]),
        ("samples' prime", ["—" if s is None else repr(s.prime) for s in samples]),
    ]
    return [(name, values) for name, values in rows if len({*values} - {"—"}) > 1]


def table(
    names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], width: int
) -> list[Span]:
    """What differs, a column a run; a setting's name stands above its values where there is no room before them."""
    told = [text for texts in (names, *(values for _, values in rows)) for text in texts]
    widest = 1 + max(12, *(cell_len(one_line(text, MOST_CHARS)) for text in told))
    column = min(widest, (width - LABEL) // len(names))
    above = column < 9
    if above:
        column = min(widest, width // len(names))
    gap = [] if above else [(" " * LABEL, "")]

    def cells(texts: Sequence[str], kinds: Sequence[str]) -> list[Span]:
        pairs = zip(texts, kinds, strict=True)
        return [
            part
            for text, kind in pairs
            for part in (*fit([(one_line(text, MOST_CHARS), kind)], column - 1), (" ", ""))
        ]

    spans = [*gap, *cells(names, [f"line-{i}" for i in range(len(names))]), ("\n", "")]
    for name, values in rows:
        spans += fit([(name, "label")], width if above else LABEL - 1)
        spans.append(("\n" if above else " ", ""))
        spans += [*cells(values, [""] * len(values)), ("\n", "")]
    return spans


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
differ, and what each wrote last, at the temperature nearest 0.8 that all wrote at: where they share none, or went on
from different primes, that stands among what differs. Lines differ by pattern as well as by colour."""
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
        self._records: list[Mapping[str, Any]] = []
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
        self._records = self._read_records()
        self._draw()
        self.set_interval(0.5, self._tick)
        self._seen = -1

    def on_unmount(self) -> None:
        for path in self.paths:
            self.studio.watcher.leave(path)

    def on_screen_resume(self) -> None:
        if self._runs:
            self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        if self._runs:
            self.call_after_refresh(self._draw)  # when the panes have their sizes

    def _tick(self) -> None:
        now = sum(run.view.revision for run in self._runs)
        if self.app.screen is self and now != self._seen:
            self._seen = now
            self._draw()

    def _draw(self) -> None:
        axis, loss = AXES[self._axis], LOSSES[self._loss]
        self.head((" compare ", "title"), *self._key())
        lines = []
        for pattern, run in zip(PATTERNS, self._runs, strict=False):
            with run.view.lock:
                factor = scale(run.view, axis)
                series = run.view.valid if loss == "validation" else run.view.train
                points = series.points()
                if loss == "training":
                    points = smooth(points, smoothing(points))
            scaled: list[Point] = [(x * factor, low, mean, high) for x, low, mean, high in points]
            lines.append(Line(one_line(run.path.name, 18), scaled, pattern))
        self.query_one(Plot).show(lines, unit=f"bits per character over {axis}")
        self.entitle("#curves", f"{loss} loss over {axis}", "a other axis · m other loss")
        samples = paired([run.view.latest_samples() for run in self._runs])
        for i, (run, sample) in enumerate(zip(self._runs, samples, strict=True)):
            self._draw_text(i, run, sample)
        rows = [*differing(self._records), *unlike(samples)]
        page = self.query_one("#settings", Page)
        width = page.scrollable_content_region.width
        names = [path.name for path in self.paths]
        same = SAME if all(self._records) else UNREAD
        page.show(table(names, rows, width) if rows else [(same, "dim")])

    @property
    def _marks(self) -> Sequence[str]:
        """How each run's line is drawn."""
        known = ASCII_SAMPLES if self.studio.ascii_only else SAMPLES
        return [known[pattern] for pattern in PATTERNS]

    def _key(self) -> list[Span]:
        """Which line is whose, in what the head has room for: the curve's own legend is cut where there are many."""
        room = (self.size.width - 20) // len(self.paths) - 5
        key: list[Span] = []
        for i, (mark, path) in enumerate(zip(self._marks, self.paths, strict=False)):
            key += [(f"{mark} ", f"line-{i}"), (f"{one_line(path.name, max(1, room))}  ", "")]
        return key

    def _draw_text(self, i: int, run: Followed, sample: Sample | None) -> None:
        view = run.view
        name = f"{self._marks[i]} {run.path.name}"
        best = f"best {view.best.bits_per_char:.3f} bits" if view.best is not None else ""
        page = self.query_one(f"#text-{i}", Page)
        if sample is None:
            self.entitle(f"#text-{i}", name, best)
            page.show([("It has written nothing yet.", "dim")])
            return
        self.entitle(
            f"#text-{i}", f"{name} @ {sample.step:,}", f"{best} · T {sample.temperature:g}"
        )
        genre = view.started.genre if view.started is not None else ""
        page.show(coloured_from(genre, sample.prime, sample.text))

    def _read_records(self) -> list[Mapping[str, Any]]:
        records: list[Mapping[str, Any]] = []
        for path in self.paths:
            try:
                records.append(RunFolder(path).record())
            except RunError as error:
                self.studio.say(error.message, hint=error.hint, grave=True)
                records.append({})
        return records

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
        return words.number(value) if abs(value) >= 1000 else f"{value:g}"
    return str(value)
