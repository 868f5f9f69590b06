"""The loops everyone writes: embedding, torch's recurrent layer, linear output; train with Adam, sample one by one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KERNELS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Bare(nn.Module):
    """The network."""

    def __init__(
        self, vocab_size: int, *, cell: str, layers: int, hidden: int, embedding: int = 64
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding)
        self.rnn = KERNELS[cell](embedding, hidden, layers)
        self.output = nn.Linear(hidden, vocab_size)

    def forward(self, tokens: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        out, state = self.rnn(self.embedding(tokens), state)
        return self.output(out), state


class BareTraining:
    """Training it in `lanes` lanes of `bptt` tokens, the state carried, the gradient's norm clipped at 1."""

    def __init__(self, model: Bare, tokens: Tensor, *, lanes: int, bptt: int) -> None:
        self.model, self.bptt = model, bptt
        usable = len(tokens) // lanes
        self.text = tokens[: usable * lanes].view(lanes, usable).t().contiguous()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        self.state: Tensor | None = None
        self.at = 0

    def step(self) -> float:
        """One step; its loss."""
        if self.at + self.bptt + 1 > len(self.text):
            self.at, self.state = 0, None
        window = self.text[self.at : self.at + self.bptt + 1]
        self.at += self.bptt
        self.optimizer.zero_grad()
        logits, state = self.model(window[:-1], self.state)
        loss = F.cross_entropy(logits.flatten(0, 1), window[1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        parts = state if isinstance(state, tuple) else (state,)
        kept = tuple(part.detach() for part in parts)
        self.state = kept if len(kept) > 1 else kept[0]  # type: ignore[assignment]
        return loss.item()


@torch.no_grad()
def write(model: Bare, length: int, *, temperature: float, streams: int = 1) -> list[list[int]]:
    """`length` tokens of each stream, a call of the whole network for each."""
    device = model.output.weight.device
    tokens, state = torch.zeros(1, streams, dtype=torch.long, device=device), None
    written = []
    for _ in range(length):
        logits, state = model(tokens, state)
        chances = torch.softmax(logits[0] / temperature, dim=-1)
        tokens = torch.multinomial(chances, 1).t()
        written.append(tokens[0].tolist())
    return written
