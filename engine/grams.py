"""What the network is told of each token beside the token itself: vectors for the runs of tokens that end there.

A network that reads one character at a time spends its first passes over a text on learning what letters follow "th".
Here the last two tokens have a vector, the last three, and so on; their sum is looked up, not computed, so that it
costs next to nothing. No list of runs is kept: a hash says in which row of one table a run's vector lies, and rows are
shared by chance (character n-grams: Bojanowski et al. 2017, arXiv 1607.04606, section 3.2; one table for several
hashes: Svenstrup et al. 2017, arXiv 1709.03933; at a network's input: Huang et al. 2025, arXiv 2501.16975).
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from engine.config import ModelConfig
from engine.randomness import kept

# A linear congruential step for each token (Knuth's MMIX) and a last multiplication, all in 64 bits that overflow: the
# same in torch and NumPy.
_STEP, _MIX = 6364136223846793005, -7046029254386353131

Whole = TypeVar("Whole", Tensor, npt.NDArray[np.int64])


class Grams(nn.Module):
    """Vectors of `gram_size` for the runs of 2 to `grams` tokens that end at each token.

    `codes` (V,) is what stands for each token in the hash, from 1 on; 0 stands for no token, before the text. They are
    kept with the weights: a vocabulary that grows gives its known tokens other ids, and their runs the same rows.
    """

    weight: nn.Parameter
    codes: Tensor

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.longest, self.rows, self.dropout = config.grams, config.gram_rows, config.gram_dropout
        self.weight = nn.Parameter(torch.empty(config.gram_rows, config.gram_size))
        self.register_buffer("codes", torch.empty(vocab_size, dtype=torch.int64))

    @torch.no_grad()
    def initialise(self) -> None:
        """Let no run mean anything yet; codes are ids and one."""
        self.weight.zero_()
        self.codes.copy_(torch.arange(1, len(self.codes) + 1))

    def before(self, lanes: int) -> Tensor:
        """What was read before a text begins: nothing, (B, longest - 1) of zeros."""
        return torch.zeros(lanes, self.longest - 1, dtype=torch.int64, device=self.codes.device)

    def forward(
        self, tokens: Tensor, before: Tensor, rng: Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Vectors (T, B, gram_size) for `tokens` (T, B), and what will have been read `before` the next ones.

        `rng`, if given, draws which runs are left out, `gram_dropout` of them.
        """
        seen = torch.cat([before.t(), self.codes[tokens]])  # (longest - 1 + T, B)
        rows = torch.stack(rows_of(seen, self.longest, self.rows))  # (longest - 1, T, B)
        vectors = F.embedding(rows, self.weight)
        if rng is not None and self.dropout:
            mask = kept(rows.shape, self.dropout, rng, device=vectors.device, dtype=vectors.dtype)
            vectors = vectors * mask.unsqueeze(-1)
        return vectors.sum(dim=0), seen[-(self.longest - 1) :].t().contiguous()


def rows_of(seen: Tensor, longest: int, rows: int) -> list[Tensor]:
    """In which of so many rows the runs of 2, 3 ... `longest` tokens lie that end at each token but the first few.

    `seen` (longest - 1 + T, B) are codes; (T, B) for each length.
    """
    length = len(seen) - (longest - 1)
    mixed = seen[longest - 1 :]
    found = []
    for back in range(1, longest):
        start = longest - 1 - back
        mixed = mixed * _STEP + seen[start : start + length]
        found.append(_row(mixed, rows))
    return found


def rows_of_last(seen: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    """The same for the last of the tokens `seen` (B, longest) alone, of all lengths at once: (B, longest - 1)."""
    return _row(seen @ _steps(seen.shape[1]), rows)


@cache
def _steps(longest: int) -> npt.NDArray[np.int64]:
    """What each of the last tokens (longest, longest - 1) is multiplied by in the runs of 2, 3 ... `longest`."""
    steps = np.zeros((longest, longest - 1), np.uint64)
    for run in range(2, longest + 1):
        for back in range(run):
            steps[longest - 1 - back, run - 2] = pow(_STEP, run - 1 - back, 1 << 64)
    return steps.astype(np.int64)


def _row(mixed: Whole, rows: int) -> Whole:
    return (((mixed ^ (mixed >> 29)) * _MIX) >> 32 & 0x7FFFFFFF) % rows
