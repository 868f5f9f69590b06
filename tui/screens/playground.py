"""Playground: write with any checkpoint, see what it might write next, and where a text surprises it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from checkpoints.runs import RunFolder
from tui import demo, words
from tui.child import Answer
from tui.dialogs import Choose
from tui.literal import meant, one_line
from tui.paper import Paper, Voice
from tui.screens.base import StudioScreen
from tui.widgets.drawing import Drawing
from tui.widgets.field import Field
from tui.widgets.ink import Span
from tui.widgets.page import Page
from tui.widgets.sliders import Sliders
from tui.widgets.surprise import Surprise, Token, bar, rather

BARS = 12
MOST_BESIDE = 50
"""Other runs that are offered as a second model."""

NO_CHECKPOINT = "This run has no checkpoint, and nothing that could write."

TO_COME = "This run has no checkpoint yet, and nothing that could write. k on the live screen asks for one."

NO_WEIGHTS = "The demo is a recording, without a model that could write: a run of your own can."

STUCK = {
    "loop": ("it repeats itself", "T is warmer, or try a repetition of 1.3"),
    "unbroken": (
        "it strayed into a run without spaces",
        "r is another seed, or try a min-p of 0.05",
    ),
}
"""What is said of a model that is stuck, and what may help."""


class Playground(StudioScreen):
    TITLE = "playground"
    ABOUT = """\
