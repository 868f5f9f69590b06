"""What a sampler asks of a model: the next logits of some texts that grow side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from engine.carried import State
from engine.model import Model


class Network(Protocol):
    """A model that is in the middle of B texts, whose rows keep their order."""

    def step(self, tokens: Sequence[int]) -> Tensor:
        """Logits (B, V), on the CPU, for what follows the next token of each text."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these of the texts only."""


class Padded:
    """The model's own step, always of as many rows, wherever it lies.

    A row computed in a product of another shape may differ in its last bit, and one bit can become another word later;
    among as many others it never does.
    """

    def __init__(self, model: Model, states: Sequence[State], lanes: int) -> None:
        self._model = model
        self._lanes = list(range(len(states)))
        padded = [*states] + [states[0]] * (lanes - len(states))
        self._state = tuple(
            tuple(torch.cat(parts) for parts in zip(*layers, strict=True))
            for layers in zip(*padded, strict=True)
        )
        self._tokens = torch.zeros(lanes, dtype=torch.int64)

    @torch.inference_mode()
    def step(self, tokens: Sequence[int]) -> Tensor:
        self._tokens[self._lanes] = torch.tensor(tokens)
        logits, self._state = self._model.step(self._tokens.to(self._model.device), self._state)
        return logits.cpu()[self._lanes]

    def keep(self, rows: Sequence[int]) -> None:
        self._lanes = [self._lanes[row] for row in rows]
