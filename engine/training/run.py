"""Training a run folder from its first step, or from its newest whole checkpoint, to its end and last word."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from checkpoints import events as ev
from checkpoints.checkpoint import newest_valid, read_checkpoint, read_manifest
from checkpoints.control import ControlReader
from checkpoints.errors import (
    CheckpointError,
    ConfigError,
    Diverged,
    RnnStudioError,
    RunError,
    RunStopped,
    UserError,
)
from checkpoints.eventlog import EventLog
from checkpoints.files import write_atomic
from checkpoints.lock import TrainerLock
from checkpoints.paths import is_file
from checkpoints.runs import RECORD, RunFolder
from engine import allocator, devices, sizes
from engine.precision import arithmetic
from engine.sampling.prime import familiar
from engine.training import scaling, snapshot
from engine.training.budget import Budget, Stopwatch
from engine.training.circumstances import KEY, changed, circumstances
from engine.training.distributed import World
from engine.training.memory import memory_told
from engine.training.session import Session, open_session
from engine.training.settings import RunSettings
from engine.training.signals import EXIT_INTERRUPTED, Interrupts
from engine.training.state import TrainerState
from engine.training.steering import Steering
from engine.training.trainer import Trainer

Listener = Callable[[ev.Event, str], None]
"""Hears each event together with its line of the log."""


def silent(event: ev.Event, line: str) -> None:
    """Hears events and does nothing."""
    del event, line


# A last validation this much above the best is no noise: the model began to learn the text by heart.
OVERFIT_NATS = 0.01
# What may be given anew when a run is resumed; 0 stands for no limit.
BUDGET: Mapping[str, Any] = MappingProxyType({"steps": 0, "epochs": 0.0, "minutes": 0.0})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    run: RunFolder
    end: ev.Ended

    @property
    def exit_code(self) -> int:
        return EXIT_INTERRUPTED if self.end.reason == "interrupted" else 0


def train_run(
    run: RunFolder,
    *,
    hear: Listener = silent,
    resuming: bool = False,
    budget: Mapping[str, Any] | None = None,
    device: str = "",
    threads: int = 0,
    notes: Iterable[str] = (),
    weights: Mapping[str, torch.Tensor] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train until the budget is spent or someone asks to stop; every event goes to the log and to `hear`.

    `budget` (steps, epochs, minutes) replaces the run's own from here on. `weights` replace the new run's first ones
    (a fork). `clock` (seconds) counts the budget's minutes.

    Raises RunError if another process trains the run or it is finished: then nothing was begun, and the log stays as it
    is. Raises RunStopped if it gave up, ConfigError if memory ran out; then the log has an end event and the newest
    checkpoint is whole.
    """
    settings = RunSettings.from_json(run.record(), where=str(run.path / "run.json"))
    settings = _overruled(settings, budget or {}, threads=threads)
    allocator.keep_freed()
    with ExitStack() as stack:
        at, elsewhere = _device(settings.device, asked=device, resuming=resuming)
        world = World.join(at)
        settings = replace(settings, device=str(at))
        if elsewhere and settings.training.precision == "fp16":  # which CPUs lack
            settings = replace(settings, training=replace(settings.training, precision="auto"))
            elsewhere += ", no longer in fp16"
        stack.callback(world.leave)
        interrupts = stack.enter_context(Interrupts())
        voice = _Silence()
        if world.leads:
            stack.enter_context(TrainerLock(run.path))
            voice = stack.enter_context(_Voice(run, hear))
        requests = ControlReader(run.path)  # what is asked for while the run is opened holds
        trainer: Trainer | None = None
        try:
            with memory_told(settings.model, settings.training, vocab_size=settings.vocab_size):
                session, state, saved_at = _at_its_place(
                    run,
                    settings,
                    world=world,
                    resuming=resuming,
                    tell=voice.tell,
                    notes=notes,
                    warnings=filter(None, [elsewhere]),
                    weights=weights,
                )
                if budget and world.leads:
                    _remember_budget(run, settings)
                world.share_weights(session.model)
                trainer = Trainer(
                    session,
                    state,
                    tell=voice.tell,
                    make_steering=_steering(session, requests, interrupts, voice.tell, clock)
                    if world.leads
                    else None,
                    saved_at=saved_at,
                )
                reason = trainer.run()
        except RnnStudioError as error:
            if voice.spoke:  # a run that could not be resumed stays as it ended
                voice.failed(error, run, state=trainer.state if trainer else TrainerState())
            raise
        return Outcome(run, voice.ended(run, trainer.state, reason))


