"""What the lowest layer reads: tokens, each with a vector, and what else is known of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Inputs(NamedTuple):
    """A window of T steps and B lanes, its vectors not looked up yet."""

    tokens: Tensor
    """(T, B), whole numbers."""
    vocab_size: int
    vectors: Tensor | None
    """(V, E); None: a token is one number of V that is 1."""
    beside: Tensor
    """What else is known of each token, (T, B, G); G may be 0."""

    def dense(self) -> Tensor:
        """The layer's inputs x, (T, B, E + G)."""
        if self.vectors is not None:
            x = F.embedding(self.tokens, self.vectors)
        else:
            x = F.one_hot(self.tokens.long(), self.vocab_size).to(self.beside.dtype)
        return torch.cat([x, self.beside], dim=-1) if self.beside.shape[-1] else x

    def table(self, w_x: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """What each token adds to a layer's sums, (V, sums), and what is left of W_x (sums, E + G) for `beside`.

        Tokens repeat: a row looked up costs less than its product, and so does the way back.

        Raises IndexError where a token is not of the vocabulary, as whoever reads the table may not look.
        """
        lowest, highest = (int(end) for end in self.tokens.aminmax())
        if lowest < 0 or highest >= self.vocab_size:
            raise IndexError(f"tokens {lowest} to {highest} in a vocabulary of {self.vocab_size}")
        size = self.vocab_size if self.vectors is None else self.vectors.shape[1]
        of_tokens, rest = w_x[:, :size], w_x[:, size:]
        known = of_tokens.T + b if self.vectors is None else F.linear(self.vectors, of_tokens, b)
        return known, rest
