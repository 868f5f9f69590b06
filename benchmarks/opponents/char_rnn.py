"""char-rnn (Karpathy 2015) and torch-rnn (Johnson 2016) with the defaults of their train.lua."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.opponents.base import Lanes, Opponent, State, detached


class StackedLSTM(Opponent):
    """Two LSTM layers of 128, read in 50 lanes of 50 characters with the state carried."""

    lanes: ClassVar[int] = 50
    length: ClassVar[int] = 50
    embedding_size: ClassVar[int] = 0
    """0: one-hot."""

    def __init__(self, train: Tensor, valid: Tensor, vocab_size: int) -> None:
        super().__init__(train, valid, vocab_size)
        size = self.embedding_size
        self.embedding = nn.Embedding(vocab_size, size) if size else None
        self.lstm = nn.LSTM(size or vocab_size, 128, num_layers=2)
        self.output = nn.Linear(128, vocab_size)
        self.batches = Lanes(train, lanes=self.lanes, length=self.length)
        self.state = self.initial_state(self.lanes)
        self.initialise()
        self.optimizer = self.make_optimizer()

    def initialise(self) -> None:
        """Set the weights as the original does."""

    def make_optimizer(self) -> torch.optim.Optimizer:
        raise NotImplementedError

    def rate(self) -> float:
        """The learning rate now."""
        raise NotImplementedError

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """What is differentiated."""
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def initial_state(self, lanes: int) -> State:
        zeros = torch.zeros(2, lanes, 128, device=self.train_tokens.device)
        return ((zeros, zeros),)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        vectors = self.embedding
        x = vectors(tokens) if vectors else F.one_hot(tokens, self.vocab_size).float()
        ((h, c),) = state
        out, after = self.lstm(x, (h, c))
        return self.output(out), (after,)

    def step(self, progress: float) -> float:
        del progress  # their schedules count epochs
        self.train()
        inputs, targets, begins = self.batches.next()
        state = self.initial_state(self.lanes) if begins else self.state
        logits, state = self(inputs, state)
        loss = self.loss(logits, targets)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_value_(self.parameters(), 5.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.optimizer.step()
        self.state = detached(state)
        self.tokens_read += inputs.numel()
        return F.cross_entropy(logits.detach().flatten(0, 1), targets.flatten()).item()


def raise_forget_bias(lstm: nn.LSTM) -> None:
    """A bias of 1 for each forget gate, in the input's bias."""
    for name, weight in lstm.named_parameters():
        if name.startswith("bias_ih"):
            weight.detach().chunk(4)[1].fill_(1.0)


class CharRNN(StackedLSTM):
    name = "char-rnn"
    about = (
        "2x128, one-hot, ±0.08, RMSProp 2e-3 decay 0.95, x0.97 an epoch after 10, 50x50, clip ±5"
    )

    def initialise(self) -> None:
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.08, 0.08)
        raise_forget_bias(self.lstm)

    def make_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(self.parameters(), lr=2e-3, alpha=0.95)

    def rate(self) -> float:
        passes = int(self.epoch)
        return float(2e-3 * 0.97 ** max(0, passes - 9))

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        # Each time step's mean over the lanes, summed over time: what the clip at ±5 is meant for.
        return super().loss(logits, targets) * self.length


class TorchRNN(StackedLSTM):
    name = "torch-rnn"
    about = "2x128, vectors of 64, Adam 2e-3, halved every 5 epochs, 50x50, clip ±5"
    embedding_size = 64

    def initialise(self) -> None:
        assert self.embedding is not None
        nn.init.normal_(self.embedding.weight)
        for layer in range(2):
            fan = 128 + (self.embedding_size if layer == 0 else 128)
            for kind in ("ih", "hh"):
                nn.init.normal_(getattr(self.lstm, f"weight_{kind}_l{layer}"), std=fan**-0.5)
                nn.init.zeros_(getattr(self.lstm, f"bias_{kind}_l{layer}"))
        raise_forget_bias(self.lstm)
        bound = 1 / math.sqrt(128)  # torch7's nn.Linear
        for weight in self.output.parameters():
            nn.init.uniform_(weight, -bound, bound)

    def make_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=2e-3, fused=True)

    def rate(self) -> float:
        # It counts epochs from 1 and halves at the end of the 4th, 9th, 14th pass.
        return float(2e-3 * 0.5 ** ((int(self.epoch) + 1) // 5))
