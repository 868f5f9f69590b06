"""One optimizer step: backward through a window, clip, and move the weights, or leave all as it was."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from engine import carried
from engine.ids import IGNORE
from engine.optimizers import clip
from engine.precision import arithmetic, autocast
from engine.training import replay
from engine.training.lanes import Window
from engine.training.late import fed
from engine.training.session import Session


class Learner:
    """Changes a session's model, optimizer, averages and carried state, a window at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        training, model = session.settings.training, session.settings.model
        self._share = session.world.lanes(training.lanes)
        device, precision = session.world.device, training.precision
        self.arithmetic = autocast(device, precision, model.cell, hidden_size=model.hidden_size)
        if replay.pays(device):
            replay.adopt(
                session.model,
                lanes=self._share.stop - self._share.start,
                bptt=training.bptt,
                dtype=arithmetic(device, precision, model.cell, hidden_size=model.hidden_size),
            )

    def gradients(self, window: Window, *, scale: float = 1.0) -> tuple[Tensor, carried.State]:
        """Backward through one window, over all processes, from a loss times `scale`; and clip.

        Gives the mean loss in nats per token and the gradient's norm (2,), still on the device, and the state after.
        """
        session, training = self._session, self._session.settings.training
        device = session.world.device
        inputs = fed(window.inputs[:, self._share], device)
        targets = fed(window.targets[:, self._share], device)
        fresh = window.fresh[self._share]
        before = session.carried
        if fresh.any():
            before = carried.reset(before, fed(fresh, device))
        dropout = session.world.own_stream(session.rng.dropout)
        with self.arithmetic:
            logits, after = session.model(inputs, before, rng=dropout)
        loss = F.cross_entropy(
            logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE, reduction="sum"
        ) / max(1, window.count)
        (loss if scale == 1 else loss * scale).backward()  # type: ignore[no-untyped-call]
        steps = window.count / training.lanes if training.loss == "sum" else 1.0
        if steps != scale:
            gradients = [p.grad for p in session.model.parameters() if p.grad is not None]
            torch._foreach_mul_(gradients, steps / scale)
        loss = session.world.sum_gradients(session.model.parameters(), loss.detach())
        norm = clip(session.model, training)
        return torch.stack([loss, norm]), carried.detach(after)

    def apply(
        self, after: carried.State, *, lr: float, step: int, unless: Tensor | None = None
    ) -> None:
        """Move the weights and carry the state on; where the device finds `unless` true, as `skip` does."""
        session = self._session
        session.optimizer.step(lr=lr, turn=step, unless=unless)
        if session.ema is not None:
            session.ema.update(step=step, unless=unless)
        session.carried = after if unless is None else carried.zero_where(unless, after)
        session.optimizer.zero_grad()

    def skip(self) -> None:
        """Leave the weights; what the network carried may be no number either, so all lanes begin afresh."""
        session = self._session
        every = torch.ones(len(session.carried[0][0]), dtype=torch.bool)
        session.carried = carried.reset(session.carried, every)
        session.optimizer.zero_grad()
