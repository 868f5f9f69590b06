"""How the learning rate moves: a factor on it, from where the run stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Schedule:
    """What `--schedule` names. It remembers nothing, so that a resumed run goes on as if never stopped."""

    config: TrainConfig

    def factor(self, progress: float, epoch: float) -> float:
        """The factor at `progress` through the budget (0 to 1; beyond is the end) and after `epoch` passes."""
        match self.config.schedule:
            case "cosine":
                return self._cosine(min(max(progress, 0.0), 1.0))
            case "step":
                return self.config.lr_decay ** self._decays(epoch)
            case _:
                return 1.0

    def after_validation(self, *, improved: bool) -> float:
        """What the plateau schedule multiplies the rate with, once and for all, after a validation."""
        if self.config.schedule == "plateau" and not improved:
            return self.config.lr_decay
        return 1.0

    def _cosine(self, progress: float) -> float:
        """Straight up from `lr_final` to 1 over the warm-up, then half a cosine down to it again."""
        least, warmup = self.config.lr_final, self.config.warmup
        if progress < warmup:
            height = progress / warmup
        else:
            height = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
        return least + (1 - least) * height

    def _decays(self, epoch: float) -> int:
        """How many multiples of `lr_decay_every`, from `lr_decay_after` on, are behind us; epoch 0 is none."""
        every, after = self.config.lr_decay_every, self.config.lr_decay_after
        if every == 0:
            return 0
        # A hair forgiven: 0.3 / 0.1 is 2.9999999999999996.
        behind = math.floor(epoch / every + 1e-9)
        first = max(1, math.ceil(after / every - 1e-9))
        return max(0, behind - first + 1)
