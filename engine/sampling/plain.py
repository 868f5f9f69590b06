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
    never: npt.NDArray[np.int64],
    uniform: Sequence[float],
) -> tuple[list[int], list[float]] | None:
    """The next token of each row of `logits` (B, V) and its surprise in nats, as `filters.next_tokens` has them.

    The tokens `never` do not come. None where a row has no number left to draw by: what is no number in it, or a
    temperature so low that all that may come is 0 beside what may not.
    """
    logp: Doubles = logits.astype(np.float64)
    with np.errstate(invalid="ignore"):  # what is no number is told below
        logp -= logp.max(axis=1, keepdims=True)
    weight = np.exp(logp)
    total = weight.sum(axis=1)
    if temperature != 1:
        weight = np.exp(logp / temperature)
    if never.size:
        weight[:, never] = 0
    reached = weight.cumsum(axis=1)
    last = reached[:, -1]
    if not (last > 0).all():
        return None
    # The first token whose sum lies above the mark, as in `filters.draw`.
    tokens = (reached <= (last * uniform)[:, None]).sum(axis=1)
    nats = np.log(total) - logp[np.arange(len(tokens)), tokens]
    return tokens.tolist(), nats.tolist()
