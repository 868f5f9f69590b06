"""Keeping a run: checkpoints written when they are due, and old ones let go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from checkpoints import events as ev
from checkpoints import retention
from checkpoints.checkpoint import (
    checkpoint_folders,
    remove_checkpoint,
    step_of,
    write_checkpoint,
)
from checkpoints.errors import RnnStudioError, RunStopped
from checkpoints.paths import exists
from checkpoints.runs import RunFolder
from engine.carried import State, pack
from engine.training import snapshot
from engine.training.circumstances import KEY, circumstances
from engine.training.session import Session
from engine.training.state import TrainerState

# A save that fails is tried again at the next occasion; so many failures in a row end the run.
MAX_FAILED_SAVES = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A run at one step, as a checkpoint's files, that took `seconds` to collect."""

    step: int
    files: Mapping[str, bytes]
    reason: str
    nats_per_char: float | None
    seconds: float


class Keeper:
    """Writes checkpoints and prunes. A disk that refuses is told of; one that goes on refusing ends the run."""

    def __init__(self, tell: Callable[[ev.Event], object]) -> None:
        self._tell = tell
        self._refusals: list[RnnStudioError] = []
        """Since the last checkpoint that was kept."""

    def take(
        self, session: Session, state: TrainerState, *, all_lanes: State, reason: str
    ) -> Moment | None:
        """This moment as a checkpoint will hold it, or None where weights are no numbers.

        Those are never kept: a run that goes back must find a checkpoint to learn on from.
        """
        if not (snapshot.finite(session.model.weights()) and snapshot.finite(pack(all_lanes))):
            self._tell(
                ev.Warned(
                    step=state.step,
                    text=f"no checkpoint at step {state.step:,}: some weights are not finite numbers",
                )
            )
            return None
        measured = state.last if state.last and state.last["step"] == state.step else {}
        began = time.perf_counter()
        files = snapshot.take(session, state, all_lanes=all_lanes)
        return Moment(
            state.step, files, reason, measured.get("nats_per_char"), time.perf_counter() - began
        )

    def keep(self, session: Session, moment: Moment) -> bool:
        """Whether a checkpoint of this moment is now kept. Raises RunStopped when the disk refused too often."""
        began = time.perf_counter() - moment.seconds
        nats = moment.nats_per_char
        about: dict[str, object] = {"reason": moment.reason, KEY: circumstances(session)}
        if nats is not None:
            about["nats_per_char"] = nats
        try:
            path = write_checkpoint(session.run.path, moment.step, moment.files, about=about)
        except RnnStudioError as error:
            self._refused(error, session.run, moment.step)
            return False
        self._refusals.clear()
        self._tell(
            ev.CheckpointWritten(
                step=moment.step,
                path=path.name,
                reason=moment.reason,
                nats_per_char=nats,
                seconds=round(time.perf_counter() - began, 3),
                size_bytes=sum(map(len, moment.files.values())),
            )
        )
        self._prune(session, moment.step)
        return True

    def _refused(self, error: RnnStudioError, run: RunFolder, step: int) -> None:
        if not exists(run.path):
            raise RunStopped(
                f"the run's folder {run.path} was removed while it trained",
                hint="nothing is left to go on from; train it again",
            ) from error
        self._refusals.append(error)
        if (tried := len(self._refusals)) >= MAX_FAILED_SAVES:
            raise RunStopped(f"{error.message}; tried {tried} times", hint=error.hint) from error
        self._tell(ev.Warned(step=step, text=error.message, hint=error.hint))

    def require(self) -> None:
        """Raises RunStopped where the newest checkpoint could not be saved: a run does not end well without it."""
        if self._refusals:
            error = self._refusals[-1]
            raise RunStopped(error.message, hint=error.hint) from error

    def remove_later(self, session: Session, step: int) -> None:
        """Remove all checkpoints after this step, to which the run goes back: the newest one is where it stands."""
        for path in checkpoint_folders(session.run.path):
            if (step_of(path) or 0) > step:
                self._remove(path, step)

    def _prune(self, session: Session, step: int) -> None:
        kept = {checkpoint.step: checkpoint.path for checkpoint in session.run.checkpoints()}
        best = session.run.best()
        going = retention.to_delete(
            kept,
            keep=session.settings.training.keep,
            best=best.step if best else None,
            # After a damaged checkpoint was passed over, the one just written is not the highest step that is there.
            protected=(step,),
        )
        for old in going:
            self._remove(kept[old], step)

    def _remove(self, path: Path, step: int) -> None:
        try:
            remove_checkpoint(path)
        except RnnStudioError as error:
            self._tell(ev.Warned(step=step, text=error.message, hint=error.hint))
