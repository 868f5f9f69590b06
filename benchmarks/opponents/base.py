"""What every opponent is: a network with its own way of drawing batches and stepping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

State = tuple[tuple[Tensor, ...], ...]
"""What is carried from window to window, as the engine's evaluation hands it on; empty for a transformer."""


class Opponent(nn.Module, ABC):
    """A model over `vocab_size` characters that learns from `train` (N,) and may look at `valid`."""

    name: ClassVar[str]
    about: ClassVar[str]
    """The published settings in a line."""

    window: ClassVar[int] = 256
    """Longest text without earlier context that it can read at once."""

    carries: ClassVar[bool] = True
    """Whether it has a state that a pass over a text can carry."""

    follows_budget: ClassVar[bool] = False
    """Whether its schedule is laid over the budget, so that another budget is another training."""

    def __init__(self, train: Tensor, valid: Tensor, vocab_size: int) -> None:
        super().__init__()
        self.train_tokens, self.valid_tokens, self.vocab_size = train, valid, vocab_size
        self.tokens_read = 0

    @property
    def epoch(self) -> float:
        """Passes over the training text so far."""
        return self.tokens_read / len(self.train_tokens)

    def initial_state(self, lanes: int) -> State:
        """What it knows before it read anything."""
        del lanes
        return ()

    @abstractmethod
    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (T, B, V) for what follows each of `tokens` (T, B), and the state after them."""

    @abstractmethod
    def step(self, progress: float) -> float:
        """One step of training at `progress` (0 to 1) through the budget; the loss in nats per token."""


class Lanes:
    """The text cut into `lanes` equal streams, read window by window: (T, B) inputs and targets, round and round."""

    def __init__(self, tokens: Tensor, *, lanes: int, length: int) -> None:
        usable = (len(tokens) - 1) // lanes
        self.inputs = tokens[: usable * lanes].view(lanes, usable).t().contiguous()
        self.targets = tokens[1 : usable * lanes + 1].view(lanes, usable).t().contiguous()
        # A text too short for one window is read in shorter ones.
        self.length, self.at = min(length, usable), 0

    def next(self) -> tuple[Tensor, Tensor, bool]:
        """The next window, and whether it begins a pass over the text."""
        if self.at + self.length > len(self.inputs):
            self.at = 0
        start, self.at = self.at, self.at + self.length
        return self.inputs[start : self.at], self.targets[start : self.at], start == 0


def random_windows(tokens: Tensor, *, lanes: int, length: int) -> tuple[Tensor, Tensor]:
    """`lanes` windows from anywhere in the text: inputs and targets (T, B)."""
    length = min(length, len(tokens) - 2)
    starts = torch.randint(len(tokens) - length, (lanes,), device="cpu").to(tokens.device)
    windows = tokens[starts + torch.arange(length + 1, device=tokens.device)[:, None]]
    return windows[:-1], windows[1:]


def detached(state: State) -> State:
    """The state without the graph behind it."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)
