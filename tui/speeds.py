"""How fast this machine trains the models that the form comes to: each that matters is measured, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.config import ModelConfig
from engine.training.plan import GRAMS, Measured
from tui.recipe import Estimate

FIRST = ModelConfig(num_layers=1, hidden_size=128, grams=GRAMS)
"""Measured before anything is known of the text: small, so that it is soon there."""
MOST_BYTES = 400_000_000
"""What a model may take to be measured: a larger one would keep the machine busy for a form."""
ROUNDS = 3
"""As the trainer: a choice by one model's speed is measured itself, and chosen again, this often at most."""


class Speeds:
    """What was measured so far."""

    def __init__(self) -> None:
        self._known: dict[ModelConfig, Measured] = {}

    def keep(self, model: ModelConfig, measured: Measured) -> None:
        self._known[model] = measured

    def pass_over(self, model: ModelConfig) -> None:
        """It could not be measured, and is reckoned from now on."""
        if FIRST in self._known:
            self._known[model] = self._known[FIRST]

    def estimate(
        self, reckon: Callable[[Measured | None], Estimate | None]
    ) -> tuple[Estimate | None, ModelConfig | None]:
        """The best estimate there is, and the model that is to be measured for a better one, if any."""
        measured = self._known.get(FIRST)
        found = reckon(measured)
        for _ in range(ROUNDS):
            if found is None or measured is None or found.memory_bytes > MOST_BYTES:
                return found, None
            model = replace(found.model, dropout=0.0, gram_dropout=0.0)  # which cost no time
            if model not in self._known:
                return found, model
            if measured == self._known[model]:
                return found, None
            measured = self._known[model]
            found = reckon(measured)
        return found, None
