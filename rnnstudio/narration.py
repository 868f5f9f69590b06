"""What a person reads while a run trains: the same events that every view reads, told as lines.

Samples go to standard output, everything else to standard error. On a terminal the last line is a progress line that
rewrites itself; in a file or a pipe every line stands, without colour. Text from outside passes `literal`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from checkpoints import events as ev
from checkpoints.errors import RunError
from checkpoints.files import reason
from checkpoints.runs import RunFolder
from checkpoints.spent import Spent, spent
from corpora import figures
from corpora.genres import figure_label
from engine.training.milestones import log_spaced
from rnnstudio.console import Console
from tui.literal import literal
from tui.words import duration, share

# How often a progress line appears where it cannot rewrite itself.
PLAIN_PROGRESS_S = 10.0
# Figures of the samples that are told at a look, the genre's own first; all of them stand in the log.
FIGURES_TOLD = 4
# How often the line about reading rewrites itself.
REWRITE_S = 0.1
# What is told only from so much above the human share on, but then in a line of its own.
FAULTS = ("copied", "looped")
MUCH_BEYOND = 0.1
# From this share of dead memory on it is worth a word.
MUCH_DEAD = 0.1

_CLEAR_LINE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))


class JsonLines:
    """`--json`: standard output is the event log, line for line."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.lost = False

    def event(self, event: ev.Event, line: str) -> None:
        del event
        if self.lost:
            return
        try:
            self.out.write(line if line.endswith("\n") else line + "\n")
            self.out.flush()
        except OSError as error:
            self.lost = True
            _tell_lost(error)

    def note(self, text: str) -> None:
        """What is found before the run folder exists; the log repeats it."""

    def progress(self, done: int, total: int | None) -> None:
        """How far the text is read or encoded: nothing that a script waits for."""

    def close(self) -> None:
        """Nothing to tidy."""


class _Console(Console):
    """A console that falls silent where it can write no longer: the training goes on, and its log is whole."""

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            self.quiet = True
            if self.file is not sys.stderr:
                _tell_lost(error)


def _tell_lost(error: OSError) -> None:
    if isinstance(error, BrokenPipeError):
        return
    with suppress(OSError):
        print(
            f"! what is written can be printed no longer ({reason(error)}); the run goes on, and keeps it",
            file=sys.stderr,
        )