def _at_its_place(
    run: RunFolder,
    settings: RunSettings,
    *,
    world: World,
    resuming: bool,
    tell: Callable[[ev.Event], None],
    notes: Iterable[str],
    warnings: Iterable[str],
    weights: Mapping[str, torch.Tensor] | None,
) -> tuple[Session, TrainerState, int]:
    """The session and its state: at the beginning, or where the newest whole checkpoint stands; and its step, or -1."""
    odd = [*warnings]
    session = open_session(
        run,
        settings,
        world=world,
        mended=odd.append,
        weights=None if resuming else weights,
    )
    training = settings.training
    if not resuming or run.summary().started is None:  # killed before its first word
        tell(_started(session))
        for note in notes:
            tell(ev.Note(text=note))
    products = arithmetic(
        world.device,
        training.precision,
        settings.model.cell,
        hidden_size=settings.model.hidden_size,
    )
    state = TrainerState(
        lr=training.lr,
        loss_scale=scaling.first(products),
        temperatures=list(training.temperatures),
        prime=training.prime,
    )
    if not resuming:
        return session, state, -1

    damaged: list[Path] = []

    def skipped(path: Path, error: CheckpointError) -> None:
        damaged.append(path)
        tell(ev.Warned(text=f"passed over {path.name}: {error.message}", hint=error.hint))

    odd += filter(None, [_edited(run, settings)])

    def resumed(state: TrainerState, checkpoint: str, *more: str) -> None:
        tell(ev.Resumed(step=state.step, checkpoint=checkpoint, loss_nats=state.loss_now))
        for text in filter(None, [*odd, *more]):
            tell(ev.Warned(step=state.step, text=text))

    path = newest_valid(run.path, skipped=skipped)
    if path is None:
        if settings.parent:
            raise RunError(
                f"run {run.name} has no whole checkpoint to go on from",
                hint=f"fork it again: rnnstudio train --from {settings.parent}",
            )
        resumed(state, "its beginning")
        return session, state, -1
    state = snapshot.restore(session, read_checkpoint(path))
    scaling.go_on(state, products)
    spent = Budget.of(training, len(session.tokens.train.tokens)).progress(
        step=state.step, tokens=state.tokens, seconds=state.seconds
    )
    if spent >= 1 and run.summary().end is not None:
        raise RunError(
            f"run {run.name} is finished: its budget was spent at step {state.step:,}",
            hint=f"give it more: rnnstudio resume {run.called} --steps {state.step * 2}, "
            f"or go on in a new run: rnnstudio train --from {run.called}",
        )
    told = run.summary().checkpoint
    about = read_manifest(path)
    if session.world.leads:
        for folder in damaged:  # void from here on, and no run's best any more
            with suppress(OSError):
                folder.rename(folder.with_name(f"damaged-{folder.name}"))
    resumed(state, path.name, changed(about.about.get(KEY), circumstances(session)))
    if (
        told is None or told.step != state.step
    ):  # killed between the checkpoint and its line in the log
        tell(
            ev.CheckpointWritten(
                step=state.step,
                path=path.name,
                reason=str(about.about.get("reason", "")),
                nats_per_char=about.nats_per_char,
                size_bytes=about.size_bytes,
            )
        )
    return session, state, state.step


def _edited(run: RunFolder, settings: RunSettings) -> str:
    """What to say of a text that was changed after the run began, which goes on with what it has."""
    started = run.summary().started
    newer = [
        path
        for path in dict.fromkeys(settings.corpus.paths)
        if started and is_file(path) and Path(path).stat().st_mtime > started.time
    ]
    if not newer:
        return ""
    were = "was" if len(newer) == 1 else "were"
    return (
        f"{', '.join(newer)} {were} changed after the run began, which goes on with the text as it was; "
        f"to learn it as it is now: rnnstudio train {shlex.quote(newer[0])} --from {run.called}"
    )


def _started(session: Session) -> ev.Started:
    settings = session.settings
    body = settings.to_json()
    return ev.Started(
        run=str(session.run.path),
        corpus=", ".join(settings.corpus.paths),
        genre=settings.corpus.genre,
        chars=settings.corpus.chars,
        tokens=len(session.tokens.train.tokens),
        vocab_size=settings.vocab_size,
        parameters=sizes.parameters(settings.model, settings.vocab_size),
        device=settings.device,
        threads=settings.threads,
        model=body["model"],
        training=body["training"],
    )


def _steering(
    session: Session,
    requests: ControlReader,
    interrupts: Interrupts,
    tell: Callable[[ev.Event], None],
    clock: Callable[[], float],
) -> Callable[[Budget, Stopwatch], Steering]:
    training = session.settings.training

    def make(budget: Budget, watch: Stopwatch) -> Steering:
        return Steering(
            requests,
            budget=budget,
            patience=training.patience,
            watch=watch,
            interrupts=interrupts,
            safety_seconds=training.checkpoint_seconds,
            optimizer=training.optimizer,
            tell=tell,
            familiar=partial(familiar, session.tokenizer),
            clock=clock,
        )

    return make


