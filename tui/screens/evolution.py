"""Evolution: what the model wrote at each checkpoint, from noise to sentences, stepped through or played as a film."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.binding import Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget

from checkpoints.files import write_atomic
from corpora.genres import figure_label
from tui import film, filmfiles
from tui.colour import coloured
from tui.film import Frame
from tui.literal import one_line
from tui.screens.base import LOW, StudioScreen
from tui.watch import Followed
from tui.widgets.bar import Bar
from tui.widgets.ink import Span, flow
from tui.widgets.page import Page
from tui.widgets.timeline import Stop, Timeline

if TYPE_CHECKING:
    from tui.app import Studio

TICK_S = 0.05
SPEEDS = (10, 20, 40, 80, 160, 320)
"""Characters a second that the film types."""
HOLD_TICKS = 16
"""Ticks that a finished frame stands before the next."""
CAPTION_LINES = 2
"""For what was reached and the figures, twice as many in a tall terminal."""
VIEWS = ("changes", "new words", "genre colours")
AWAITED = "What is written at each checkpoint stands here; s on the live screen asks for some now."


class Evolution(StudioScreen):
    TITLE = "evolution"
    ABOUT = """\
What the model wrote at each checkpoint: the same prime, the same random numbers, so that what changes is the model.
Where a checkpoint did not write at the temperature chosen (t), the nearest it wrote at stands there, and says so.
Underlined is what the checkpoint before did not write; d shows words never written before, or the genre's colours.
★ on the line: a milestone was reached. space pins a checkpoint beside the others; x takes the film away."""
    CSS_PATH = "evolution.tcss"
    BINDINGS = [
        # Before the panes' own arrows, which would keep them out of the footer.
        Binding("left", "go(-1)", "Before", key_display="←", priority=True, id="evolution.before"),
        Binding("right", "go(1)", "After", key_display="→", priority=True, id="evolution.after"),
        Binding("home", "first", "First", show=False, priority=True, id="evolution.first"),
        Binding("end", "last", "Last", show=False, priority=True, id="evolution.last"),
        Binding("space", "pin", "Pin", id="evolution.pin"),
        Binding("d", "view", "Changes", id="evolution.view"),
        Binding("r", "replay", "Replay", id="evolution.replay"),
        Binding(
            "plus,equals_sign",
            "speed(1)",
            "Faster",
            key_display="+",
            show=False,
            id="evolution.faster",
        ),
        Binding("minus", "speed(-1)", "Slower", key_display="-", show=False, id="evolution.slower"),
        Binding("t", "temperature", "Another temperature", show=False, id="evolution.temperature"),
        Binding("x", "export", "Export", id="evolution.export"),
        Binding("y", "copy", "Copy the text", show=False, id="evolution.copy"),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._run: Followed | None = None
        self._frames: list[Frame] = []
        self._at = 0
        self._pins: list[int] = []
        self._temperature: float | None = None
        self._view = 0
        self._speed = 2
        self._film: Timer | None = None
        self._typed = 0.0
        self._held = 0
        self._inks: dict[tuple[int, int], list[Span]] = {}
        """Spans by (index, view); the film draws the same frame 20 times a second."""

    @property
    def run(self) -> Followed:
        assert self._run is not None
        return self._run

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="frames"):
            yield Page(id="pinned", classes="pane")
            yield Page(id="before", classes="pane")
            yield Page(id="now", classes="pane")
        yield Bar(id="caption")
        yield Timeline(id="timeline")

    def on_mount(self) -> None:
        self._run = self.studio.watcher.follow(self.path)
        self.query_one("#timeline").border_title = "checkpoints"
        self.query_one("#now", Page).focus()
        self._read()
        self._draw()

    def on_unmount(self) -> None:
        self.studio.watcher.leave(self.path)

    def on_screen_resume(self) -> None:
        if self._run is not None:
            self._read()
            self._draw()

    def on_resize(self, _event: events.Resize) -> None:
        if self._run is not None:
            self._draw()

    def news(self, runs: Sequence[Followed] | None) -> None:
        # What is still being written is no frame; what stands where there is none hangs on the trainer.
        if runs and self._run in runs and (self._read() or not self._frames):
            self._draw()

    def _read(self) -> bool:
        """Read the frames anew; True if they are others. Who looks at the last one looks at the newest."""
        view = self.run.view
        known = film.temperatures(view)
        if known and self._temperature not in known:
            self._temperature = min(known, key=lambda t: abs(t - 0.8))
        frames = film.frames(view, self._temperature) if self._temperature is not None else []
        if frames == self._frames:
            return False
        steps = [f.step for f in frames]
        at = self._frames[self._at].step if self._frames else None
        if at not in steps or (self._film is None and self._at == len(self._frames) - 1):
            self._at = max(0, len(steps) - 1)
        else:
            self._at = steps.index(at)
        self._frames = frames
        self._inks.clear()
        return True

    def _draw(self) -> None:
        self.head(
            (f" {one_line(self.path.name, self.size.width // 4)} ", "title"),
            (film.counted(self._frames), ""),
            (f"   ▶ {SPEEDS[self._speed]} characters a second" if self._film else "", "accent"),
            (self._drawn_at(), "dim"),
            (f"   showing {VIEWS[self._view]}", "dim"),
        )
        pinned, before = self.query_one("#pinned", Page), self.query_one("#before", Page)
        if not self._frames:
            pinned.display = before.display = False
            self.entitle("#now", "samples", "")
            told = AWAITED if self.run.state.live else "It wrote no samples."
            self.query_one("#now", Page).show([(told, "dim")])
            self.query_one("#caption", Bar).show([])
            self.query_one(Timeline).show([], 0)
            return
        frame = self._frames[self._at]
        wide = self.size.width >= 110
        pin = next((f for f in self._frames if f.step in self._pins[-1:] and f is not frame), None)
        pinned.display = pin is not None
        before.display = wide and self._at > 0
        if pin is not None:
            self._draw_frame("#pinned", pin, pinned_=True)
        if before.display:
            self._draw_frame("#before", self._frames[self._at - 1])
        self._draw_frame("#now", frame)
        labels = {n: figure_label(self._genre, n) for n, _ in frame.figures}
        items = [
            *([(f" ★ {text} ", "accent")] for text in frame.reached),
            *film.told_figures(frame, labels, self.run.view.human),
        ]
        room = CAPTION_LINES * (1 if self.size.height < LOW else 2)
        self.query_one("#caption", Bar).show(*flow(items, self.size.width, room))
        stops = [Stop(f.step, f.step in self._pins, bool(f.caption)) for f in self._frames]
        self.query_one(Timeline).show(stops, self._at)

    def _drawn_at(self) -> str:
        """The temperature, and whether some checkpoint wrote at others only: somebody changed it meanwhile."""
        if self._temperature is None:
            return ""
        moved = any(f.temperature != self._temperature for f in self._frames)
        return f"   temperature {self._temperature:g}" + " or nearest" * moved

    @property
    def _genre(self) -> str:
        started = self.run.view.started
        return started.genre if started is not None else ""

    def _draw_frame(self, selector: str, frame: Frame, *, pinned_: bool = False) -> None:
        loss = f"  {frame.bits_per_char:.3f} bits" if frame.bits_per_char is not None else ""
        other = f"  T {frame.temperature:g}" if frame.temperature != self._temperature else ""
        self.entitle(selector, f"{'◆ ' if pinned_ else ''}@ {frame.step:,}{loss}{other}")
        spans = self._inked(frame)
        playing = self._film is not None and selector == "#now"
        if playing:
            spans = _first(spans, round(self._typed))
            if self._typed < len(frame.text):
                spans = [*spans, ("▌", "accent")]
        self.query_one(selector, Page).show([(frame.prime, "prime"), *spans])

    def _inked(self, frame: Frame) -> list[Span]:
        index = self._frames.index(frame)
        key = (index, self._view)
        if key not in self._inks:
            self._inks[key] = self._ink_frame(index, frame)
        return self._inks[key]

    def _ink_frame(self, index: int, frame: Frame) -> list[Span]:
        if VIEWS[self._view] == "genre colours":
            return coloured(self._genre, frame.text)
        if index == 0:
            return [(frame.text, "")]
        if VIEWS[self._view] == "changes":
            return film.changed(self._frames[index - 1].text, frame.text)
        return film.unheard([f.text for f in self._frames[:index]], frame.text)

    def on_timeline_picked(self, event: Timeline.Picked) -> None:
        self._jump(event.index)

    def _jump(self, index: int) -> None:
        if not self._frames:
            return
        self._stop_film()
        self._at = min(len(self._frames) - 1, max(0, index))
        self._draw()

    def action_go(self, by: int) -> None:
        self._jump(self._at + by)

    def action_first(self) -> None:
        self._jump(0)

    def action_last(self) -> None:
        self._jump(len(self._frames) - 1)

    def action_pin(self) -> None:
        if not self._frames:
            return
        step = self._frames[self._at].step
        if step in self._pins:
            self._pins.remove(step)
        else:
            self._pins.append(step)
        self._draw()

    def action_view(self) -> None:
        self._view = (self._view + 1) % len(VIEWS)
        self._draw()

    def action_temperature(self) -> None:
        known = film.temperatures(self.run.view)
        if known and self._temperature is not None:
            self._temperature = known[(known.index(self._temperature) + 1) % len(known)]
            self._read()
            self._draw()

    def action_speed(self, by: int) -> None:
        self._speed = min(len(SPEEDS) - 1, max(0, self._speed + by))
        self._draw()

    def action_copy(self) -> None:
        if self._frames:
            frame = self._frames[self._at]
            self.app.copy_to_clipboard(frame.prime + frame.text)
            self.studio.say("copied the text")

    def action_back(self) -> None:
        if self._film is not None:
            self._stop_film()
            self._draw()
        else:
            super().action_back()

    def action_replay(self) -> None:
        """Play from here, or from the start if one is at the end; again to stop."""
        if self._film is not None:
            self._stop_film()
            self._draw()
            return
        if not self._frames:
            return
        if self._at == len(self._frames) - 1:
            self._at = 0
        self._typed, self._held = 0.0, 0
        self._film = self.set_interval(TICK_S, self._play)
        self._draw()

    def _stop_film(self) -> None:
        if self._film is not None:
            self._film.stop()
            self._film = None

    def _play(self) -> None:
        if self.app.screen is not self or not self._frames:
            return
        frame = self._frames[self._at]
        if self._typed < len(frame.text):
            self._typed += SPEEDS[self._speed] * TICK_S
        elif self._held < HOLD_TICKS:
            self._held += 1
            return
        elif self._at + 1 < len(self._frames):
            self._at, self._typed, self._held = self._at + 1, 0.0, 0
        else:
            self._stop_film()
        self._draw()

    def action_export(self) -> None:
        """Write the film beside the run's samples as text, page and SVG."""
        if not self._frames:
            self.studio.say(
                "there is nothing to export yet", hint="samples come with the first checkpoint"
            )
            return
        # The studio's own, so that it is written though one leaves the screen.
        self.studio.run_worker(_export(self.studio, self.path, self._frames))


async def _export(studio: Studio, run: Path, frames: Sequence[Frame]) -> None:
    made = await asyncio.to_thread(filmfiles.export, run.name, frames)
    folder = run / "film"

    def write() -> None:
        folder.mkdir(exist_ok=True)
        for name, text in made.items():
            write_atomic(folder / name, text)

    studio.attempt(write, f"film.txt, film.html and film.svg are in {folder}")


def _first(spans: list[Span], length: int) -> list[Span]:
    """The first `length` characters of the spans."""
    out: list[Span] = []
    for text, kind in spans:
        if length <= 0:
            break
        out.append((text[:length], kind))
        length -= len(text)
    return out