class Narrator:
    """Tells a run's events to a person. `run` is the one that they are of, where its beginning was told elsewhere."""

    def __init__(
        self, out: TextIO | None = None, err: TextIO | None = None, *, run: RunFolder | None = None
    ) -> None:
        self.out = _Console(file=out or sys.stdout, highlight=False, soft_wrap=True)
        self.err = _Console(file=err or sys.stderr, highlight=False, soft_wrap=True)
        self.rewrites = self.err.is_terminal and not self.err.is_dumb_terminal
        self._progress = ""
        self._said: set[str] = set()
        self._spoken_at = -PLAIN_PROGRESS_S
        self._validation: ev.Validation | None = None
        self._run = run
        self._every = _steps_between_looks(run) if run is not None else 0

    @property
    def lost(self) -> bool:
        """Whether nobody reads standard output any longer."""
        return self.out.quiet

    def note(self, text: str) -> None:
        """A choice or a finding, said once."""
        if text not in self._said:
            self._said.add(text)
            label, _, rest = text.partition(": ")
            if rest and len(label) <= 10:
                self._line(Text.assemble((f"{literal(label):<10} ", "cyan"), literal(rest)))
            else:
                self._line(Text(literal(text)))

    def event(self, event: ev.Event, line: str = "") -> None:
        """Tell one event."""
        del line
        match event:
            case ev.Started():
                self._every = int(event.training.get("checkpoint_every", 0))
            case ev.Note():
                self.note(event.text)
            case ev.Resumed():
                self._show_resumed(event)
            case ev.Step():
                self._show_progress(event)
            case ev.Validation():
                self._show_validation(event)
            case ev.SampleFinished():
                self._show_sample(event)
            case ev.Figures():
                self._show_figures(event)
            case ev.Milestone():
                self._line(Text(f"★ {literal(event.text)}", "magenta"))
            case ev.CheckpointWritten():
                if event.reason in ("request", "stop"):
                    self._line(Text(f"saved {literal(event.path)}", "dim"))
            case ev.ControlApplied():
                self._line(Text(f"{literal(event.request)}: {literal(event.text)}", "cyan"))
            case ev.Warned():
                self._line(Text(f"! {literal(event.text)}", "yellow"))
                if event.hint:
                    self._line(Text(f"  → {literal(event.hint)}", "dim"))
            case ev.Ended():
                self._show_end(event)
            case _:
                pass

    def progress(self, done: int, total: int | None) -> None:
        """How far the text is read or encoded, in bytes or characters; only where a line can rewrite itself."""
        share = f" of {total / 1e6:,.0f} MB, {done / total:.0%}" if total else " MB"
        self._rewrite_now_and_then(f"reading {done / 1e6:,.0f}{share}")

    def written(self, chars: int, done: int, total: int) -> None:
        """How much of all texts is written, and how many are done; only where a line can rewrite itself."""
        self._rewrite_now_and_then(f"written: {chars:,} characters, {done:,} of {total:,} texts")

    def close(self) -> None:
        """Leave the terminal as it was: no half line."""
        self._clear()

    def _show_resumed(self, e: ev.Resumed) -> None:
        at = f"resumed at step {e.step:,}, from {literal(e.checkpoint)}"
        loss = (
            f"; the loss continues at {e.loss_nats:.3f} nats a token"
            if e.loss_nats is not None and math.isfinite(e.loss_nats)
            else ""
        )
        self._line(Text(at + loss, "green"))

    def _show_progress(self, e: ev.Step) -> None:
        parts = [
            f"step {e.step:,}",
            f"{e.progress:.0%}",
            f"loss {e.loss_nats:.3f}",
            self._held_out("nats/char "),
            f"ETA {duration(e.eta_s)}" if e.eta_s is not None else "",
            f"{e.tokens_per_s:,.0f} tok/s",
            f"epoch {e.epoch:.2f}",
            f"next look at {_next_look(e, self._every)}",
        ]
        self._progress = " · ".join(p for p in parts if p)
        if self.rewrites:
            if len(self._progress) >= self.err.width:
                parts[:2] = [" ".join(parts[:2])]
                parts[2], parts[4] = self._held_out(""), f"{e.tokens_per_s / 1000:,.0f}k tok/s"
            self._progress = _fitting(parts, self.err.width - 1)
            self._rewrite(self._progress)
        elif (now := time.monotonic()) - self._spoken_at >= PLAIN_PROGRESS_S:
            self._spoken_at = now
            self.err.print(Text(self._progress))

    def _held_out(self, unit: str) -> str:
        v = self._validation
        return f"val {v.nats_per_char:.3f} {unit}({v.bits_per_char:.2f} bits)" if v else ""

    def _show_validation(self, e: ev.Validation) -> None:
        self._validation = e
        mark = "  best so far" if e.best else ""
        dead = e.dead_memory or 0.0
        self._line(
            Text.assemble(
                (f"step {e.step:,}", "bold"),
                f"  held-out {e.nats_per_char:.4f} nats/char = {e.bits_per_char:.3f} bits/char",
                (mark, "green"),
                (f"  [{e.protocol}]", "dim"),
                (f"  {dead:.0%} of the memory is dead" if dead >= MUCH_DEAD else "", "yellow"),
            )
        )

    def _show_figures(self, e: ev.Figures) -> None:
        told = [
            f"{literal(figure_label(e.genre, name))} {share(e.model[name])} (human {share(human)})"
            for name, human in e.human.items()
            if name in e.model and name not in FAULTS and 0 <= human <= 1
        ][:FIGURES_TOLD]
        if e.baseline is not None:
            told.append(f"an n-gram model has {e.baseline:.3f} nats/char")
        if told:
            self._line(Text(f"judged: {' · '.join(told)}", "dim"))
        for name in FAULTS:
            found, human = e.model.get(name, 0.0), e.human.get(name, 0.0)
            if found > human + MUCH_BEYOND:
                label = figures.GENERAL[name].label
                self._line(Text(f"! {label}: {share(found)} (human {share(human)})", "yellow"))

    def _show_sample(self, e: ev.SampleFinished) -> None:
        self._line(Text(f"── sample at step {e.step:,}, temperature {e.temperature:g} ", "dim"))
        self._clear()
        self.out.print(Text.assemble((literal(e.prime), "dim"), literal(e.text)))

    def _show_end(self, e: ev.Ended) -> None:
        why = {
            "done": "finished",
            "stopped": "stopped as asked",
            "interrupted": "interrupted; nothing is lost",
            "early-stopping": "stopped early: it was no longer getting better",
            "diverged": "gave up: the loss kept exploding",
            "failed": "failed",
        }.get(e.reason, e.reason)
        run = self._run or RunFolder(Path(e.run))
        took = spent(run.events(steps=False))
        how = f" ({shares(took)})" if took else ""
        self._line(
            Text.assemble((f"{why} at step {e.step:,} after {duration(e.seconds)}", "bold"), how)
        )
        if e.best:
            kept = any(c.step == e.best["step"] for c in run.checkpoints())
            self._line(
                Text(
                    f"best {e.best['nats_per_char']:.4f} nats/char "
                    f"({e.best['bits_per_char']:.3f} bits) at step {e.best['step']:,}"
                    + ("" if kept else ", of which no checkpoint is kept")
                )
            )
        name = literal(run.called)
        if e.reason == "diverged":  # to go on would do so again: the error says what may help
            if not e.best:
                return
        elif e.reason in ("interrupted", "stopped", "failed"):
            self._line(Text(f"  go on:   rnnstudio resume {name}", "cyan"))
        else:
            self._line(Text(f"  go on:   rnnstudio train --from {name} --minutes 10", "cyan"))
        self._line(Text(f"  write:   rnnstudio sample {name} --length 1000", "cyan"))
        own = "" if e.last or not e.step else " FILE"  # nothing of its own is held out
        self._line(Text(f"  measure: rnnstudio eval {name}{own}", "cyan"))

    def _line(self, text: Text) -> None:
        self._clear()
        self.err.print(text)

    def _rewrite_now_and_then(self, text: str) -> None:
        now = time.monotonic()
        if self.rewrites and now - self._spoken_at >= REWRITE_S:
            self._spoken_at = now
            self._rewrite(text)

    def _rewrite(self, text: str) -> None:
        self._progress = text
        self.err.control(_CLEAR_LINE)
        self.err.print(Text(text[: max(10, self.err.width - 1)]), end="")

    def _clear(self) -> None:
        if self.rewrites and self._progress:
            self.err.control(_CLEAR_LINE)


