"""The LSTM of PyTorch's word_language_model example with its defaults, on characters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.opponents.base import Lanes, Opponent, State, detached


class WordLanguageModel(Opponent):
    name = "word_language_model"
    about = "2x200, vectors of 200, dropout 0.2, SGD 20, quartered when validation gets worse, 20x35, clip 0.25"

    def __init__(self, train: Tensor, valid: Tensor, vocab_size: int) -> None:
        super().__init__(train, valid, vocab_size)
        self.drop = nn.Dropout(0.2)
        self.encoder = nn.Embedding(vocab_size, 200)
        self.rnn = nn.LSTM(200, 200, 2, dropout=0.2)
        self.decoder = nn.Linear(200, vocab_size)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)
        self.batches = Lanes(train, lanes=20, length=35)
        self.state = self.initial_state(20)
        self.rate, self.best = 20.0, float("inf")

    def initial_state(self, lanes: int) -> State:
        zeros = torch.zeros(2, lanes, 200, device=self.train_tokens.device)
        return ((zeros, zeros),)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        ((h, c),) = state
        out, after = self.rnn(self.drop(self.encoder(tokens)), (h, c))
        return self.decoder(self.drop(out)), (after,)

    def step(self, progress: float) -> float:
        del progress
        inputs, targets, begins = self.batches.next()
        if begins and self.tokens_read:
            self._validate()
        self.train()
        logits, state = self(inputs, self.initial_state(20) if begins else self.state)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters(), 0.25)
        with torch.no_grad():
            for weight in self.parameters():
                assert weight.grad is not None
                weight.add_(weight.grad, alpha=-self.rate)
        self.state = detached(state)
        self.tokens_read += inputs.numel()
        return loss.item()

    @torch.no_grad()
    def _validate(self) -> None:
        self.eval()
        lanes = Lanes(self.valid_tokens, lanes=10, length=35)
        state, total, windows = self.initial_state(10), 0.0, len(lanes.inputs) // lanes.length
        for _ in range(windows):
            inputs, targets, _ = lanes.next()
            logits, state = self(inputs, state)
            total += F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
        if total < self.best:
            self.best = total
        else:
            self.rate /= 4