Type a prompt (\\n is a new line) and press enter: the model goes on. enter again, outside the prompt, goes on from
what stands there; r writes it anew with another seed, R with the same; u takes back. At the right: what may come next.
w shows the text by how unlikely each character was: arrows move, and 1 to 5 put one of the five likeliest there instead
and go on from it. c writes with a second checkpoint, of this or another run, beside the first, from the same seed."""
    CSS_PATH = "playground.tcss"
    BINDINGS = [
        Binding("enter", "write", "Write on", id="play.write"),
        Binding("p", "prompt", "Prompt", id="play.prompt"),
        Binding("r", "again(1)", "Re-roll", id="play.reroll"),
        Binding("R", "again(0)", "Same again", show=False, id="play.same"),
        Binding("u", "undo", "Undo", id="play.undo"),
        Binding("w", "surprise", "Surprise", id="play.surprise"),
        Binding("t", "warmer(-0.05)", "Cooler", show=False, id="play.cooler"),
        Binding("T", "warmer(0.05)", "Warmer", show=False, id="play.warmer"),
        Binding(
            "comma",
            "checkpoint(-1)",
            "Older checkpoint",
            key_display=",",
            show=False,
            id="play.older",
        ),
        Binding(
            "full_stop",
            "checkpoint(1)",
            "Newer checkpoint",
            key_display=".",
            show=False,
            id="play.newer",
        ),
        Binding("c", "beside", "A second model", show=False, id="play.beside"),
        Binding("y", "copy", "Copy the text", show=False, id="play.copy"),
    ]

    def __init__(self, path: Path, step: int | None = None) -> None:
        super().__init__()
        self.path = path
        self._wanted = step
        self._steps: list[int] = []
        """Of the run's checkpoints, oldest first."""
        self._step = 0
        self._beside: Voice | None = None
        self._papers = (Paper(), Paper())
        self._next = 0
        self._bars: Sequence[Mapping[str, Any]] = ()
        self._entropy = 0.0
        self._fault = ""
        """Why nothing is known of what may come next."""
        self._said: set[str] = set()
        """How prompts were read, and what helps a model that is stuck: each new writing would say it again."""
        self._asked_surprise = 0
        self._reader: Voice | None = None
        """Whom the text surprises that was asked for last."""

    def body(self) -> Iterable[Widget]:
        drafts = self.studio.remembered.drafts
        yield Field(
            drafts.get("play.prompt", ""),
            id="prompt",
            placeholder="what the text goes on from, then enter",
        )
        with Horizontal(id="play"):
            yield Page(id="paper", classes="pane", follow=True)
            yield Surprise(id="surprise", classes="pane")
            yield Page(id="paper-2", classes="pane", follow=True)
            with Vertical(id="side"):
                yield Drawing(lambda n: drafts.get(f"play.{n}", ""), id="sliders")
                yield Page(id="next", classes="pane")

    def on_mount(self) -> None:
        best = RunFolder(self.path).best()
        self._step = self._wanted or (best.step if best is not None else sys.maxsize)
        self._look()
        self._drawing.add_class("pane")
        self.entitle("#sliders", "how it draws", "← → t T")
        self.entitle("#next", "what may come next")
        self.entitle("#surprise", "", "← → ↑ ↓ · 1-5 instead · w back")
        self.query_one("#prompt", Field).focus()
        self._draw()
        self._ask_next()

    def on_screen_resume(self) -> None:
        before = self._steps
        self._look()
        if self._steps != before:
            self._draw()
            self._ask_next()

    def on_unmount(self) -> None:
        for number in (self._next, self._asked_surprise, *(p.request for p in self._papers)):
            self.studio.child.stop(number)
        self.studio.remember()

    def _look(self) -> None:
        """Read which checkpoints there are now: a run that goes on makes new ones, and keeps the best."""
        self._steps = [c.step for c in RunFolder(self.path).checkpoints()]
        self._choose(self._steps)

    def _choose(self, steps: Sequence[int]) -> None:
        """Of these checkpoints, if there are any, the nearest is to write."""
        if steps:
            self._step = min(steps, key=lambda step: abs(step - self._step))

    @property
    def _drawing(self) -> Drawing:
        return self.query_one(Drawing)

    @property
    def _voice(self) -> Voice:
        """The checkpoint that writes; there must be one."""
        return Voice(self.path, self._step)

    def _ask_of(self, voice: Voice, op: str, **body: object) -> int:
        model = f"{voice.run}@{voice.step}"
        return self.ask(op, model=model, runs=str(self.studio.runs_dir), **body)

    def _ask_next(self) -> None:
        if self._steps:
            self.studio.child.stop(self._next)
            text = self._papers[0].text or self._prompt
            self._next = self._ask_of(
                self._voice, "next", text=text, settings=self._drawing.settings, count=BARS
            )

    @property
    def _prompt(self) -> str:
        return meant(self.query_one("#prompt", Field).value)

    def _write(self) -> None:
        """Begin to write on every paper from its base."""
        if not self._steps:
            self.studio.say(self._lacking)
            return
        self._forget_surprise()
        voices = [self._voice] if self._beside is None else [self._voice, self._beside]
        for paper, voice in zip(self._papers, voices, strict=False):
            self.studio.child.stop(paper.request)
            paper.begin(voice, self._drawing.manner)
            paper.request = self._ask_of(
                voice,
                "write",
                prompt=paper.base,
                seed=self._drawing.seed,
                length=self._drawing.length,
                settings=self._drawing.settings,
            )
        self._draw()

    def answered(self, answer: Answer) -> None:
        for paper in self._papers:
            if answer.id == paper.request:
                self._take_text(paper, answer)
                return
        if answer.id == self._next and answer.done is not None:
            self._bars = answer.done["tokens"]
            self._entropy = float(answer.done["entropy_bits"])
            self._fault = ""
            self._draw_side()
        elif answer.id == self._asked_surprise and answer.done is not None:
            assert self._reader is not None
            self.entitle("#surprise", f"surprise {self._named(self._reader)}")
            self._show_surprise(answer.done["tokens"])
        if answer.error and answer.id in (self._next, self._asked_surprise):
            self._bars, self._fault = (), answer.error
            self._draw_side()
            self.studio.say(answer.error, hint=answer.hint, grave=True)

    def _take_text(self, paper: Paper, answer: Answer) -> None:
        if isinstance(answer.piece, str):
            paper.written += answer.piece
        elif isinstance(answer.piece, dict):
            self._take_reading(paper, answer.piece)
        elif answer.done is not None:
            nats = answer.done.get("nats_per_char")
            loss = f" · {nats * words.BITS:.2f} bits/char" if isinstance(nats, float) else ""
            paper.note = f"seed {answer.done['seed']}{loss}"
            if answer.done["reason"] == "document end":
                paper.note += " · it ended by itself"
            if answer.done.get("stuck"):
                what, hint = STUCK[answer.done["stuck"]]
                paper.note += f" · {what}"
                self._say_once(what, hint=hint)
        elif answer.error:
            paper.note = "failed"
            self.studio.say(answer.error, hint=answer.hint, grave=True)
        else:
            paper.note = "stopped"
        self._draw()
        if answer.last and paper is self._papers[0]:
            self._ask_next()

    def _take_reading(self, paper: Paper, reading: Mapping[str, Any]) -> None:
        """The model reads the prompt otherwise than it was typed: show it so, and say why, once."""
        paper.base = str(reading["prime"])
        for note in reading["notes"]:
            self._say_once(note)

    def _say_once(self, text: str, *, hint: str = "") -> None:
        if text not in self._said:
            self._said.add(text)
            self.studio.say(text, hint=hint)

    def _draw(self) -> None:
        chosen = self._voice if self._steps else None
        step = f"@ {chosen.step:,}" if chosen else "no checkpoint"
        if self._papers[0].voice not in (None, chosen):
            step = f"next: {step}"
        manner = self._papers[0].manner if self._beside is not None else ""  # of both papers
        self.head(
            (f" {one_line(self.path.name, 40)} ", "title"),
            (step, "accent"),
            (f"   {manner}" if manner else "", "dim"),
        )
        self.query_one("#paper-2", Page).display = self._beside is not None
        self._draw_paper(0, chosen)
        if self._beside is not None:
            self._draw_paper(1, self._beside)
        self._draw_side()

    def _named(self, voice: Voice) -> str:
        run = "" if voice.run == self.path else f"{one_line(voice.run.name, 24)} "
        return f"{run}@ {voice.step:,}"

    def _draw_paper(self, which: int, chosen: Voice | None) -> None:
        """Text under the name of what wrote it; `chosen` is to write where nothing was written."""
        paper = self._papers[which]
        selector = "#paper" if which == 0 else "#paper-2"
        page = self.query_one(selector, Page)
        if paper.voice is not None:
            manner = "" if self._beside is not None else f" · {paper.manner}"
            title = f"{self._named(paper.voice)}{manner}"
        else:
            title = self._named(chosen) if chosen is not None else ""
        self.entitle(selector, title, paper.note)
        spans: list[Span] = [(paper.base, "prime"), (paper.written, "")]
        if paper.writing:
            spans.append(("▌", "accent"))
        if not paper.text:
            told = "The text stands here. Type a prompt above and press enter."
            spans = [(told if self._steps else self._lacking, "dim")]
        page.show(spans)

    @property
    def _lacking(self) -> str:
        """Why there is nothing that could write."""
        if self.studio.demo and self.path.name == demo.NAME:
            return NO_WEIGHTS
        return TO_COME if RunFolder(self.path).live() is not None else NO_CHECKPOINT

    def _draw_side(self) -> None:
        page = self.query_one("#next", Page)
        token = self.query_one(Surprise).here
        if token is not None:
            self.entitle("#next", "rather", f"{token['nats'] * words.BITS:.2f} bits")
            page.show(rather(token))
            return
        self.entitle(
            "#next", "what may come next", f"{self._entropy:.2f} bits open" if self._bars else ""
        )
        spans: list[Span] = []
        for likely in self._bars:
            spans += bar(str(likely["text"]), float(likely["p"]), float(likely["q"]))
        if self._fault:
            spans = [(f"✗ {self._fault}", "bad")]
        page.show(spans or [("…" if self._steps else "", "dim")])

    def on_input_changed(self, event: Input.Changed) -> None:
        self.studio.keep("play.prompt", event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        for paper in self._papers:
            paper.turn(meant(event.value))
        self._write()
        self.query_one("#paper", Page).focus()

    def action_write(self) -> None:
        """Accept what stands there and go on from it."""
        for paper in self._papers:
            paper.turn(paper.text or self._prompt)
        self._write()

    def action_prompt(self) -> None:
        self.query_one("#prompt", Field).focus()

    def action_again(self, by: int) -> None:
        self._drawing.set("seed", (self._drawing.seed + by) % 1000)
        if not self._papers[0].base:
            for paper in self._papers:
                paper.turn(self._prompt)
        self._write()

    def action_undo(self) -> None:
        for paper in self._papers:
            if paper.past:
                self.studio.child.stop(paper.request)
                paper.request = 0
                paper.take_back()
        self._forget_surprise()
        self._draw()
        self._ask_next()

    def action_warmer(self, by: float) -> None:
        self._drawing.set("temperature", self._drawing.values["temperature"] + by)

    def on_sliders_changed(self, event: Sliders.Changed) -> None:
        self.studio.keep(f"play.{event.name}", f"{event.value:g}")
        if event.name not in ("seed", "length"):
            self._ask_next()

    def action_checkpoint(self, by: int) -> None:
        here = self._step
        self._look()
        self._choose([step for step in self._steps if (step - here) * by > 0])
        self._draw()
        if self.query_one(Surprise).here is not None:
            self._ask_surprise()
        else:
            self._ask_next()

    def action_beside(self) -> None:
        """Write with a second model too: another checkpoint of this run, or another run's best."""
        if self._beside is not None:
            self.studio.child.stop(self._papers[1].request)
            self._beside = None
            self._draw()
            return
        self._look()
        voices = {
            f"@ {step:,}": Voice(self.path, step) for step in self._steps if step != self._step
        }
        for run in self.studio.watcher.known()[:MOST_BESIDE]:
            folder = RunFolder(run.path)
            best = folder.best() or next(reversed(folder.checkpoints()), None)
            if best is not None and run.path != self.path:
                voices[f"{run.path.name} @ {best.step:,}"] = Voice(run.path, best.step)
        if not voices or not self._steps:
            self.studio.say("there is only one checkpoint", hint="a second comes with time")
            return

        def take(chosen: str | None) -> None:
            if chosen:
                self._beside = voices[chosen]
                self._papers[1].turn(self._papers[0].base)
                self._draw()
                if self._papers[0].text:
                    self._write()

        answers = [(label, label) for label in voices]
        self.app.push_screen(Choose("beside", "Write with a second model too:", answers), take)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._papers[0].text)
        self.studio.say("copied the text")

    def action_back(self) -> None:
        writing = [p for p in self._papers if p.writing]
        if writing:
            for paper in writing:
                self.studio.child.stop(paper.request)
        elif self.query_one(Surprise).here is not None:
            self.action_surprise()
        elif isinstance(self.focused, Field):
            self.query_one("#paper", Page).focus()
        else:
            super().action_back()

    def action_surprise(self) -> None:
        if self.query_one(Surprise).here is not None:
            self._forget_surprise()
            self._ask_next()
            return
        if not self._steps:
            self.studio.say(self._lacking)
            return
        if not self._papers[0].text:
            self._papers[0].base = self._prompt
        if self._papers[0].text:
            self.query_one("#paper", Page).focus()
            self._ask_surprise()
        else:
            self.studio.say("there is no text to look at", hint="type one above")

    def _ask_surprise(self) -> None:
        self.studio.child.stop(self._asked_surprise)
        self._reader = self._voice
        self._asked_surprise = self._ask_of(self._reader, "surprise", text=self._papers[0].text)

    def _forget_surprise(self) -> None:
        """The text is shown as it is written again, whatever is still asked of how it surprised."""
        self.studio.child.stop(self._asked_surprise)
        self._asked_surprise = 0
        self._show_surprise(())

    def _show_surprise(self, tokens: Sequence[Token]) -> None:
        """Where there are tokens they stand in the paper's place, and have its focus and its size."""
        paper, surprise = self.query_one("#paper", Page), self.query_one(Surprise)
        surprise.read(tokens)
        shown, other = (surprise, paper) if tokens else (paper, surprise)
        shown.display, other.display = True, False
        if self.focused is other:
            self.set_focus(shown)
        if self.maximized is other:
            self.maximize(shown)

    def on_surprise_moved(self) -> None:
        self._draw_side()

    def on_surprise_instead(self, event: Surprise.Instead) -> None:
        """Go on from another text than was written there."""
        for paper in self._papers:
            paper.turn(event.before + event.chosen)
        self._write()
