"""nanoGPT (Karpathy 2022) on Shakespeare's characters: the setting for a laptop's CPU and the one for a GPU.

The cosine runs over the budget here, as over `max_iters` there. The warm-up keeps its 100 steps: cut to its share of a
budget of 50 steps, it left the GPU's setting worse (3.27 instead of 2.52 after ten minutes of a core).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.opponents.base import Opponent, State, random_windows


class Block(nn.Module):
    """Attention and two layers of four times the width, each behind a norm and added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width, bias=False)
        self.before_mlp = nn.LayerNorm(width, bias=False)
        self.widen = nn.Linear(width, 4 * width, bias=False)
        self.narrow = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C)
        lanes, length, width = x.shape
        split = self.qkv(self.before_attention(x)).view(lanes, length, 3, self.heads, -1)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # each (B, heads, T, C / heads)
        share = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, dropout_p=share, is_causal=True)
        mixed = self.project(seen.transpose(1, 2).reshape(lanes, length, width))
        x = x + F.dropout(mixed, self.dropout, self.training)
        inner = self.narrow(F.gelu(self.widen(self.before_mlp(x))))
        return x + F.dropout(inner, self.dropout, self.training)


class NanoGPT(Opponent):
    carries = False
    follows_budget = True
    layers: ClassVar[int]
    heads: ClassVar[int]
    width: ClassVar[int]
    lanes: ClassVar[int]
    dropout: ClassVar[float]
    warmup_steps: ClassVar[int] = 100

    def __init__(self, train: Tensor, valid: Tensor, vocab_size: int) -> None:
        super().__init__(train, valid, vocab_size)
        self.wte = nn.Embedding(vocab_size, self.width)
        self.wpe = nn.Embedding(self.window, self.width)
        self.blocks = nn.ModuleList(
            Block(self.width, self.heads, self.dropout) for _ in range(self.layers)
        )
        self.norm = nn.LayerNorm(self.width, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_stream = name.endswith(("project.weight", "narrow.weight"))
                scale = 1 / math.sqrt(2 * self.layers) if into_stream else 1.0
                nn.init.normal_(weight, std=0.02 * scale)
        matrices = [p for p in self.parameters() if p.dim() >= 2]
        rest = [p for p in self.parameters() if p.dim() < 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
        self.steps = 0

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        places = torch.arange(len(tokens), device=tokens.device)
        x = self.wte(tokens.t()) + self.wpe(places)
        x = F.dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.wte.weight).transpose(0, 1), state

    def step(self, progress: float) -> float:
        self.train()
        inputs, targets = random_windows(self.train_tokens, lanes=self.lanes, length=self.window)
        # In bf16 on a GPU, as there.
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.is_cuda):
            logits, _ = self(inputs, ())
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(progress)
        self.optimizer.step()
        self.steps += 1
        self.tokens_read += inputs.numel()
        return loss.item()

    def _rate(self, progress: float) -> float:
        """1e-3 after 100 steps, half a cosine down to 1e-4 at the budget's end."""
        if self.steps < self.warmup_steps:
            return 1e-3 * (self.steps + 1) / (self.warmup_steps + 1)
        return 1e-4 + 0.45e-3 * (1 + math.cos(math.pi * min(1.0, progress)))


class NanoGPTCPU(NanoGPT):
    name = "nanogpt-cpu"
    about = "4 layers, 4 heads, 128 wide, windows of 64, batch 12, AdamW 1e-3"
    layers, heads, width, window, lanes, dropout = 4, 4, 128, 64, 12, 0.0


class NanoGPTGPU(NanoGPT):
    name = "nanogpt-gpu"
    about = "6 layers, 6 heads, 384 wide, windows of 256, batch 64, dropout 0.2, AdamW 1e-3"
    layers, heads, width, window, lanes, dropout = 6, 6, 384, 256, 64, 0.2
