"""What a run's view says, in spans: its head line, its progress, figures, events, and how it died."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

from checkpoints.lines import read_tail
from corpora.genres import figure_label
from tui import words
from tui.launch import Job
from tui.literal import one_line
from tui.series import sparkline
from tui.store import RunView
from tui.watch import RunState
from tui.widgets.ink import Span

LOG_SHOWN = 300
DEAD_LINES = 8
WIDE_HEAD = 90
BESIDE_NAME = len(" rnnstudio " + "  ")
LEAST_NAME = 8
STATE_KINDS = {
    "running": "good",
    "starting": "good",
    "stopping": "warn",
    "paused": "warn",
    "quiet": "warn",
    "failed": "bad",
    "diverged": "bad",
    "crashed": "bad",
    "gone": "bad",
    "not started": "bad",
}
LOG_KINDS = {
    "warning": ("!", "warn"),
    "error": ("✗", "bad"),
    "milestone": ("★", "accent"),
    "checkpoint": ("●", "dim"),
    "control": ("▲", "accent"),
    "note": ("·", "dim"),
}


def head(name: str, view: RunView, state: RunState, *, width: int) -> list[Span]:
    """Who it is, what it does, how far it came; the name has the room that is left."""
    last, best = view.last_step, view.best
    unit = " bits/char" if width >= WIDE_HEAD else ""
    spans: list[Span] = [(f"{state.glyph} {state.word}", STATE_KINDS.get(state.word, "dim"))]
    if last is not None:
        spans.append((f"   epoch {last.epoch:.2f}  step {view.step:,}", ""))
    if best is not None:
        spans.append((f"  best {best.bits_per_char:.3f}{unit} @ {best.step:,}", "accent"))
    room = width - BESIDE_NAME - sum(len(text) for text, _ in spans)
    return [(f" {one_line(name, max(LEAST_NAME, room))} ", "title"), *spans]


def progress(view: RunView, state: RunState, *, cells: int, asked: str, load: str) -> list[Span]:
    """A bar of `cells`, the time to go, what was asked and not yet answered, and what it works with."""
    last, started = view.last_step, view.started
    spans: list[Span] = []
    if last is not None:
        done = min(1.0, max(0.0, last.progress)) if math.isfinite(last.progress) else 0.0
        full = round(done * cells)
        spans += [
            (" " + "█" * full, "line-2"),
            ("░" * (cells - full), "axis"),
            (f" {done:.0%}", ""),
        ]
        if state.live and state.word != "paused":
            spans.append((f"  {words.duration(last.eta_s)} to go", "title"))
            spans.append((f"  {words.number(last.chars_per_s)} ch/s", ""))
    if view.ended is not None and view.ended.reason == "early-stopping":
        spans.append(("  ended early: it got no better", "warn"))
    if asked:
        spans.append((f"  asked: {asked}", "warn"))
    if last is not None:
        spans.append((f"  lr {last.lr:.3g}  grad {words.number(last.grad_norm)}", "dim"))
    if load:
        spans.append((f"  {load}", "dim"))
    if started is not None:
        size = words.number(started.parameters)
        spans.append((f"  {size} params  {started.device} {started.threads}t", "dim"))
    return spans


def figures(view: RunView) -> list[Span]:
    """The genre's figures over time beside the corpus's own, and the milestones."""
    genre = view.started.genre if view.started else ""
    spans: list[Span] = []
    for name, values in view.figures.items():
        human = view.human.get(name)
        spans.append((f"{sparkline([v for _, v in values], 12):<12} ", "line-0"))
        spans.append((f"{words.share(values[-1][1]):>6}", "title"))
        spans.append((f"  human {words.share(human)}" if human is not None else "", "dim"))
        spans.append((f"  {figure_label(genre, name)}\n", ""))
    if view.baseline is not None:
        spans.append((f"n-gram model: {view.baseline:.3f} nats/char held out\n", "dim"))
    if view.milestones:
        spans.append(("\nmilestones\n", "label"))
        for milestone in view.milestones:
            spans += [(f"★ {milestone.step:>7,} ", "accent"), (f"{milestone.text}\n", "")]
    return spans or [("The genre's figures come with the first samples.", "dim")]


def log(view: RunView) -> list[Span]:
    """The newest events, each with its hour, step and kind."""
    spans: list[Span] = []
    for entry in list(view.log)[-LOG_SHOWN:]:
        glyph, kind = LOG_KINDS[entry.kind]
        clock = time.strftime("%H:%M:%S", time.localtime(entry.time))
        spans += [(f"{clock} {entry.step:>8,} ", "dim"), (f"{glyph} ", kind)]
        spans.append((f"{entry.text}\n", kind if kind in ("warn", "bad") else ""))
        if entry.hint:
            spans.append((f"{'':19}{entry.hint}\n", "dim"))
    return spans


def is_dead(state: RunState) -> bool:
    """Whether the trainer ended otherwise than it should."""
    return state.word in ("crashed", "failed", "diverged")


def is_no_run(state: RunState) -> bool:
    """Whether there is no run: its folder was taken away, or its trainer never made one."""
    return state.word in ("gone", "not started")


def can_resume(state: RunState) -> bool:
    """Whether there is something left to train that no trainer is at."""
    return is_dead(state) or state.word in ("stopped", "empty")


def way_on(state: RunState, view: RunView) -> str:
    """The key that has a run learn more which no trainer is at; none where there is nothing to go on from."""
    if can_resume(state):
        return "r resumes it"
    return "b forks it: a new run goes on from its weights" if view.checkpoints else ""


def last_words(path: Path, view: RunView) -> list[Span]:
    """Why a trainer died, as it said itself, and what it printed last."""
    failed = view.failed
    spans: list[Span] = [("The trainer is gone without a last word.\n", "bad")]
    if failed is not None:
        spans = [(f"{failed.text}\n", "bad"), (f"{failed.hint}\n" if failed.hint else "", "")]
    printed: Sequence[bytes] = read_tail(path / "run.log", 4096)[-DEAD_LINES:]
    return [*spans, *((line.decode("utf-8", "replace") + "\n", "dim") for line in printed)]


def no_run(path: Path, job: Job | None) -> list[Span]:
    """Why there is no run: `job` is the trainer that refused to make it; without one its folder is gone."""
    if job is None:
        left = "Somebody deleted, moved or renamed it. What is seen here is all that is left."
        return [(f"Its folder is gone: {path}\n", "bad"), (left, "")]
    return [
        (f"{job.fault}\n", "bad"),
        (f"{job.hint}\n" if job.hint else "", ""),
        (job.printed, "dim"),
    ]
