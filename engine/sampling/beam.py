"""Beam search: the likeliest texts that can be found while only a few are kept in sight.

What it finds is likely, not lively: a model's likeliest texts repeat themselves. Sampling is for reading, this is for
asking what a model is surest of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from engine.model import Model
from engine.sampling.prime import read


@dataclass(frozen=True, slots=True)
class Beam:
    """A text of tokens and its surprise under the model, summed over them."""

    tokens: tuple[int, ...]
    nats: float


@torch.inference_mode()
def beam_search(
    model: Model,
    prime: npt.NDArray[np.integer],
    *,
    width: int,
    ended: Callable[[tuple[int, ...]], bool],
    never: int | None = None,
) -> list[Beam]:
    """At most `width` continuations of `prime` (N,), at least one token, the likeliest first.

    At each step every open text is followed by every token, and the `width` likeliest of all texts, ended ones among
    them, stay. `ended` says of a text whether it is complete; the search is over when all are. Of equals, the one with
    the lower token ids stays. `never` is a token that no text may hold. Only with a width of all possible texts is the
    likeliest certain to be found.
    """
    state = read(model, prime[:-1], model.initial_state(1))
    last = torch.tensor([int(prime[-1])])
    beams = [Beam((), 0.0)]
    while open_ := [(i, beam) for i, beam in enumerate(beams) if not ended(beam.tokens)]:
        logits, state = model.step(last.to(model.device), state)
        logp = logits.cpu().double().log_softmax(dim=-1)  # (open, V)
        if never is not None:
            logp[:, never] = -torch.inf
        likeliest = logp.sort(dim=-1, descending=True, stable=True)
        best = zip(
            likeliest.values[:, :width].tolist(), likeliest.indices[:, :width].tolist(), strict=True
        )
        # Each candidate with the row that it came from; ended texts have none.
        pool = [(beam, -1) for beam in beams if ended(beam.tokens)]
        for row, ((_, beam), (values, ids)) in enumerate(zip(open_, best, strict=True)):
            pool += [
                (Beam((*beam.tokens, token), beam.nats - value), row)
                for value, token in zip(values, ids, strict=True)
                if value > -torch.inf
            ]
        pool.sort(key=lambda found: (found[0].nats, found[0].tokens))
        kept = pool[:width]
        beams = [beam for beam, _ in kept]
        going_on = [(beam, row) for beam, row in kept if not ended(beam.tokens)]
        rows = torch.tensor([row for _, row in going_on], dtype=torch.int64, device=model.device)
        state = tuple(tuple(part[rows] for part in layer) for layer in state)
        last = torch.tensor([beam.tokens[-1] for beam, _ in going_on], dtype=torch.int64)
    return beams
