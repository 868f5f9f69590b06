"""The training loop: truncated back-propagation through time, and what happens between its steps.

    decide (budget, requests, signals) -> step -> log -> look (validate, sample, save) -> decide ...

The trainer emits events and knows no front end. Everything that decides what comes next stands in `TrainerState`, the
session's tensors and the lanes' position, so a checkpoint of these goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from checkpoints import events as ev
from checkpoints.checkpoint import checkpoint_folders, read_checkpoint
from checkpoints.errors import CheckpointError, Diverged
from corpora import genres
from corpora.judging import Judge
from engine import schedules
from engine.evaluation import Evaluation
from engine.gauges import dead_memory
from engine.model import Model
from engine.training import aside, late, looks, scaling, snapshot
from engine.training.aside import Aside
from engine.training.budget import Budget, Speedometer, Stopwatch
from engine.training.keeping import Keeper, Moment
from engine.training.late import Numbers, Taken
from engine.training.learning import Learner
from engine.training.milestones import is_milestone
from engine.training.safety import (
    MAX_ROLLBACKS,
    RATE_AFTER_ROLLBACK,
    SPIKE_NATS,
    Verdict,
    Watchdog,
    running_mean,
)
from engine.training.session import Session
from engine.training.state import Pending, TrainerState
from engine.training.steering import STOPS, Orders, Steering

Tell = Callable[[ev.Event], object]


class Trainer:
    """Trains a session until its budget is spent or it is told to stop. Only process 0 speaks and writes."""

    def __init__(
        self,
        session: Session,
        state: TrainerState,
        *,
        tell: Tell,
        make_steering: Callable[[Budget, Stopwatch], Steering] | None,
        saved_at: int = -1,
    ) -> None:
        self.session, self.state, self._tell = session, state, tell
        training = session.settings.training
        self._budget = Budget.of(training, len(session.tokens.train.tokens))
        self._steering = (
            make_steering(self._budget, Stopwatch(state.seconds)) if make_steering else None
        )
        self._schedule = schedules.Schedule(training)
        settings = session.settings  # a fork may be sure of much that is wrong here
        self._ignorance = math.inf if settings.parent else math.log(settings.vocab_size)
        self._watchdog = Watchdog(self._ignorance, non_finite=state.non_finite, spikes=state.spikes)
        # A checkpoint of a look is written at its end: a run that goes on from one has looked already.
        self._looked_at = state.step if state.last and state.last["step"] == state.step else -1
        self._saved_at = saved_at
        self._keeper = Keeper(tell)
        self._aside = Aside(tell, overlaps=aside.pays(session.world.device))
        self._judge: Judge | None = None
        self._late = late.pays(session.world.device) and session.optimizer.can_skip
        self._waiting: deque[Taken] = deque()
        self._speed = Speedometer()
        self._norm = math.nan
        self._learner = Learner(session)
        train = session.tokens.train
        self._chars_per_token = train.chars / max(1, len(train.tokens))

    def run(self) -> str:
        """Train; gives why it ended (see `checkpoints.events.Ended`). Raises RunStopped where going on is senseless."""
        try:
            return self._run()
        finally:
            self._aside.abandon()

    def _run(self) -> str:
        if self._saved_at < 0 and self.state.step == 0:
            self._save("start")
        self._start_clock()
        while True:
            orders = self._decide()
            if orders.sample:
                self._samples()
            if (orders.save or orders.stop) and not self._settle():
                continue
            reason = STOPS[orders.stop]
            if reason == "done" and self._looked_at != self.state.step:
                self._look("end")
            elif orders.save:
                self._save("stop" if reason else "request" if orders.save_by_request else "time")
            if reason:
                if orders.parting and self.state.step and self._looked_at != self.state.step:
                    self._samples(parting=True)
                self._aside.finish()
                self._keeper.require()
                if self._steering is not None:
                    self._steering.tick(self.state)  # the last look took time too
                return reason
            if orders.rest:
                continue
            self._step(orders)
            every = self.session.settings.training.checkpoint_every
            if is_milestone(self.state.step, every=every) and self._settle():
                self._look("schedule")

    def _decide(self) -> Orders:
        """What to do before the next step: process 0 decides, and it alone knows what is kept already."""
        world, own = self.session.world, Orders()
        if self._steering is not None:
            self._aside.poll()
            own = self._steering.decide(self.state, meanwhile=self._rest)
            if own.save or own.stop:
                self._aside.finish()  # it may be about to keep this very step
                own = replace(own, save=self._saved_at != self.state.step)
        return Orders.of(world.agree(own.numbers())) if world.size > 1 else own

    def _rest(self) -> None:
        """While the run is paused: what was begun beside it goes on, and the pause counts for no speed."""
        self._aside.poll()
        self._speed.restart()
        self._start_clock()

    def _step(self, orders: Orders) -> None:
        session, state = self.session, self.state
        window = session.lanes.next()
        scale = state.loss_scale
        numbers, after = self._learner.gradients(window, scale=scale)
        lr = orders.lr * self._schedule.factor(orders.progress, self._epoch(state.tokens))
        taken = Taken(state.step + 1, state.tokens + window.count, lr, scale, Numbers(numbers))
        if self._late:
            bad = ~torch.isfinite(numbers).all()
            self._learner.apply(after, lr=lr, step=state.step, unless=bad)
            state.step, state.tokens = taken.step, taken.tokens
            self._waiting.append(taken)
            self._settle(but=1)
            return
        verdict = self._judge_step(taken)
        if verdict is Verdict.ROLL_BACK:
            self._roll_back(at=state.step)
            return
        if verdict is Verdict.APPLY:
            self._learner.apply(after, lr=lr, step=state.step)
        else:
            self._learner.skip()
        state.step, state.tokens = taken.step, taken.tokens
        self._log_if_due(taken)

    def _settle(self, *, but: int = 0) -> bool:
        """Read the numbers of steps taken, `but` the last ones; False if the run went back because of them."""
        while len(self._waiting) > but:
            taken = self._waiting.popleft()
            if self._judge_step(taken) is Verdict.ROLL_BACK:
                self._waiting.clear()
                self._roll_back(at=taken.step - 1)
                return False
            self._log_if_due(taken)
        return True

    def _judge_step(self, taken: Taken) -> Verdict:
        state = self.state
        loss, norm = taken.numbers.read()
        self._lr = taken.lr
        if scaling.overflowed(state, scale=taken.scale, loss=loss, grad_norm=norm):
            return Verdict.SKIP
        self._norm = norm
        verdict = self._watchdog.judge(loss=loss, grad_norm=norm, average=state.loss_average)
        if verdict is Verdict.DOUBT:
            hard = self._is_hard_text(taken.step, loss=loss)
            verdict = Verdict.APPLY if hard else Verdict.ROLL_BACK
        state.non_finite, state.spikes = self._watchdog.non_finite, self._watchdog.spikes
        if verdict is Verdict.APPLY:
            state.loss_average = running_mean(state.loss_average, loss)
            state.pending.add(loss)
            scaling.went_well(state)
        elif verdict is Verdict.SKIP:
            self._tell(
                ev.Warned(
                    step=taken.step,
                    text=f"step {taken.step:,} gave no finite numbers and was skipped",
                    hint="if it happens often, lower --lr",
                )
            )
        return verdict

    def _is_hard_text(self, step: int, *, loss: float) -> bool:
        """Whether losses stay up because of what was read: then the held-out text is read about as well as it was."""
        session, best, hard = self.session, self.state.best, False
        if session.world.leads and best is not None and (found := self._read_held_out()):
            worse = (found.nats_per_char - best["nats_per_char"]) * found.chars / found.tokens
            hard = worse < SPIKE_NATS
        if hard:
            self._tell(
                ev.Warned(
                    step=step,
                    text=f"the text up to step {step:,} is unlike the rest (its loss is {loss:.2f} nats a token); "
                    "what is held out is still read as before",
                    hint="`rnnstudio corpora check` shows what is odd in a text",
                )
            )
        return bool(session.world.agree([hard])[0])

    def _epoch(self, tokens: int) -> float:
        return tokens / max(1, len(self.session.tokens.train.tokens))

    def _log_if_due(self, taken: Taken) -> None:
        if taken.step % self.session.settings.log_every:
            return
        state, pending = self.state, self.state.pending
        progress = self._progress(taken.step, taken.tokens)
        speed, rate = self._speed.mark(time.monotonic(), tokens=taken.tokens, progress=progress)
        if not pending.steps:
            return
        state.loss_logged = pending.loss_sum / pending.steps
        self._tell(
            ev.Step(
                step=taken.step,
                loss_nats=state.loss_logged,
                loss_min=pending.loss_min,
                loss_max=pending.loss_max,
                lr=self._lr,
                grad_norm=self._norm,
                steps=pending.steps,
                epoch=round(self._epoch(taken.tokens), 4),
                tokens=taken.tokens,
                tokens_per_s=round(speed, 1),
                chars_per_s=round(speed * self._chars_per_token, 1),
                progress=round(progress, 5),
                eta_s=self._budget.eta_s(
                    progress=progress, seconds=state.seconds, recent_rate=rate
                ),
            )
        )
        state.pending = Pending()

    def _progress(self, step: int, tokens: int) -> float:
        return self._budget.progress(step=step, tokens=tokens, seconds=self.state.seconds)

    def _start_clock(self) -> None:
        state = self.state
        progress = self._progress(state.step, state.tokens)
        self._speed.mark(time.monotonic(), tokens=state.tokens, progress=progress)

    def _look(self, reason: str) -> None:
        """Validate, sample and save; once a step.

        The checkpoint is this moment's, and is kept when its samples are told: a run that is killed while they are
        written goes on from an earlier one and writes them again, so that none is missing and none is there twice.
        """
        state = self.state
        if self._looked_at == state.step:
            return
        self._looked_at = state.step
        if self.session.world.leads:
            reason = self._validate() or reason
        moment = self._moment(reason)
        self._samples(then=lambda: self._keep(moment))

    def _validate(self) -> str | None:
        """Read the held-out text; gives "improvement" if it was never read better."""
        session, state = self.session, self.state
        began = time.perf_counter()
        with session.ema.swapped_in() if session.ema is not None else nullcontext():
            found = self._read_held_out()
            dead = dead_memory(session.model, session.tokens.valid.tokens)
        if found is None:
            return None
        if not math.isfinite(found.nats_per_char):  # the next steps will take the run back
            self._tell(
                ev.Warned(
                    step=state.step,
                    text=f"the held-out loss at step {state.step:,} is not a finite number",
                )
            )
            return None
        figures = {
            "step": state.step,
            "nats_per_char": found.nats_per_char,
            "bits_per_char": found.bits_per_char,
            "protocol": found.protocol,
        }
        # A network that knows less than nothing is broken, and no place to go back to.
        better = found.nats_per_token < self._ignorance + SPIKE_NATS and (
            state.best is None or found.nats_per_char < state.best["nats_per_char"]
        )
        if better or state.best is not None:
            state.last = figures  # else no checkpoint claims them
        if better:
            state.best, state.waited, state.rollbacks = figures, 0, 0
        else:
            state.waited += 1
        self._tell(
            ev.Validation(
                step=state.step,
                nats_per_token=found.nats_per_token,
                nats_per_char=found.nats_per_char,
                bits_per_char=found.bits_per_char,
                chars=found.chars,
                tokens=found.tokens,
                protocol=found.protocol,
                best=better,
                train_nats_per_token=state.loss_now,
                dead_memory=None if dead is None else round(dead, 4),
                seconds=round(time.perf_counter() - began, 3),
            )
        )
        state.rate_factor *= self._schedule.after_validation(improved=better)
        return "improvement" if better else None

    def _read_held_out(self) -> Evaluation | None:
        """With the weights as they are; None where nothing is held out."""
        session = self.session
        # In bf16 half the time (a tenth of a run of minutes) for 0.0001 nats.
        with self._learner.arithmetic:
            found = looks.validate(
                session.model,
                session.tokenizer,
                session.tokens.valid,
                documents=session.documents,
                rounded=looks.in_int8(session.settings, session.model),
            )
        return found and found.on(session.settings.data.split)

    def _samples(self, *, then: Callable[[], object] = lambda: None, parting: bool = False) -> None:
        """Write samples with the weights as they are now, beside training where that pays; `then` waits for them.

        `parting` ones are no look: they set no mark that a run which goes on would be measured by.
        """
        session, state = self.session, self.state
        training = session.settings.training
        if not (session.world.leads and training.sample_length and state.temperatures):
            then()
            return
        step, prime, temperatures = state.step, state.prime, state.temperatures
        nats = state.last["nats_per_char"] if state.last else None
        model, ema = session.model, session.ema
        if self._aside.overlaps:
            weights = model.weights() if ema is None else ema.weights()
            model, ema = Model.from_weights(model.config, model.vocab_size, weights), None

        def write(tell: Tell) -> None:
            began = time.perf_counter()
            judge = self._own_judge(tell)
            with ema.swapped_in() if ema is not None else nullcontext():
                samples = looks.write_samples(
                    model,
                    session.tokenizer,
                    documents=session.documents,
                    step=step,
                    temperatures=temperatures,
                    length=training.sample_length,
                    prime=prime,
                    seed=training.seed,
                    folder=session.run.samples_path,
                    judge=judge,
                    tell=tell,
                )
            if samples and not parting:
                looks.tell_figures(
                    judge, samples, step=step, nats_per_char=nats, began=began, tell=tell
                )

        self._aside.begin(write, then=then)

    def _own_judge(self, tell: Tell) -> Judge:
        session = self.session
        if self._judge is None:
            self._judge = looks.make_judge(
                genres.find(session.settings.corpus.genre),
                session.tokenizer,
                session.tokens,
                sample_chars=session.settings.training.sample_length,
                so_far=session.run.events(steps=False),
            )
            if package := self._judge.lacks:
                title = self._judge.genre.title
                text = f"{title} cannot be judged: this Python lacks the package {package}"
                tell(ev.Warned(step=self.state.step, text=text, hint=f"pip install {package}"))
        return self._judge

    def _save(self, reason: str) -> None:
        self._keep(self._moment(reason))

    def _moment(self, reason: str) -> Moment | None:
        """What a checkpoint of this step holds, the lanes of all processes gathered; None in those that write none."""
        session, state = self.session, self.state
        whole = tuple(
            tuple(session.world.gather_lanes(part) for part in layer) for layer in session.carried
        )
        if self._steering is None:
            return None
        return self._keeper.take(session, state, all_lanes=whole, reason=reason)

    def _keep(self, moment: Moment | None) -> None:
        if self._steering is not None:
            if moment is None or moment.step:  # nothing would be lost before the first step
                self._steering.saved()
            if moment is not None and self._keeper.keep(self.session, moment):
                self._saved_at = moment.step

    def _calm_checkpoint(self) -> Path | None:
        """The newest whole checkpoint of a moment when the run was well: one amid bad steps would bring them back."""
        for path in reversed(checkpoint_folders(self.session.run.path)):
            try:
                if snapshot.state_of(read_checkpoint(path)).calm:
                    return path
            except CheckpointError:
                continue
        return None

    def _roll_back(self, *, at: int) -> None:
        """Go back from step `at` to the newest good checkpoint with a lower learning rate, or give up for good."""
        self._aside.finish()
        session, state, world = self.session, self.state, self.session.world
        # Process 0 alone validates, and writes checkpoints: it knows how often, and whereto.
        rollbacks = int(world.agree([state.rollbacks])[0]) + 1
        path = self._calm_checkpoint() if world.leads else None
        folder = world.tell(path.name if path is not None else "")
        if rollbacks > MAX_ROLLBACKS:
            raise Diverged(
                f"the loss exploded at step {at:,} for the {rollbacks}th time, at a rate of {self._lr:.2g}",
                hint="start anew with a lower --lr, a smaller --clip, or other text; the best checkpoint is kept",
            )
        if not folder:
            raise Diverged(
                f"the loss exploded at step {at:,}, and no checkpoint is whole to go back to",
                hint="start anew with a lower --lr",
            )
        self.state = restored = snapshot.restore(
            session, read_checkpoint(session.run.path / folder)
        )
        if world.leads:
            self._keeper.remove_later(session, restored.step)
        restored.rate_factor, restored.rollbacks = state.rate_factor, rollbacks
        # A higher rate that was set since then is what exploded. All else that was set stays, as does the time gone.
        raised = state.lr > restored.lr
        if not raised:
            restored.rate_factor *= RATE_AFTER_ROLLBACK
        kept = {
            name: getattr(state, name)
            for name in ("lr", "temperatures", "prime")
            if getattr(state, name) != getattr(restored, name) and not (raised and name == "lr")
        }
        for name, value in kept.items():
            setattr(restored, name, value)
        restored.seconds = state.seconds
        session.optimizer.zero_grad()
        self._looked_at = self._saved_at = restored.step
        self._speed.restart()
        self._start_clock()
        rate = f"a rate of {restored.lr:g} as there" if raised else "half the learning rate"
        self._tell(
            ev.Warned(
                step=restored.step,
                text=f"the loss exploded at step {at:,}: back to step {restored.step:,} with {rate}",
                hint="if it happens again, start with a lower --lr",
            )
        )
        self._tell(ev.Resumed(step=restored.step, checkpoint=folder, loss_nats=restored.loss_now))
        for name, value in kept.items():  # readers of the log have taken them back
            text = f"{name} as it was set"
            self._tell(
                ev.ControlApplied(step=restored.step, request=f"set {name}", value=value, text=text)
            )
