"""What the network has read before it writes or is measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from engine.carried import State
from engine.model import Model
from engine.tokenizers.base import Tokenizer

CHUNK = 256
"""Tokens that are read at once, so that memory does not grow with the text (measured: no faster beyond)."""
MOST_SAID = 8
"""Characters of a prime that are named."""


def familiar(tokenizer: Tokenizer, prime: str) -> tuple[str, list[str]]:
    """The prime as the model reads it, and what a person should know of that: characters that it never saw."""
    text, replaced = tokenizer.familiar(prime)
    notes = []
    if replaced:
        pairs = ", ".join(
            f"{other!r} for {char!r}" for char, other in [*replaced.items()][:MOST_SAID]
        )
        more = ", …" * (len(replaced) > MOST_SAID)
        notes.append(f"the prime is read with {pairs}{more}: nearest known")
    if odd := tokenizer.unseen(text):
        shown = " ".join(map(repr, odd[:MOST_SAID])) + " …" * (len(odd) > MOST_SAID)
        notes.append(f"the model never saw {shown}: it reads them as bytes, and may go astray")
    return text, notes


def prime_ids(tokenizer: Tokenizer, prime: str, *, documents: bool) -> npt.NDArray[np.int64]:
    """The tokens (N,), at least one, that stand before a text that goes on from `prime`.

    A model of documents read each of them from the document-end token on (as in training); one long text has no
    beginning, so that an empty prime becomes a line's: a newline.
    """
    ids = tokenizer.encode(prime if prime or documents else "\n").astype(np.int64)
    return np.concatenate([[tokenizer.document_end], ids]) if documents else ids


@torch.inference_mode()
def read(model: Model, ids: npt.NDArray[np.integer], state: State) -> State:
    """The state of one lane after reading `ids` (N,), any number of them."""
    for start in range(0, len(ids), CHUNK):
        chunk = torch.from_numpy(ids[start : start + CHUNK].astype(np.int64))
        _, state = model(chunk.to(model.device).unsqueeze(1), state)  # (T, 1)
    return state
