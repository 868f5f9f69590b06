"""New run: from a text and a few settings to the command that trains on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget

from checkpoints.paths import expanded, is_folder
from checkpoints.runs import safe_name
from engine.config import ModelConfig, to_json
from engine.training.plan import Measured
from tui import launch, recipe, words
from tui.browse import Browse
from tui.card import Finding, card, fixes, grave
from tui.child import Answer
from tui.dialogs import Choose
from tui.screens.base import StudioScreen
from tui.speeds import FIRST, Speeds
from tui.widgets.form import Line, Paths, Value
from tui.widgets.ink import Span
from tui.widgets.page import Page

IDLE_S = 0.4
"""Typing pauses this long before a corpus is read."""
ALWAYS = ("corpus", "name", "preset", *recipe.BASIC)
"""Settings that are shown without F2."""
VOCAB = 100
"""Assumed until the corpus was read."""


class NewRun(StudioScreen):
    TITLE = "new run"
    ABOUT = """\
Choose a text and, if you like, anything else; what is left alone the trainer chooses to fit the text, the machine and
the time. ↑ ↓ go from setting to setting, ← → through the choices of one. The command below is what f5 starts: the same
run can be started in a shell, and is the same run."""
    CSS_PATH = "newrun.tcss"
    BINDINGS = [
        Binding("f5,ctrl+r", "start", "Start", key_display="F5", id="newrun.start"),
        Binding("f2", "advanced", "All settings", key_display="F2", id="newrun.advanced"),
        Binding("f3", "browse", "Browse", key_display="F3", id="newrun.browse"),
        Binding("f4", "copy", "Copy command", key_display="F4", id="newrun.copy"),
        Binding("f6", "mend", "Mend the text", key_display="F6", show=False, id="newrun.mend"),
        Binding("f8", "reset", "Reset", key_display="F8", show=False, id="newrun.reset"),
    ]

    def __init__(self, corpus: str = "", *, parent: str = "", preset: str = "") -> None:
        super().__init__()
        self._first = {"corpus": corpus, "parent": parent, "preset": preset}
        self._typed: dict[str, str] = {}
        self._inherited: Mapping[str, Any] = {}
        """The model that it goes on from; nothing where it begins anew."""
        self._advanced = bool(parent)
        """Whether all settings are shown; always so in a fork."""
        self._reading = 0
        self._timing = -1
        """The request for this machine's speed; 0 once it was answered."""
        self._read = ""
        self._card: dict[str, object] = {}
        self._findings: Sequence[Finding] | None = None
        self._speeds, self._timed = Speeds(), FIRST
        self._idle: Timer | None = None
        self._soon: Timer | None = None

    def body(self) -> Iterable[Widget]:
        drafts = self.studio.remembered.drafts
        self._advanced |= "newrun.all" in self.studio.remembered.layout
        for setting in recipe.fields():
            first = self._first.get(setting.name)
            draft = "" if setting.name == "parent" else drafts.get(f"new.{setting.name}", "")
            self._typed[setting.name] = first or draft
        corpus, *settings = recipe.fields()
        yield Line(corpus, self._typed[corpus.name], Paths(self.studio.allowed))
        with Horizontal(id="new"):
            with VerticalScroll(id="form", classes="pane", can_focus=False):
                for setting in settings:
                    if self._advanced or setting.name in ALWAYS:
                        yield Line(setting, self._typed[setting.name])
            yield Page(id="card", classes="pane")
        yield Page(id="hint")
        yield Page(id="estimate")
        yield Page(id="command")

    def on_mount(self) -> None:
        self.entitle("#form", "new run", "F2 all settings")
        self.entitle("#card", "the text")
        self.entitle("#command", "the same in a shell", "F4 copy")
        self.head((" new run", "title"))
        self.query_one("#hint", Page).can_focus = False
        self.query_one("#line-corpus", Line).field.focus()
        self.query_one("#card", Page).show(
            [("What the text is like stands here once one is chosen.", "dim")]
        )
        self._inherit()
        self._change()
        self._look()
        self._time(FIRST)

    def on_unmount(self) -> None:
        self.studio.child.stop(self._reading)
        self.studio.child.stop(self._timing)
        self.studio.remember()

    def on_line_changed(self, event: Line.Changed) -> None:
        if self._typed[event.name] == event.value:
            return  # the draft that it began with
        self._typed[event.name] = event.value
        self.studio.keep(f"new.{event.name}", event.value)
        if event.name == "parent":
            self._inherit()
        self._change()
        if event.name == "corpus":
            if self._idle is not None:
                self._idle.stop()
            self._idle = self.set_timer(IDLE_S, self._look)

    def _inherit(self) -> None:
        """What a fork leaves empty is its parent's, and stands there as such."""
        self._inherited = recipe.parent_model(self._typed["parent"], self.studio.runs_dir)
        for line in self.query(Line):
            line.field.placeholder = recipe.as_in(line.setting, self._inherited).default

    def _change(self) -> None:
        """Something was typed: check it, and show the command and the estimate anew."""
        understood = recipe.understand(self._typed)
        for line in self.query(Line):
            line.tell(understood.wrong.get(line.setting.name, ""))
        self._show_hint()
        corpus = self._typed["corpus"].strip()
        name = self._free_name(corpus)
        words_ = recipe.command(understood, runs=self.studio.runs_dir, name=name)
        self.query_one("#command", Page).show(
            launch.shown(words_) if corpus else "rnnstudio train …"
        )
        self._show_estimate()

    def _free_name(self, corpus: str) -> str:
        """The name that the run will have; a run whose trainer only just starts has its own already."""
        studio = self.studio
        return recipe.free_name(self._typed["name"], corpus, studio.runs_dir, studio.jobs.live())

    def on_descendant_focus(self) -> None:
        self._show_hint()

    def _show_hint(self) -> None:
        """The whole help of the setting in focus, which its line may have cut."""
        line = self.focused.parent if isinstance(self.focused, Value) else None
        if isinstance(line, Line):
            choices = line.setting.choices
            more = (
                f"  ← → {' '.join(choices)}"
                if choices and line.setting.help.count(choices[-1]) == 0
                else ""
            )
            self.query_one("#hint", Page).show([line.said, (more, "accent")])

    def _show_estimate(self) -> None:
        understood = recipe.understand(self._typed)
        vocab = self._card.get("vocabulary", VOCAB)
        chars = self._card.get("chars", 0)
        assert isinstance(vocab, int)
        assert isinstance(chars, int)
        found, unknown = self._speeds.estimate(
            lambda measured: recipe.estimate(
                understood,
                chars=chars,
                vocab_size=vocab + 1,
                measured=measured,
                documents=self._card.get("documents") is True,
                parent=self._inherited,
            )
        )
        if self._soon is not None:
            self._soon.stop()
        if unknown is not None and not self._timing:
            self._soon = self.set_timer(IDLE_S, lambda: self._time(unknown))
        page = self.query_one("#estimate", Page)
        if found is None:
            page.show([(f" {_wrong(understood, self.query(Line))}", "warn")])
            return
        if not chars:  # the model is chosen for its text
            page.show([(" Size, speed and time are told once there is a text.", "dim")])
            return
        spans: list[Span] = [
            (f" {words.number(found.parameters)} parameters", "title"),
            (f"  {words.size(found.memory_bytes)} of memory", "dim"),
        ]
        if found.tokens_per_s is None:
            told = "measuring this machine…" if self._timing else "its speed is not known"
            spans.append((f"  {told}", "dim"))
        else:
            spans.append((f"  {words.number(found.tokens_per_s)} tokens/s", ""))
            spans.append((f"  {found.epochs:.1f} epochs" if found.epochs is not None else "", ""))
            spans.append((f"  {words.duration(found.seconds)}\n", "title"))
            spans.append((f" {found.why}" if found.why else "", "dim"))
        page.show(spans)

    def _time(self, model: ModelConfig) -> None:
        """Have a model's training measured on this machine."""
        vocab = self._card.get("vocabulary", VOCAB)
        self._timed = model
        self._timing = self.ask("speed", model=to_json(model), vocab_size=vocab)

    def _look(self) -> None:
        """Have the corpus read, as training would read it."""
        corpus = self._typed["corpus"].strip()
        if corpus == self._read:
            return
        self._read = corpus
        self.studio.child.stop(self._reading)
        self.workers.cancel_group(self, "check")
        self._card, self._findings = {}, None
        paths = recipe.corpus_paths(corpus)
        self.entitle("#card", "the text", "")
        self._show_estimate()
        page = self.query_one("#card", Page)
        if not paths:
            page.show([("What the text is like stands here once one is chosen.", "dim")])
            return
        if barred := self._barred(paths):
            page.show([(f"✗ {barred}", "bad")])
            return
        page.show([("reading…", "dim")])
        self._reading = self.ask("corpus", paths=[str(expanded(p)) for p in paths])

    def _barred(self, paths: Sequence[str]) -> str:
        """What is wrong with the first of these paths that may not be read here; empty where all may be."""
        for path in paths:
            if not self.studio.allowed(expanded(path)):
                return f"{path} is not in the folder that the studio was started in"
        return ""

    def answered(self, answer: Answer) -> None:
        if answer.id == self._timing and answer.last:
            self._timing = 0
            if (done := answer.done) is not None:
                measured = Measured(float(done["tokens_per_s"]), int(done["weights"]))
                self._speeds.keep(self._timed, measured)
            else:
                self._speeds.pass_over(self._timed)
            self._show_estimate()
        if answer.id != self._reading:
            return
        page = self.query_one("#card", Page)
        if answer.error:
            page.show([(f"✗ {answer.error}\n", "bad"), (answer.hint, "")])
            self.query_one("#line-corpus", Line).tell(answer.error)
        elif answer.done is not None:
            self._card = dict(answer.done)
            self._show_card()
            self._show_estimate()
            self.run_worker(
                self._check(recipe.corpus_paths(self._read)),
                group="check",
                exclusive=True,
                exit_on_error=False,
            )
        elif isinstance(answer.piece, float):
            page.show([(f"reading… {answer.piece:.0%}", "dim")])

    def _show_card(self) -> None:
        self.query_one("#card", Page).show(card(self._card, self._findings))
        wrong = len(grave(self._findings or ()))
        said = f"{wrong} warning{'s' * (wrong != 1)}" if wrong else ""
        offer = "F6 mends a copy" if fixes(self._findings or ()) else ""
        self.entitle("#card", "the text", " · ".join(part for part in (said, offer) if part))

    async def _check(self, paths: Sequence[str]) -> None:
        """The corpus check, a process of its own: 5 MB take it some 5 s, and nobody waits for it."""
        found = await self._corpora_check(paths)
        if found is not None:
            self._findings = found["findings"]
            self._show_card()

    async def _corpora_check(self, paths: Sequence[str], *more: str) -> dict[str, Any] | None:
        """What `rnnstudio corpora check` tells; None, and a toast, where it fails."""
        known = [str(expanded(path)) for path in paths]
        try:
            code, out, said = await launch.finish(
                ("corpora", "check", *known, *more, "--json"), self.studio.jobs.environment()
            )
        except OSError as error:
            code, out, said = 1, "", str(error)
        if code:
            fault, hint = launch.last_words(said, code)
            self.studio.say(fault, hint=hint, grave=True)
            return None
        found: dict[str, Any] = json.loads(out)
        return found

    async def action_advanced(self) -> None:
        await self._show_advanced(not self._advanced)
        self.studio.lay_out("newrun.all", "shown" if self._advanced else "")

    async def _show_advanced(self, advanced: bool) -> None:
        """Show all settings or those that matter; the many others are made when they are first asked for."""
        self._advanced = advanced
        known = {line.setting.name for line in self.query(Line)}
        if advanced and len(known) < len(recipe.fields()):
            lines = [Line(s, self._typed[s.name]) for s in recipe.fields() if s.name not in known]
            await self.query_one("#form").mount(*lines)
            self._inherit()
            self._change()
        for line in self.query(Line):
            line.display = advanced or line.setting.name in ALWAYS

    def action_browse(self) -> None:
        def take(path: str | None) -> None:
            if path:
                self.query_one("#line-corpus", Line).field.value = path

        typed = expanded(self._typed["corpus"].strip() or ".")
        start = typed if is_folder(typed) else typed.parent
        self.app.push_screen(Browse(start, self.studio.allowed), take)

    def action_mend(self) -> None:
        """Write a mended copy of the text beside it, and take that instead."""
        names = fixes(self._findings or ())
        if not names:
            self.studio.say("there is nothing in this text that could be mended here")
            return
        paths = recipe.corpus_paths(self._read)
        target = free_path(expanded(paths[0]))

        def answer(what: str | None) -> None:
            if what == "mend":
                self.run_worker(self._mend(paths, names, target), exit_on_error=False)

        text = f"A copy of the text without: {', '.join(names)}. The text itself stays as it is."
        answers = [("mend", f"write {target}"), ("leave", "leave it")]
        self.app.push_screen(Choose("mend the text", text, answers), answer)

    async def _mend(self, paths: Sequence[str], names: Sequence[str], target: Path) -> None:
        found = await self._corpora_check(paths, "--fix", ",".join(names), "--out", str(target))
        if found is not None:
            self.studio.say(f"written: {target}")
            self.query_one("#line-corpus", Line).field.value = str(target)

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one("#command", Page).text)
        self.studio.say("copied the command")

    def action_reset(self) -> None:
        for line in self.query(Line):
            if line.setting.name != "corpus":
                line.field.value = ""

    async def action_start(self) -> None:
        # What was typed a moment ago may not have been told yet.
        self._typed.update((line.setting.name, line.field.value) for line in self.query(Line))
        understood = recipe.understand(self._typed)
        if understood.wrong:
            name, wrong = next(iter(understood.wrong.items()))
            self.studio.say(wrong, grave=True)
            if name not in ALWAYS:
                await self._show_advanced(True)
            self.query_one(f"#line-{name}", Line).field.focus()
            return
        corpus = str(understood.given.get("corpus", ""))
        if not corpus.strip():
            self.studio.say(
                "there is no text to learn from",
                hint="name one in the first line, or F3",
                grave=True,
            )
            return
        if barred := self._barred(recipe.corpus_paths(corpus)):
            self.studio.say(barred, grave=True)
            return
        runs = self.studio.runs_dir
        name = self._free_name(corpus)
        words_ = recipe.command(understood, runs=runs, name=name)
        typed = {name: text for name, text in self._typed.items() if text}
        studio = self.studio
        if not studio.attempt(lambda: studio.jobs.start(words_, runs / name, typed)):
            return
        for field, text in typed.items():  # the trainer may yet refuse it
            studio.keep(f"new.{field}", text)
        studio.say(f"{name} begins")
        self.dismiss()
        studio.open_live(runs / name)


def free_path(path: Path) -> Path:
    """Where a mended copy goes: beside the text; of a corpus known by its name, into this folder."""
    stem = path.parent / safe_name(path.stem)
    number = 1
    while (target := Path(f"{stem}-mended{f'-{number}' if number > 1 else ''}.txt")).exists():
        number += 1
    return target


def _wrong(understood: recipe.Recipe, lines: Iterable[Line]) -> str:
    """The first setting that is not right yet, and why: where there is no room for help, its line does not say."""
    for line in lines:
        if why := understood.wrong.get(line.setting.name):
            label = line.setting.label
            return why if label in why else f"{label}: {why}"
    return "something above is not right yet"
