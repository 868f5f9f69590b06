"""What most texts are drawn with, temperature alone, in NumPy: `filters` says the same in three times as many calls.

Of one text a network's step takes less time than torch takes to begin as many small functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from engine.config import SampleConfig

Doubles = npt.NDArray[np.float64]


@lru_cache(maxsize=16)  # asked for each token
def serves(config: SampleConfig) -> bool:
    """Whether these settings have no filter but a temperature above 0."""
    return config.temperature > 0 and config == SampleConfig(
        weights=config.weights, temperature=config.temperature
    )


def draw(
    logits: npt.NDArray[np.float32],
    temperature: float,
    never: int | None,
    uniform: Sequence[float],
) -> tuple[list[int], list[float]] | None:
    """The next token of each row of `logits` (B, V) and its surprise in nats, as `filters.next_tokens` has them.

    The token `never` does not come. None where a row holds what is no number.
    """
    scores: Doubles = logits.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number is told below
        if never is not None:
            banned = scores[:, never].copy()
            scores[:, never] = -np.inf
        peak = scores.max(axis=1)
        scores -= peak[:, None]  # the likeliest has 0: no temperature, however low, leaves nothing
        weight = np.exp(scores)
        log_total = np.log(weight.sum(axis=1))
        if never is not None:
            log_total = np.logaddexp(log_total, banned - peak)
        if temperature != 1:
            weight = np.exp(scores / temperature)
    reached = weight.cumsum(axis=1)
    last = reached[:, -1]
    if not (last > 0).all():
        return None
    # The first token whose sum lies above the mark, as in `filters.draw`.
    tokens = (reached <= (last * uniform)[:, None]).sum(axis=1)
    nats = log_total - scores[np.arange(len(tokens)), tokens]
    return tokens.tolist(), nats.tolist()
