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

from engine.model import Model, no_number
from engine.sampling.prime import prime_ids, read
from engine.sampling.stream import Request, Sample, Stream
from engine.tokenizers.base import Tokenizer


@dataclass(frozen=True, slots=True)
class Beam:
    """A text of tokens, the surprise of each under the model, and whether it is complete."""

    tokens: tuple[int, ...] = ()
    nats_each: tuple[float, ...] = ()
    ended: bool = False

    @property
    def nats(self) -> float:
        return sum(self.nats_each)


def write_likeliest(
    model: Model, tokenizer: Tokenizer, request: Request, *, width: int, documents: bool
) -> list[Sample]:
    """The `width` likeliest texts that beam search finds for a request, which must have a length, the likeliest first.

    The request's seed and config do not matter; its prime, length and stop text do, as in sampling.
    """

    def written(tokens: tuple[int, ...], nats_each: tuple[float, ...], index: int = 0) -> Stream:
        stream = Stream(index, request, tokenizer)
        stream.push(tokens, nats_each)
        return stream

    beams = beam_search(
        model,
        prime_ids(tokenizer, request.prime, documents=documents),
        width=width,
        ended=lambda tokens: written(tokens, (0.0,) * len(tokens)).sample is not None,
        never=None if documents else tokenizer.document_end,
    )
    streams = [written(beam.tokens, beam.nats_each, i) for i, beam in enumerate(beams)]
    return [stream.sample for stream in streams if stream.sample is not None]


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

    Raises CheckpointError where the model computes no number.
    """
    state = read(model, prime[:-1], model.initial_state(1))
    last = torch.tensor([int(prime[-1])])
    beams = [Beam()]
    while open_ := [beam for beam in beams if not beam.ended]:
        logits, state = model.step(last.to(model.device), state)
        logp = logits.cpu().double().log_softmax(dim=-1)  # (open, V)
        if logp.isnan().any():
            raise no_number()
        if never is not None:
            logp[:, never] = -torch.inf
        likeliest = logp.sort(dim=-1, descending=True, stable=True)
        values, ids = likeliest.values[:, :width].tolist(), likeliest.indices[:, :width].tolist()
        # Nats, tokens, and the beam and row that a candidate comes from; an ended text stands for itself.
        pool = [(beam.nats, beam.tokens, beam, -1) for beam in beams if beam.ended]
        for row, beam in enumerate(open_):
            pool += [
                (beam.nats - value, (*beam.tokens, token), beam, row)
                for value, token in zip(values[row], ids[row], strict=True)
                if value > -torch.inf
            ]
        pool.sort(key=lambda candidate: candidate[:2])
        beams, rows = [], []
        for nats, tokens, beam, row in pool[:width]:
            if row >= 0:
                beam = Beam(tokens, (*beam.nats_each, nats - beam.nats), ended(tokens))
                rows += [] if beam.ended else [row]
            beams.append(beam)
        state = tuple(tuple(part[rows] for part in layer) for layer in state)
        last = torch.tensor([beam.tokens[-1] for beam in beams if not beam.ended])
    return beams
