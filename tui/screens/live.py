"""Live: a run as it learns: its curve, what it writes now, and the controls that act on it at once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget

from checkpoints.lines import read_tail
from tui import launch, words
from tui.colour import coloured_from, figure_label
from tui.curve import Line, Mark
from tui.dialogs import Ask, Choose
from tui.load import Load
from tui.screens.base import StudioScreen
from tui.screens.home import STATE_KINDS
from tui.series import Series, smooth, sparkline
from tui.store import RunView, Sample
from tui.watch import Followed, RunState
from tui.widgets.bar import Bar
from tui.widgets.ink import Span
from tui.widgets.page import Page
from tui.widgets.plot import Plot

PANES = 3
PLOT_S = 0.25
LOG_SHOWN = 300
MEASURES = ("loss", "speed", "learning rate", "gradient norm")
LOG_KINDS = {
    "warning": ("!", "warn"),
    "error": ("✗", "bad"),
    "milestone": ("◆", "accent"),
    "checkpoint": ("●", "dim"),
    "control": ("▲", "accent"),
    "note": ("·", "dim"),
}


class Live(StudioScreen):
    TITLE = "live"
    ABOUT = """\
The run's curve, and below it what it writes at each temperature. Every control is a request to the trainer, takes
effect between two steps, and is marked (▲) on the curve. ◆ is the best validation.
With the curve in focus: arrows move a cursor, i and u zoom, v and V make an axis logarithmic."""
    CSS_PATH = "live.tcss"
    BINDINGS = [
        Binding("space", "pause", "Pause", id="live.pause"),
        Binding("s", "sample", "Sample", id="live.sample"),
        Binding("k", "checkpoint", "Save", id="live.checkpoint"),
        Binding("t", "temperatures", "Temps", id="live.temperatures"),
        Binding("e", "evolution", "Evolution", id="live.evolution"),
        Binding("p", "play", "Play", id="live.play"),
        Binding(
            "plus,equals_sign",
            "warmer(0.1)",
            "This stream warmer",
            key_display="+",
            show=False,
            id="live.warmer",
        ),
        Binding(
            "minus",
            "warmer(-0.1)",
            "This stream cooler",
            key_display="-",
            show=False,
            id="live.cooler",
        ),
        Binding("d", "rate", "Learning rate", show=False, id="live.rate"),
        Binding("n", "music", "Music", show=False, id="live.music"),
        Binding("w", "prime", "What samples go on from", show=False, id="live.prime"),
        Binding("X", "stop", "Save and stop", show=False, id="live.stop"),
        Binding("r", "resume", "Resume", show=False, id="live.resume"),
        Binding("b", "fork", "Fork from here", show=False, id="live.fork"),
        Binding("m", "measure", "Another measure", show=False, id="live.measure"),
        Binding("o", "smooth", "Smooth the curve", show=False, id="live.smooth"),
        Binding("l", "log", "Log", show=False, id="live.log"),
        Binding("comma", "step(-1)", "Older samples", key_display=",", show=False, id="live.older"),
        Binding(
            "full_stop", "step(1)", "Newer samples", key_display=".", show=False, id="live.newer"
        ),
        Binding("f", "follow", "Follow the newest samples", show=False, id="live.follow"),
        Binding("y", "copy", "Copy the pane", show=False, id="live.copy"),
    ]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._run: Followed | None = None
        self._seen: dict[str, int] = {}
        self._plotted = 0.0
        self._measure = 0
        self._at: int | None = None
        """The step whose samples are shown; None follows the newest."""
        self._load = Load()
        self._load_text = ""
        self._asked = ""
        self._changes = 0
        self._show_log = False

    @property
    def run(self) -> Followed:
        assert self._run is not None
        return self._run

    @property
    def view(self) -> RunView:
        return self.run.view

    def body(self) -> Iterable[Widget]:
        yield Bar(id="status")
        with Horizontal(id="upper"):
            yield Plot(id="curve", empty="the first steps are on their way", log_y=False)
            yield Page(id="figures")
        yield Page(id="dead")
        with Horizontal(id="samples"):
            for i in range(PANES):
                yield Page(id=f"sample-{i}")
        yield Page(id="log", follow=True)

    def on_mount(self) -> None:
        self._run = self.studio.watcher.follow(self.path)
        for selector in (
            "#curve",
            "#figures",
            "#log",
            "#dead",
            *(f"#sample-{i}" for i in range(PANES)),
        ):
            self.query_one(selector).add_class("pane")
        self.query_one(Plot).change(log_y=self.studio.remembered.log_y)
        self.entitle("#log", "events")
        self.entitle("#figures", "figures")
        self.entitle("#curve", "loss")
        self.query_one(Plot).focus()
        self.set_interval(PLOT_S, self._tick)
        self.set_interval(1.0, self._look_at_load)
        self._draw_all()

    def on_unmount(self) -> None:
        self.studio.watcher.leave(self.path)

    def on_screen_resume(self) -> None:
        self._draw_all()

    def news(self, runs: Sequence[Followed] | None) -> None:
        if runs and self._run in runs:
            self._draw()

    # -- what is seen -------------------------------------------------------------------------------------------

    def _draw_all(self) -> None:
        if self._run is not None:
            self._seen.clear()
            self._draw()
            self._draw_curve()

    def _is_new(self, aspect: str) -> bool:
        now = self.view.news.get(aspect, 0)
        if self._seen.get(aspect) == now:
            return False
        self._seen[aspect] = now
        return True

    def _tick(self) -> None:
        """At most four curves a second, and none while the screen is hidden."""
        if self.app.screen is self and self._is_new("curve"):
            self._draw_curve()

    def _look_at_load(self) -> None:
        if self.app.screen is not self:
            return
        percent = self._load.percent(self.run.pid) if self.run.pid else None
        self._load_text = "" if percent is None else f"cpu {percent:.0f}%"
        self._draw_head()

    def _draw(self) -> None:
        with self.view.lock:
            self._draw_head()
            if self._is_new("samples"):
                self._draw_samples()
                self._draw_figures()
            if self._is_new("log"):
                self._draw_log()
            self._draw_dead()

    @property
    def _state(self) -> RunState:
        state = self.run.state
        if state.word == "empty" and self.path in self.studio.jobs.live():
            return RunState("●", "starting", live=True)
        return state

    def _draw_head(self) -> None:
        view, state = self.view, self._state
        last, best = view.last_step, view.best
        kind = STATE_KINDS.get(state.word, "dim")
        spans: list[Span] = [
            (f" {self.path.name} ", "title"),
            (f"{state.glyph} {state.word}", kind),
        ]
        if last is not None:
            spans.append((f"   epoch {last.epoch:.2f}  step {view.step:,}", ""))
        if best is not None:
            spans.append((f"  best {best.bits_per_char:.3f} bits/char @ {best.step:,}", "accent"))
        if last is not None and state.live:
            spans.append((f"  {words.count(last.chars_per_s)} ch/s", ""))
        self.head(*spans)

        line: list[Span] = []
        if last is not None:
            done = min(1.0, max(0.0, last.progress)) if math.isfinite(last.progress) else 0.0
            cells = 30 if self.size.width >= 120 else 12
            full = round(done * cells)
            line += [
                (" " + "█" * full, "line-2"),
                ("░" * (cells - full), "axis"),
                (f" {done:.0%}", ""),
            ]
            if state.live:
                line.append((f"  {words.duration(last.eta_s)} to go", "title"))
        if self._asked and len(view.changes) == self._changes:
            line.append((f"  asked: {self._asked}", "warn"))
        if last is not None:
            line.append((f"  lr {last.lr:.3g}  grad {words.count(last.grad_norm)}", "dim"))
        if self._load_text:
            line.append((f"  {self._load_text}", "dim"))
        if view.started is not None:
            s = view.started
            line.append((f"  {words.count(s.parameters)} params  {s.device} {s.threads}t", "dim"))
        self.query_one("#status", Bar).show(line)

    def _draw_curve(self) -> None:
        view = self.view
        with view.lock:
            measure = MEASURES[self._measure]
            marks = [Mark(c.step, "▲") for c in view.changes if c.applied]
            if measure == "loss":
                weight = 0.9 if self.studio.remembered.smooth and len(view.train) > 60 else 0.0
                lines = [
                    Line("validation", view.valid.points(), "dashed"),
                    Line("training", smooth(view.train.points(), weight), band=not weight),
                ]
                if view.best is not None:
                    marks.append(Mark(view.best.step, "◆", "good"))
                unit = "bits per character"
            else:
                series: Series = {"speed": view.speed, "learning rate": view.rate}.get(
                    measure, view.grad
                )
                lines = [Line(measure, series.points())]
                unit = "characters a second" if measure == "speed" else ""
        self.query_one(Plot).show(lines, marks, unit)
        eta = words.duration(view.last_step.eta_s) if view.last_step and self.run.state.live else ""
        self.entitle("#curve", measure, f"ETA {eta}" if eta else "m other measures")

    def _draw_samples(self) -> None:
        view = self.view
        genre = view.started.genre if view.started else ""
        if self._at is None:
            shown = view.latest_samples()
        else:
            shown = sorted(view.samples.get(self._at, []), key=lambda s: s.temperature)
        for i in range(PANES):
            page = self.query_one(f"#sample-{i}", Page)
            page.display = i < max(1, min(PANES, len(shown)))
            if i < len(shown):
                self._draw_sample(page, shown[i], genre)
            elif i == 0:
                self.entitle("#sample-0", "samples")
                page.show([("Samples appear at the first checkpoint; s asks for some now.", "dim")])

    def _draw_sample(self, page: Page, sample: Sample, genre: str) -> None:
        where = f" @ {sample.step:,}" if self.size.width >= 90 or self._at is None else ""
        self.entitle(f"#{page.id}", f"T {sample.temperature:g}{where}", self._sample_note(sample))
        page.follow = not sample.done
        spans = coloured_from(genre, sample.prime, sample.text)
        page.show(spans if sample.done else [*spans, ("▌", "accent")])

    def _sample_note(self, sample: Sample) -> str:
        if not sample.done:
            return "writing"
        if self._at is not None:
            steps = self.view.sample_steps()
            return (
                f"{steps.index(sample.step) + 1}/{len(steps)} · f newest"
                if sample.step in steps
                else ""
            )
        if sample.nats_per_char is None:
            return ""
        return f"{sample.nats_per_char * words.BITS:.2f} bits/char"

    def _draw_figures(self) -> None:
        view = self.view
        genre = view.started.genre if view.started else ""
        spans: list[Span] = []
        for name, values in view.figures.items():
            human = view.human.get(name)
            spans.append((f"{sparkline([v for _, v in values], 12):<12} ", "line-0"))
            spans.append((f"{words.share(values[-1][1]):>6}", "title"))
            spans.append((f"  human {words.share(human)}" if human is not None else "", "dim"))
            spans.append((f"  {figure_label(genre, name)}\n", ""))
        if view.milestones:
            spans.append(("\nmilestones\n", "label"))
            for milestone in view.milestones:
                spans += [(f"◆ {milestone.step:>7,} ", "accent"), (f"{milestone.text}\n", "")]
        page = self.query_one("#figures", Page)
        page.show(spans or [("The genre's figures come with the first samples.", "dim")])

    def _draw_log(self) -> None:
        spans: list[Span] = []
        for entry in list(self.view.log)[-LOG_SHOWN:]:
            glyph, kind = LOG_KINDS[entry.kind]
            clock = time.strftime("%H:%M:%S", time.localtime(entry.time))
            spans += [(f"{clock} {entry.step:>8,} ", "dim"), (f"{glyph} ", kind)]
            spans.append((f"{entry.text}\n", kind if kind in ("warn", "bad") else ""))
            if entry.hint:
                spans.append((f"{'':19}{entry.hint}\n", "dim"))
        self.query_one("#log", Page).show(spans)

    def _draw_dead(self) -> None:
        state = self.run.state
        page = self.query_one("#dead", Page)
        page.display = state.word in ("crashed", "failed", "diverged")
        if not page.display:
            return
        failed = self.view.failed
        spans: list[Span] = []
        if failed is not None:
            spans += [(f"{failed.text}\n", "bad"), (f"{failed.hint}\n" if failed.hint else "", "")]
        else:
            spans.append(("The trainer is gone without a last word.\n", "bad"))
        for line in read_tail(self.path / "run.log", 4096)[-8:]:
            spans.append((line.decode("utf-8", "replace") + "\n", "dim"))
        self.entitle("#dead", f"✗ {state.word}", "r resume from the newest checkpoint")
        page.show(spans)

    # -- controls -----------------------------------------------------------------------------------------------

    def _ask(self, what: str, text: str, *, name: str = "", value: object = None) -> None:
        """A request to the trainer; until it answers, the status line says what was asked."""
        if self.run.pid is None:
            self.studio.say(
                f"{self.path.name} is not being trained", hint="r resumes it", grave=True
            )
            return
        if self.studio.attempt(lambda: launch.ask(self.path, what, name=name, value=value)):
            self._asked, self._changes = text, len(self.view.changes)
            self._draw_head()

    def action_pause(self) -> None:
        if self.view.paused:
            self._ask("resume", "go on")
        else:
            self._ask("pause", "pause")

    def action_sample(self) -> None:
        self._ask("sample", "samples now")

    def action_checkpoint(self) -> None:
        self._ask("checkpoint", "a checkpoint now")

    def action_stop(self) -> None:
        def answer(what: str | None) -> None:
            if what == "stop":
                self._ask("stop", "save and stop")

        text = "The trainer writes a checkpoint and ends; r resumes it any time."
        self.app.push_screen(
            Choose("stop", text, [("stop", "save and stop"), ("", "go on")]), answer
        )

    def _set_temperatures(self, values: list[float]) -> None:
        text = " ".join(f"{v:g}" for v in values)
        self._ask("set", f"temperatures {text}", name="temperatures", value=values)

    def action_temperatures(self) -> None:
        def take(text: str | None) -> None:
            if text is not None:
                self._set_temperatures(temperatures(text))

        def wrong(text: str) -> str:
            try:
                temperatures(text)
            except ValueError as error:
                return str(error)
            return ""

        now = " ".join(f"{t:g}" for t in self.view.temperatures())
        about = "One to three temperatures: below 1 safer and more repetitive, above 1 bolder and more broken."
        self.app.push_screen(Ask("temperatures", about, now, wrong), take)

    def action_warmer(self, by: float) -> None:
        """Move the temperature of the stream in focus (the middle one if none is)."""
        values = sorted(self.view.temperatures())
        if not values:
            return
        focused = self.focused.id if self.focused is not None and self.focused.id else ""
        index = int(focused[-1]) if focused.startswith("sample-") else len(values) // 2
        index = min(index, len(values) - 1)
        values[index] = round(min(5.0, max(0.0, values[index] + by)), 2)
        self._set_temperatures(values)

    def action_rate(self) -> None:
        def wrong(text: str) -> str:
            return "" if _positive(text) is not None else "a number above 0, for example 0.001"

        def take(text: str | None) -> None:
            value = _positive(text) if text is not None else None
            if value is not None:
                self._ask("set", f"learning rate {value:g}", name="lr", value=value)

        now = f"{self.view.last_step.lr:.3g}" if self.view.last_step else ""
        about = "The peak rate; the schedule goes on scaling it."
        self.app.push_screen(Ask("learning rate", about, now, wrong), take)

    def action_prime(self) -> None:
        def take(text: str | None) -> None:
            if text is not None:
                self.studio.remembered.drafts["prime"] = text
                self.studio.remember()
                prime = text.replace("\\n", "\n")
                self._ask("set", "another prime", name="prime", value=prime)

        now = self.studio.remembered.drafts.get("prime", "")
        about = "Samples go on from this text (\\n for a new line; empty takes openings from the held-out text)."
        self.app.push_screen(Ask("prime", about, now), take)

    def action_resume(self) -> None:
        if self.run.pid is not None:
            self.studio.say("it is being trained already", hint="space pauses it")
            return
        words_ = ["resume", str(self.path)]
        self.studio.attempt(
            lambda: self.studio.jobs.start(words_, self.path), f"resuming {self.path.name}"
        )

    def action_play(self) -> None:
        from tui.screens.playground import Playground

        self.app.push_screen(Playground(self.path, self._at))

    def action_music(self) -> None:
        """The tunes of a run that learns tunes."""
        from corpora import genres
        from tui.screens.music import Music

        genre = self.view.started.genre if self.view.started else ""
        if genre in genres.names() and genres.find(genre).music:
            self.app.push_screen(Music(self.path, genre))
        else:
            self.studio.say("only a run on tunes writes music", hint="the corpus abc-tunes is one")

    def action_fork(self) -> None:
        """A new run that goes on from this one's model, with other settings."""
        step = self.view.checkpoints[-1].step if self.view.checkpoints else 0
        if not step:
            self.studio.say(
                "there is no checkpoint to fork from yet", hint="k asks for one", grave=True
            )
            return
        corpus = self.view.started.corpus if self.view.started else ""
        self.studio.open_new(corpus, parent=f"{self.path}@{step}")

    def action_evolution(self) -> None:
        from tui.screens.evolution import Evolution

        self.app.push_screen(Evolution(self.path))

    # -- looking ------------------------------------------------------------------------------------------------

    def action_measure(self) -> None:
        self._measure = (self._measure + 1) % len(MEASURES)
        self._draw_curve()

    def action_smooth(self) -> None:
        self.studio.remembered.smooth = not self.studio.remembered.smooth
        self.studio.say(
            "smoothed" if self.studio.remembered.smooth else "every value, lowest to highest"
        )
        self._draw_curve()

    def action_log(self) -> None:
        self.toggle_class("-log")
        self._seen.pop("log", None)
        self.call_after_refresh(self._draw_log)

    def action_step(self, by: int) -> None:
        steps = self.view.sample_steps()
        if not steps:
            return
        at = (
            len(steps) - 1
            if self._at is None
            else steps.index(self._at)
            if self._at in steps
            else 0
        )
        self._at = steps[min(len(steps) - 1, max(0, at + by))]
        self._draw_samples()

    def action_follow(self) -> None:
        self._at = None
        self._draw_samples()

    def action_copy(self) -> None:
        page = self.focused if isinstance(self.focused, Page) else self.query_one("#sample-0", Page)
        self.app.copy_to_clipboard(page.text)
        self.studio.say("copied the pane")


def temperatures(text: str) -> list[float]:
    """One to three temperatures in a text. Raises ValueError with what is wrong."""
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise ValueError("numbers, for example 0.5 0.8 1.0") from error
    if not 1 <= len(values) <= PANES:
        raise ValueError("one to three temperatures")
    if any(not (math.isfinite(v) and 0 <= v <= 5) for v in values):
        raise ValueError("each from 0 to 5")
    return sorted(values)


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
