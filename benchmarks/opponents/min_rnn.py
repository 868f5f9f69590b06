"""minGRU and minLSTM (Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201).

Their gates see the input alone, so that h_t = a_t h_(t-1) + b_t is a scan over the window. As in the paper's language
model each block is norm, causal convolution over 4 characters, the cell, and two layers of four times the width (so
its first author too, in issue 1 of lucidrains/minGRU-pytorch). A state is not handed on: their model reads windows.

Their code can make the cell wider than the block and project it back. It does not here: twice as wide it came to 2.493
nats/char after three minutes of a core instead of 2.224.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.opponents.base import Opponent, State, random_windows


def scan_by_logarithms(log_a: Tensor, log_b: Tensor) -> Tensor:
    """The same h as `Scan` of positive numbers, all steps at once: their appendix B, for a GPU."""
    so_far = log_a.cumsum(0)
    return (so_far + torch.logcumsumexp(log_b - so_far, 0)).exp()


class Scan(torch.autograd.Function):
    """h (T, B, H) of h_t = a_t h_(t-1) + b_t from h = 0.

    Step by step: on a CPU sums of logarithms took a third of a training step, and this takes a fiftieth.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        h = b.clone(memory_format=torch.contiguous_format)
        for t in range(1, len(h)):
            h[t].addcmul_(a[t], h[t - 1])
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        into_b = grads[0].clone(memory_format=torch.contiguous_format)
        for t in range(len(h) - 1, 0, -1):
            into_b[t - 1].addcmul_(a[t], into_b[t])
        into_a = torch.zeros_like(h)
        torch.mul(into_b[1:], h[:-1], out=into_a[1:])
        return into_a, into_b


class MinCell(nn.Module):
    """`gates` 1: minGRU, its gate z and 1 - z. `gates` 2: minLSTM, f and i divided by their sum."""

    def __init__(self, width: int, gates: int) -> None:
        super().__init__()
        self.gates = gates
        self.inputs = nn.Linear(width, width * (gates + 1))

    def forward(self, x: Tensor) -> Tensor:  # (T, B, H)
        *gates, candidate = self.inputs(x).chunk(self.gates + 1, dim=-1)
        logit = gates[0]
        if self.gates == 2:  # i / (f + i)
            logit = F.logsigmoid(gates[1]) - F.logsigmoid(gates[0])
        take = logit.sigmoid()
        # Their positive candidate: x + 0.5 where x >= 0, else sigmoid(x); each is the greater one there.
        positive = torch.maximum(candidate + 0.5, candidate.sigmoid())
        if x.is_cuda:
            return scan_by_logarithms(F.logsigmoid(-logit), F.logsigmoid(logit) + positive.log())
        h: Tensor = Scan.apply(1 - take, take * positive)  # type: ignore[no-untyped-call]
        return h


class Block(nn.Module):
    """One residual block of the language model."""

    def __init__(self, width: int, gates: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 4, groups=width)
        self.cell = MinCell(width, gates)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (T, B, C)
        y = self.norm(x).permute(1, 2, 0)
        y = self.conv(F.pad(y, (3, 0))).permute(2, 0, 1)
        x = x + self.drop(self.cell(y))
        out: Tensor = x + self.drop(self.mlp(self.norm_mlp(x)))
        return out


class MinRNN(Opponent):
    carries = False
    gates: ClassVar[int]
    width: ClassVar[int] = 384
    lanes: ClassVar[int] = 64
    dropout: ClassVar[float] = 0.2
    clip: ClassVar[float] = 0.25

    def __init__(self, train: Tensor, valid: Tensor, vocab_size: int) -> None:
        super().__init__(train, valid, vocab_size)
        self.embedding = nn.Embedding(vocab_size, self.width)
        self.blocks = nn.ModuleList(Block(self.width, self.gates, self.dropout) for _ in range(3))
        self.norm = nn.LayerNorm(self.width)
        self.output = nn.Linear(self.width, vocab_size)
        self.optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3, fused=True)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x)), state

    def step(self, progress: float) -> float:
        del progress  # the paper names no schedule
        self.train()
        inputs, targets = random_windows(self.train_tokens, lanes=self.lanes, length=self.window)
        logits, _ = self(inputs, ())
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters(), self.clip)
        self.optimizer.step()
        self.tokens_read += inputs.numel()
        return loss.item()


class MinGRU(MinRNN):
    name = "mingru"
    about = "3 blocks of 384, windows of 256, batch 64, dropout 0.2, AdamW 1e-3, clip 0.25"
    gates = 1


class MinLSTM(MinRNN):
    name = "minlstm"
    about = "3 blocks of 384, windows of 256, batch 64, dropout 0.2, AdamW 1e-3, clip 0.25"
    gates = 2


class MinGRUSmall(MinRNN):
    name = "mingru-small"
    about = (
        "ours of theirs for a CPU: 3 blocks of 128, windows of 64, batch 12, no dropout, AdamW 1e-3"
    )
    gates, width, window, lanes, dropout, clip = 1, 128, 64, 12, 0.0, 1.0
