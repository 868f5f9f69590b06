"""Where a run stands: everything about its training that is a plain number, stored in a checkpoint's trainer.json."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checkpoints.errors import CheckpointError


@dataclass(slots=True)
class Pending:
    """Steps that are done but not yet logged: they come together in one `step` event."""

    steps: int = 0
    loss_sum: float = 0.0
    loss_min: float = math.inf
    loss_max: float = -math.inf

    def add(self, loss: float) -> None:
        self.steps += 1
        self.loss_sum += loss
        self.loss_min = min(self.loss_min, loss)
        self.loss_max = max(self.loss_max, loss)


@dataclass(slots=True)
class TrainerState:
    """What the trainer counts. `tokens` counts targets, `seconds` training time without pauses."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    rate_factor: float = 1.0
    """Product of what roll-backs and the plateau schedule took off the learning rate."""
    lr: float = 0.0
    """The rate before schedule and factor; a request can change it while the run goes on."""
    best: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    waited: int = 0
    """Validations since the best one."""
    rollbacks: int = 0
    loss_average: float = math.nan
    """Running mean of the training loss, which spikes are measured against; it begins at the first loss."""
    loss_logged: float = math.nan
    """Mean loss of the steps that were logged last."""
    non_finite: int = 0
    spikes: int = 0
    """Bad steps in a row, as the watchdog counts them."""
    loss_scale: float = 1.0
    """What the loss is multiplied with before the backward pass, and its good steps so far (fp16; see `scaling`)."""
    scaled_steps: int = 0
    temperatures: list[float] = field(default_factory=list)
    prime: str = ""
    pending: Pending = field(default_factory=Pending)

    @property
    def calm(self) -> bool:
        """Whether the run was well at this moment: not amid bad steps, or just measured better than ever."""
        improved = self.best is not None and self.best.get("step") == self.step
        return improved or not (self.non_finite or self.spikes)

    @property
    def loss_now(self) -> float:
        """The mean loss in nats of the newest steps, as the log has it; NaN before the first."""
        if math.isnan(self.loss_logged) and self.pending.steps:
            return self.pending.loss_sum / self.pending.steps
        return self.loss_logged

    def to_json(self) -> dict[str, Any]:
        body = dataclasses.asdict(self)
        for name in ("loss_average", "loss_logged"):
            body[name] = _number_or_none(body[name])
        for name in ("loss_min", "loss_max"):
            body["pending"][name] = _number_or_none(body["pending"][name])
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> TrainerState:
        """Raises CheckpointError where something is missing or is no number."""
        try:
            pending = dict(body["pending"])
            return cls(
                step=_count(body["step"]),
                tokens=_count(body["tokens"]),
                seconds=float(body["seconds"]),
                rate_factor=float(body["rate_factor"]),
                lr=float(body["lr"]),
                best=_figures(body["best"]),
                last=_figures(body["last"]),
                waited=_count(body["waited"]),
                rollbacks=_count(body["rollbacks"]),
                non_finite=_count(body["non_finite"]),
                spikes=_count(body["spikes"]),
                loss_average=_or(body["loss_average"], math.nan),
                loss_logged=_or(body.get("loss_logged", body["loss_average"]), math.nan),
                loss_scale=float(body.get("loss_scale", 1.0)),
                scaled_steps=_count(body.get("scaled_steps", 0)),
                temperatures=[float(t) for t in body["temperatures"]],
                prime=str(body["prime"]),
                pending=Pending(
                    steps=_count(pending["steps"]),
                    loss_sum=float(pending["loss_sum"]),
                    loss_min=_or(pending["loss_min"], math.inf),
                    loss_max=_or(pending["loss_max"], -math.inf),
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"the checkpoint's trainer.json does not say where the run stood ({error})",
                hint="resume from another checkpoint",
            ) from None


def _number_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _or(value: Any, default: float) -> float:
    return default if value is None else float(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _figures(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("nats_per_char"), int | float):
        raise ValueError("a validation figure is damaged")
    return dict(value)
