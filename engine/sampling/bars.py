"""`--bars-exact`: of a text's next tokens, which would break the length of the bar that is being written.

`corpora.abc.filling` says for each character whether bars can still come out; a token may come if all its characters
may, so models of every tokenizer are held to it. Where no token may come (it does not happen in tunes), all may.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from corpora.abc.filling import may_end, step
from corpora.abc.filling_state import MAX_IDLE, State
from engine.tokenizers.base import Tokenizer

KEPT = 20_000
"""Masks that are remembered: a tune meets some hundred states, and mostly those of other tunes."""


class BarMasks:
    """A vocabulary's masks, one for each state that was met: shared by all texts of a sampler."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.texts = [tokenizer.decode([i]) for i in range(tokenizer.vocab_size)]
        self.document_end = tokenizer.document_end
        self._by_first: dict[str, list[int]] = defaultdict(list)
        for i, text in enumerate(self.texts):
            if text:
                self._by_first[text[0]].append(i)
        self._masks: dict[State, Tensor | None] = {}

    def forbidden(self, state: State) -> Tensor | None:
        """Which tokens (V,) must not come next; None if any may."""
        if state.mode in ("lost", "field") or (state.mode == "header" and len(state.line) > 1):
            return None
        if state.idle < MAX_IDLE // 2:
            state = state._replace(idle=0)  # no token is so long that it would matter
        if state not in self._masks:
            if len(self._masks) >= KEPT:
                self._masks.clear()
            self._masks[state] = self._mask(state)
        return self._masks[state]

    def _mask(self, state: State) -> Tensor | None:
        mask = torch.ones(len(self.texts), dtype=torch.bool)
        mask[self.document_end] = not may_end(state)
        for first, ids in self._by_first.items():
            after = step(state, first)
            if after is not None:
                allowed = [i for i in ids if _through(after, self.texts[i][1:])]
                mask[allowed] = False
        return None if bool(mask.all()) else mask


def _through(state: State | None, text: str) -> bool:
    for character in text:
        if state is None:
            return False
        state = step(state, character)
    return state is not None


class BarGuard:
    """Follows one text, which begins with a prime, token by token."""

    def __init__(self, masks: BarMasks, prime: str) -> None:
        self._masks = masks
        self._state = State()
        self._follow(prime)

    def forbidden(self) -> Tensor | None:
        """Which tokens (V,) must not come next; None if any may."""
        return self._masks.forbidden(self._state)

    def push(self, token: int) -> None:
        """The token that was drawn."""
        self._follow(self._masks.texts[token])

    def _follow(self, text: str) -> None:
        for character in text:
            # What a prime broke is broken: the guard is off until the next tune.
            self._state = step(self._state, character) or State(mode="lost")