def _fitting(parts: Sequence[str], width: int) -> str:
    """The parts in a line, as many of the first as have room: the last ones matter least."""
    line = ""
    for part in filter(None, parts):
        longer = f"{line} · {part}" if line else part
        if line and len(longer) > width:
            break
        line = longer
    return line


def _steps_between_looks(run: RunFolder) -> int:
    """What a run was set to; 0: its looks come ever more seldom, or nobody can tell."""
    try:
        training = run.record().get("training")
    except RunError:
        return 0
    every = training.get("checkpoint_every") if isinstance(training, dict) else 0
    return every if isinstance(every, int) else 0


def _next_look(e: ev.Step, every: int) -> str:
    """The step at which the run next validates and writes samples, and in how long that is."""
    step = (e.step // every + 1) * every if every else next(s for s in log_spaced() if s > e.step)
    if not (0 < e.tokens_per_s < math.inf and e.step):
        return f"{step:,}"
    wait_s = (step - e.step) * e.tokens / e.step / e.tokens_per_s
    return f"{step:,}, in {duration(wait_s)}"


def shares(took: Spent) -> str:
    """What a run's time went into: `95% learning, 3% held-out text, …`."""
    parts = {
        "learning": took.learning,
        "held-out text": took.held_out,
        "samples": took.samples,
        "checkpoints": took.checkpoints,
    }
    return ", ".join(f"{seconds / took.all:.0%} {name}" for name, seconds in parts.items())