def _overruled(settings: RunSettings, budget: Mapping[str, Any], *, threads: int) -> RunSettings:
    if budget:
        if odd := next((name for name in budget if name not in BUDGET), ""):
            raise ConfigError(
                f"{odd} cannot be changed when a run is resumed",
                hint="steps, epochs and minutes can; for all else: rnnstudio train --from RUN",
            )
        fresh = {**BUDGET, **budget}
        if not any(fresh.values()):
            raise ConfigError(
                " and ".join(f"--{name} is 0" for name in budget) + ", which is no budget",
                hint="leave it out to go on as before, or give a larger one",
            )
        settings = replace(settings, training=replace(settings.training, **fresh))
    return replace(settings, threads=devices.choose_threads(threads)[0]) if threads else settings


def _device(own: str, *, asked: str, resuming: bool) -> tuple[torch.device, str]:
    """Where to compute, and what to say of it: a run that was begun on a GPU goes on where there is none."""
    try:
        return devices.choose(asked or own)[0], ""
    except ConfigError as error:
        if asked or not resuming:
            raise
        found, why = devices.choose("auto")
        return found, f"{error.message}; the run goes on with {found} ({why})"


def _remember_budget(run: RunFolder, settings: RunSettings) -> None:
    """Write a new budget into run.json, so that an interrupted run is resumed without naming it again."""
    record = run.record()
    kept = {name: getattr(settings.training, name) for name in BUDGET}
    run.write_record({**record, "training": {**record["training"], **kept}})


class _Silence:
    """What a process that does not lead says."""

    spoke = False

    def tell(self, event: ev.Event) -> None:
        """Nothing."""

    def failed(self, error: RnnStudioError, run: RunFolder, *, state: TrainerState) -> None:
        """Nothing."""

    def ended(self, run: RunFolder, state: TrainerState, reason: str) -> ev.Ended:
        return ev.Ended(step=state.step, run=str(run.path), reason=reason)


class _Voice(_Silence):
    """Writes each event to the log, then lets the listener hear it. A listener that went away is not missed.

    A record or a log that someone removed meanwhile is there again with the next checkpoint: without them its folder
    would be nobody's run.
    """

    def __init__(self, run: RunFolder, hear: Listener) -> None:
        self._log = EventLog(run.events_path)
        self._record = run.path / RECORD
        self._recorded = self._record.read_bytes()
        self._hear: Listener | None = hear
        self.spoke = False

    def __enter__(self) -> _Voice:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()

    def tell(self, event: ev.Event) -> None:
        try:
            if isinstance(event, ev.CheckpointWritten | ev.Ended):
                self._put_back(event.step)
            line = self._log.write(event)
            self.spoke = True
        except UserError as error:
            raise RunStopped(error.message, hint=error.hint) from error
        if self._hear is not None:
            try:
                self._hear(event, line)
            except OSError:  # the terminal was closed, or the pipe's reader left
                self._hear = None

    def _put_back(self, step: int) -> None:
        missing = [self._log.path.name] if self._log.put_back() else []
        try:
            self._recorded = self._record.read_bytes()  # a new budget is written into it
        except FileNotFoundError:
            write_atomic(self._record, self._recorded)
            missing.append(self._record.name)
        except OSError:
            pass  # there, and not to be read just now
        if missing:
            text = f"{' and '.join(missing)} had been removed while the run trained; written again"
            self.tell(ev.Warned(step=step, text=text))

    def failed(self, error: RnnStudioError, run: RunFolder, *, state: TrainerState) -> None:
        reason = "diverged" if isinstance(error, Diverged) else "failed"
        try:
            self.tell(ev.Failed(step=state.step, text=error.message, hint=error.hint))
            self._end(run, state, reason)
        except RunStopped:
            pass  # the log's disk is full or gone: the error itself still reaches the person

    def ended(self, run: RunFolder, state: TrainerState, reason: str) -> ev.Ended:
        best, last = state.best, state.last
        if best and last and last["nats_per_char"] > best["nats_per_char"] + OVERFIT_NATS:
            self.tell(
                ev.Note(
                    step=state.step,
                    text=f"overfitting since step {best['step']:,}: the held-out loss rose from "
                    f"{best['nats_per_char']:.3f} to {last['nats_per_char']:.3f} nats/char while training went on; "
                    f"the best checkpoint is {run.called}@{best['step']}",
                )
            )
        return self._end(run, state, reason)

    def _end(self, run: RunFolder, state: TrainerState, reason: str) -> ev.Ended:
        event = ev.Ended(
            step=state.step,
            run=str(run.path),
            reason=reason,
            best=state.best,
            last=state.last,
            seconds=round(state.seconds, 1),
        )
        self.tell(event)
        return event
