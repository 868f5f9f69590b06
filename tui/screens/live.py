"""Live: a run as it learns: its curve, what it writes now, and the controls that act on it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget

from tui import telling, words
from tui.colour import coloured_from
from tui.curve import Line, Mark
from tui.launch import Job
from tui.load import Load
from tui.screens.controls import ENDED, STEERING, STREAMS, Controls
from tui.series import Series, smooth, smoothing
from tui.store import Sample
from tui.watch import Followed, RunState
from tui.widgets.bar import Bar
from tui.widgets.page import Page
from tui.widgets.plot import Plot
from tui.widgets.press import Press

HEAD_S = 0.5
HEADS_A_CURVE = 2
"""The figures in the head are drawn twice a second and the curve once: ten and four times took 7 % of a core, which a
trainer on all cores misses. Samples, states and answers to a key are drawn at once."""
ROOMY = 100
"""Columns from which on the footer has room for one key more."""
MEASURES = ("loss", "speed", "learning rate", "gradient norm")
FIRST_STEPS = "the first steps are on their way"
AWAITED = "Samples appear at the first checkpoint; s asks for some now."


class Live(Controls):
    TITLE = "live"
    ABOUT = """\
The run's curve, and below it what it writes at each temperature. Every control is a request to the trainer, takes
effect between two steps, and is marked (▲) on the curve. ◆ is the best validation.
g shows the genre's figures where there is no room for them.
With the curve in focus: arrows move a cursor, i and u zoom, v and V make an axis logarithmic."""
    CSS_PATH = "live.tcss"
    BINDINGS = [
        Binding("e", "evolution", "Evolution", id="live.evolution"),
        Binding("p", "play", "Play", id="live.play"),
        Binding("n", "music", "Music", show=False, id="live.music"),
        Binding("m", "measure", "Another measure", show=False, id="live.measure"),
        Binding("o", "smooth", "Smooth the curve", show=False, id="live.smooth"),
        Binding("l", "log", "Log", show=False, id="live.log"),
        Binding("g", "figures", "Figures", show=False, id="live.figures"),
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
        self._measure = 0
        self._at: int | None = None
        """The step whose samples are shown; None follows the newest."""
        self._load = Load()
        self._load_text = ""
        self._asked = ""
        self._changes = 0
        self._ticks = 0
        self._shown_state: RunState | None = None

    @property
    def run(self) -> Followed:
        assert self._run is not None
        return self._run

    def body(self) -> Iterable[Widget]:
        yield Bar(id="status")
        with Horizontal(id="upper"):
            yield Plot(id="curve", empty=FIRST_STEPS, log_y=False)
            yield Page(id="figures")
        yield Page(id="dead")
        yield Press("r", "resume from the newest checkpoint", "resume", id="resume")
        yield Press("r", "back to the form: nothing that was typed is lost", "resume", id="again")
        with Horizontal(id="samples"):
            for i in range(STREAMS):
                yield Page(id=f"sample-{i}")
        yield Page(id="log", follow=True)

    def on_mount(self) -> None:
        self._run = self.studio.watcher.follow(self.path)
        streams = (f"#sample-{i}" for i in range(STREAMS))
        for selector in ("#curve", "#figures", "#log", "#dead", *streams):
            self.query_one(selector).add_class("pane")
        remembered = self.studio.remembered
        self.query_one(Plot).change(log_y=remembered.log_y)
        self.set_class("live.log" in remembered.layout, "-log")
        self.set_class("live.figures" in remembered.layout, "-figures")
        measure = remembered.layout.get("live.measure", "")
        self._measure = MEASURES.index(measure) if measure in MEASURES else 0
        self.entitle("#log", "events")
        self.entitle("#figures", "figures")
        self.entitle("#curve", "loss")
        self.query_one(Plot).focus()
        self.set_interval(HEAD_S, self._tick)
        self._draw_all()

    def on_unmount(self) -> None:
        self.studio.watcher.leave(self.path)

    def on_screen_resume(self) -> None:
        self._draw_all()

    def news(self, runs: Sequence[Followed] | None) -> None:
        if runs and self._run in runs:
            self._draw()

    def _draw_all(self) -> None:
        if self._run is not None:
            self._seen.clear()
            self._draw_head()
            self._draw()
            self._draw_curve()

    def _is_new(self, aspect: str) -> bool:
        now = self.view.news.get(aspect, 0)
        if self._seen.get(aspect) == now:
            return False
        self._seen[aspect] = now
        return True

    def _tick(self) -> None:
        """What changes with every step, at its own pace, and not at all while the screen is hidden."""
        if self.app.screen is not self:
            return
        self._ticks += 1
        if self._ticks % HEADS_A_CURVE == 0:
            percent = self._load.percent(self.run.pid) if self.run.pid else None
            self._load_text = "" if percent is None else f"cpu {percent:.0f}%"
            if self._is_new("curve"):
                self._draw_curve()
        if self.state != self._shown_state:
            self._draw()
        self._draw_head()

    def _draw(self) -> None:
        """What is news at once."""
        with self.view.lock:
            if self._is_new("state") or self.state != self._shown_state:
                self._draw_head()
            if self._is_new("samples"):
                self._draw_samples()
                self.query_one("#figures", Page).show(telling.figures(self.view))
            if self._is_new("log"):
                self._draw_log()
            # Of a run that no trainer is at all comes at once, and no more.
            if not self.state.live and self._is_new("curve"):
                self._draw_curve()
            self._draw_dead()

    @property
    def state(self) -> RunState:
        state = self.run.state
        if state.word == "gone":
            return state
        if self.studio.jobs.starts(self.path, self.view.time):
            return RunState("●", "starting", live=True)
        return RunState("✗", "not started") if self._refused and not state.live else state

    @property
    def _refused(self) -> Job | None:
        """The trainer that would have made this run, if it refused to."""
        return None if self.view.revision else self.studio.jobs.refused.get(self.path)

    def offers(self, binding: Binding) -> bool:
        """Of the controls those that have a meaning in the run's state."""
        if self._run is None:
            return binding.show
        state = self.state
        if binding.id == "live.music":
            # Beside the controls there is no room for it on small screens.
            return bool(self._tunes) and (not state.live or self.size.width >= ROOMY)
        if binding.id in ("live.evolution", "live.play"):
            return state.word != "not started"
        if binding.id not in (*STEERING, *ENDED):
            return binding.show
        if binding.id in STEERING:
            return state.live
        if binding.id == "live.resume":
            return telling.can_resume(state)
        return not state.live and bool(self.view.checkpoints)

    def _draw_head(self) -> None:
        state = self.state
        if state != self._shown_state:
            self._shown_state = state
            self.refresh_bindings()
            # What stands where there is nothing yet hangs on whether a trainer is at it.
            self.query_one(Plot).change(empty=FIRST_STEPS if state.live else "no step was logged")
            self._seen.pop("samples", None)
        with self.view.lock:
            self.head(*telling.head(self.path.name, self.view, state, width=self.size.width))
            answer = self.view.changes[-1] if len(self.view.changes) != self._changes else None
            if answer is not None and self._asked and answer.request.startswith("set "):
                self.studio.say(answer.text, grave=not answer.applied)
            if not state.live or answer is not None:
                self._asked = ""  # answered, or never to be
            line = telling.progress(
                self.view,
                state,
                cells=30 if self.size.width >= 120 else 12,
                asked=self._asked,
                load=self._load_text,
            )
        self.query_one("#status", Bar).show(line)

    def asked(self, text: str) -> None:
        self._asked, self._changes = text, len(self.view.changes)
        self._draw_head()

    def _draw_curve(self) -> None:
        view = self.view
        with view.lock:
            measure = MEASURES[self._measure]
            marks = [Mark(c.step, "▲") for c in view.changes if c.applied]
            if measure == "loss":
                train = view.train.points()
                weight = smoothing(train) if self.studio.remembered.smooth else 0.0
                lines = [
                    Line("validation", view.valid.points(), "dashed"),
                    Line("training", smooth(train, weight), band=not weight),
                ]
                if view.baseline is not None:
                    bits = view.baseline * words.BITS
                    level = [(x, bits, bits, bits) for x, *_ in lines[-1].points]
                    lines.append(Line("n-gram", level, "dotted"))
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
        self.entitle("#curve", measure, "m other measures")

    def _draw_samples(self) -> None:
        view = self.view
        genre = view.started.genre if view.started else ""
        if self._at is None:
            streams = view.streams()[:STREAMS]
            if not any(sample for _, sample in streams):
                streams = [(s.temperature, s) for s in view.latest_samples()[:STREAMS]]
        else:
            older = sorted(view.samples.get(self._at, []), key=lambda s: s.temperature)
            streams = [(s.temperature, s) for s in older[:STREAMS]]
        for i in range(STREAMS):
            page = self.query_one(f"#sample-{i}", Page)
            page.display = i < max(1, len(streams))
            if i >= len(streams):
                continue
            temperature, sample = streams[i]
            if sample is not None:
                self._draw_sample(page, sample, genre)
            else:
                self.entitle(f"#sample-{i}", f"T {temperature:g}", "")
                page.show([("Nothing is written at this temperature yet.", "dim")])
        if not streams:
            self.entitle("#sample-0", "samples")
            page = self.query_one("#sample-0", Page)
            live = self.state.live
            page.show([(AWAITED if live else "It wrote no samples.", "dim")])

    def _draw_sample(self, page: Page, sample: Sample, genre: str) -> None:
        where = f" @ {sample.step:,}" if self.size.width >= 90 or self._at is None else ""
        self.entitle(f"#{page.id}", f"T {sample.temperature:g}{where}", self._sample_note(sample))
        writing = not sample.done and self.state.live
        written = page.follow and not writing
        page.follow = writing
        spans = coloured_from(genre, sample.prime, sample.text)
        page.show([*spans, ("▌", "accent")] if writing else spans)
        if written:  # a text is read from its beginning
            page.scroll_home(animate=False)

    def _sample_note(self, sample: Sample) -> str:
        if not sample.done:
            return "writing" if self.state.live else "unfinished"
        if self._at is not None:
            steps = self.view.sample_steps()
            if sample.step not in steps:
                return ""
            return f"{steps.index(sample.step) + 1}/{len(steps)} · f newest"
        if sample.nats_per_char is None:
            return ""
        return f"{sample.nats_per_char * words.BITS:.2f} bits/char"

    def _draw_log(self) -> None:
        self.query_one("#log", Page).show(telling.log(self.view))

    def _draw_dead(self) -> None:
        state, refused = self.state, self._refused
        lacking = telling.is_no_run(state)
        # A run is empty for the moment until it is read, too: no button comes and goes for that.
        self.query_one("#resume").display = telling.can_resume(state) and state.word != "empty"
        self.query_one("#again").display = lacking and bool(refused and refused.typed)
        self.query_one("#upper").display = self.query_one("#samples").display = (
            state.word != "not started"
        )
        page = self.query_one("#dead", Page)
        page.display = lacking or telling.is_dead(state)
        if page.display:
            self.entitle("#dead", f"✗ {state.word}")
            page.show(
                telling.no_run(self.path, refused)
                if lacking
                else telling.last_words(self.path, self.view)
            )

    def action_resume(self) -> None:
        """Go on where the trainer ended; where it never began, back to what was typed for it."""
        refused = self._refused
        if not telling.is_no_run(self.state):
            super().action_resume()
        elif refused is not None and refused.typed:
            studio = self.studio
            self.dismiss()
            studio.open_new(parent=refused.typed.get("parent", ""))
        else:
            self.studio.say(
                f"{self.path.name} is gone", hint="esc goes back to the other runs", grave=True
            )

    def action_play(self) -> None:
        from tui.screens.playground import Playground

        self.app.push_screen(Playground(self.path, self._at))

    @property
    def _tunes(self) -> str:
        """The genre of a run on tunes; empty for any other."""
        from corpora import genres

        genre = self.view.started.genre if self.view.started else ""
        return genre if genre in genres.names() and genres.find(genre).music else ""

    def action_music(self) -> None:
        """The tunes of a run that learns tunes."""
        from tui.screens.music import Music

        if self._tunes:
            self.app.push_screen(Music(self.path, self._tunes))
        else:
            self.studio.say("only a run on tunes writes music", hint="the corpus abc-tunes is one")

    def action_evolution(self) -> None:
        from tui.screens.evolution import Evolution

        self.app.push_screen(Evolution(self.path))

    def action_measure(self) -> None:
        self._measure = (self._measure + 1) % len(MEASURES)
        self.studio.lay_out("live.measure", MEASURES[self._measure] if self._measure else "")
        self._draw_curve()

    def on_plot_log_toggled(self, event: Plot.LogToggled) -> None:
        self.studio.remembered.log_y = event.log_y
        self.studio.remember_soon()

    def action_smooth(self) -> None:
        self.studio.remembered.smooth = not self.studio.remembered.smooth
        self.studio.remember_soon()
        self.studio.say(
            "smoothed" if self.studio.remembered.smooth else "every value, lowest to highest"
        )
        self._draw_curve()

    def action_log(self) -> None:
        self.toggle_class("-log")
        self.studio.lay_out("live.log", "shown" if self.has_class("-log") else "")
        self._seen.pop("log", None)
        self.call_after_refresh(self._draw_log)

    def action_figures(self) -> None:
        """Where both have no room: the figures instead of the curve. Where they have: the curve alone."""
        self.toggle_class("-figures")
        self.studio.lay_out("live.figures", "toggled" if self.has_class("-figures") else "")

    def action_step(self, by: int) -> None:
        steps = self.view.sample_steps()
        if not steps:
            return
        at = len(steps) - 1
        if self._at is not None:
            at = steps.index(self._at) if self._at in steps else 0
        self._at = steps[min(len(steps) - 1, max(0, at + by))]
        self._draw_samples()

    def action_follow(self) -> None:
        self._at = None
        self._draw_samples()

    def action_copy(self) -> None:
        page = self.focused if isinstance(self.focused, Page) else self.query_one("#sample-0", Page)
        self.app.copy_to_clipboard(page.text)
        self.studio.say("copied the pane")
