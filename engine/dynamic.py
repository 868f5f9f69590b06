"""Dynamic evaluation: a model that goes on learning from the text while it is measured on it.

Krause et al. 2018 (arXiv 1709.07432), in its plain form: the text is read once, in short segments; each is scored
first, and then one step of gradient descent on its loss moves the weights, so that no token is ever predicted by
weights that have seen it. What it says is how well model and method adapt: not to be compared with the figure of a
model that stands still, so that the protocol always names it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from checkpoints.errors import CorpusError
from engine import carried
from engine.evaluation import Evaluation
from engine.ids import Tokens
from engine.model import Model
from engine.sampling.prime import read

SEGMENT = 32
RATE = 0.1
# Of each segment's gradient: one odd line must not undo what training found.
MOST_NORM = 1.0


def evaluate_dynamic(
    model: Model,
    tokens: Tokens,
    *,
    chars: int,
    before: Sequence[int] | Tokens,
    documents: bool,
    words: int = 0,
    rate: float = RATE,
) -> Evaluation:
    """The surprise of `tokens` (N,) for a copy of the model that learns from each segment after it was scored.

    The state is carried from the beginning to the end, or, with `documents`, set to zero behind each document's end,
    which is the last of `before`. The model itself stays as it is. Raises CorpusError if there is no text.
    """
    began = time.perf_counter()
    if not len(tokens) or not chars:
        raise CorpusError("there is no text to evaluate", hint="give a file that holds some")
    # `to` lays the copy's weights out in one block again, as cuDNN wants them.
    learner = copy.deepcopy(model).to(model.device).requires_grad_(True)
    fresh = learner.initial_state(1)
    last = int(before[-1])
    state = fresh if documents else _plain(read(learner, np.asarray(before[:-1], np.int64), fresh))
    nats = 0.0
    for start, stop in _segments(tokens, end=last if documents else None):
        piece = torch.from_numpy(np.asarray(tokens[start:stop], np.int64)).to(learner.device)
        inputs = torch.cat([piece.new_tensor([last]), piece[:-1]]).unsqueeze(1)  # (T, 1)
        logits, after = learner(inputs, state)
        loss = F.cross_entropy(logits.squeeze(1).float(), piece, reduction="sum")
        nats += float(loss.detach())
        _step(learner, loss / len(piece), rate)
        last = int(tokens[stop - 1])
        ended = documents and last == int(before[-1])
        state = fresh if ended else carried.detach(after)
    return Evaluation.of(
        nats,
        chars=chars,
        tokens=len(tokens),
        words=words,
        protocol=f"{'documents' if documents else 'carried'}, dynamic: learns at {rate:g} every {SEGMENT} tokens",
        seconds=time.perf_counter() - began,
    )


def _step(model: nn.Module, loss: torch.Tensor, rate: float) -> None:
    """One clipped step down the loss."""
    weights = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, weights)
    share = (MOST_NORM / (nn.utils.get_total_norm(gradients) + 1e-6)).clamp(max=1.0) * rate
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(gradient * share)


def _segments(tokens: Tokens, *, end: int | None) -> Iterator[tuple[int, int]]:
    """Where segments start and stop: every SEGMENT tokens, and behind each `end`."""
    start = 0
    while start < len(tokens):
        stop = min(start + SEGMENT, len(tokens))
        if end is not None:
            ends = np.flatnonzero(np.asarray(tokens[start:stop]) == end)
            stop = start + int(ends[0]) + 1 if len(ends) else stop
        yield start, stop
        start = stop


def _plain(state: carried.State) -> carried.State:
    """The same state for use in training, which refuses what inference mode made."""
    return tuple(tuple(part.clone() for part in layer) for layer in state)
