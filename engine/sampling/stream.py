"""One text being written: from drawn tokens to pieces of text that are certain, and when it ends."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from checkpoints.errors import ConfigError
from engine.config import MAX_SEED, SampleConfig, check_seed
from engine.sampling.bars import BarGuard, BarMasks
from engine.sampling.filters import REPETITION_WINDOW
from engine.tokenizers.base import Tokenizer

_UNIFORMS = 128  # numbers drawn at once from a text's generator
# A character takes at most 8 tokens (4 bytes of 2 nibbles each) and perhaps one that switches to spelling. A model
# that has not learned to spell could otherwise go on for ever without finishing a character.
_TOKENS_PER_CHAR = 16

Reason = Literal["length", "stop", "document end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One text to write."""

    seed: int
    prime: str = ""
    """What the text goes on from; empty starts a document or, in one long text, a line."""
    config: SampleConfig = field(default_factory=SampleConfig)
    length: int = 400
    """Characters; 0 writes until the document ends, `stop` appears or the caller closes the stream."""
    stop: str = ""
    """Ends the text where this would appear, which is then not part of it; empty: nothing does."""
    bars_exact: bool = False
    """Of tunes, with the tokenizer `abc`: never go on with what would break a bar's length."""
    keep_text: bool = True
    """Whether the finished sample holds its text, or only the pieces did (so that endless texts take no memory)."""

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.length < 0:
            raise ConfigError(f"length is {self.length}", hint="use 0 (no limit) or more")

    def copies(self, count: int) -> list[Request]:
        """`count` requests with the seeds `seed`, `seed + 1` and so on (0 follows the largest)."""
        return [replace(self, seed=(self.seed + i) % (MAX_SEED + 1)) for i in range(count)]


@dataclass(slots=True)  # not frozen, which would take twice as long for each token
class Piece:
    """More text of the request at `index`."""

    index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A finished text and what reproduces it, together with the checkpoint."""

    index: int
    request: Request
    text: str
    """Without the prime; empty unless the request keeps it."""
    reason: Reason
    """Why it ended."""
    chars: int
    """Of the text, whether kept or not."""
    tokens: int
    """Tokens drawn: those of the stop text and a document's end too."""
    nats: float
    """Surprise of the tokens drawn under the model itself, before any filter or temperature."""
    nats_per_char: float | None
    """The same for each character that those tokens make; None if they make none."""


class Stream:
    """The bookkeeping of one text. It knows nothing of the model: it is told the tokens that were drawn."""

    def __init__(
        self, index: int, request: Request, tokenizer: Tokenizer, masks: BarMasks | None = None
    ) -> None:
        self.index = index
        self.request = request
        self.recent: deque[int] = deque([-1] * REPETITION_WINDOW, maxlen=REPETITION_WINDOW)
        self.sample: Sample | None = None
        """The finished sample, once there is one."""
        self.guard: BarGuard | None = None
        if request.bars_exact:
            self.guard = BarGuard(masks or BarMasks(tokenizer), request.prime)
        self._document_end = tokenizer.document_end
        length, self._stop, self._keeps = request.length, request.stop, request.keep_text
        self._most_chars = length or math.inf
        self._most_tokens = _TOKENS_PER_CHAR * (length + _TOKENS_PER_CHAR) if length else math.inf
        self._decoder = tokenizer.decoder()
        self._rng = torch.Generator().manual_seed(request.seed)
        self._uniforms: list[float] = []
        self._held = ""  # could still turn out to be the beginning of the stop text
        self._kept: list[str] = []
        self._given = self._drawn = self._tokens = 0  # characters given out and drawn, tokens drawn
        self._nats = 0.0

    @property
    def left(self) -> float:
        """Characters until the text is as long as it was asked to be, and at least 1; infinite if there is no limit."""
        return max(1, self._most_chars - self._drawn)

    def uniforms(self, count: int) -> list[float]:
        """The next so many numbers in [0, 1) of this text's own generator."""
        while len(self._uniforms) < count:
            more = torch.rand(_UNIFORMS, generator=self._rng, dtype=torch.float64)
            self._uniforms += more.tolist()
        taken, self._uniforms = self._uniforms[:count], self._uniforms[count:]
        return taken

    def push(self, tokens: Sequence[int], nats: Sequence[float]) -> str:
        """Take the next tokens and their surprises, but those after the text's end; gives the text that became certain.

        That may be none.
        """
        texts = [*map(self._decoder.push, tokens)]
        together = "".join(texts)
        self.recent.extend(tokens)
        if self.guard is not None:
            for token in tokens:
                self.guard.push(token)
        if (
            self._stop
            or self._drawn + len(together) >= self._most_chars
            or self._tokens + len(tokens) >= self._most_tokens
            or self._document_end in tokens
        ):
            return self._push_one_by_one(tokens, texts, nats)
        # Nothing can end here and nothing is held: the usual tokens, spared the questions.
        self._tokens += len(tokens)
        # In turn, so that the sum has the same bits however many come at once.
        for surprise in nats:
            self._nats += surprise
        self._drawn += len(together)
        self._given = self._drawn
        if self._keeps:
            self._kept.append(together)
        return together

    def _push_one_by_one(
        self, tokens: Sequence[int], texts: Sequence[str], nats: Sequence[float]
    ) -> str:
        given = []
        for token, text, surprise in zip(tokens, texts, nats, strict=True):
            self._tokens += 1
            self._nats += surprise
            self._drawn += len(text)
            self._held += text
            given.append(self._release(ended=token == self._document_end))
            if self.sample is not None:
                break
        return "".join(given)

    def _release(self, *, ended: bool) -> str:
        stop = self._stop
        left = self._most_chars - self._given
        found = self._held.find(stop) if stop else -1
        reason: Reason | None = None
        if 0 <= found <= left:
            out, reason = self._held[:found], "stop"
        elif len(self._held) >= left:
            out, reason = self._held[: int(left)], "length"
        elif ended:
            out, reason = self._held, "document end"
        elif self._tokens >= self._most_tokens:
            out, reason = self._held, "length"
        else:
            out = self._held[: len(self._held) - _overlap(self._held, stop)]
        self._held = self._held[len(out) :]
        self._given += len(out)
        if self._keeps:
            self._kept.append(out)
        if reason:
            self.sample = self._finished(reason)
        return out

    def _finished(self, reason: Reason) -> Sample:
        return Sample(
            index=self.index,
            request=self.request,
            text="".join(self._kept),
            reason=reason,
            chars=self._given,
            tokens=self._tokens,
            nats=self._nats,
            nats_per_char=self._nats / self._drawn if self._drawn else None,
        )


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are a beginning of `stop`."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if text.endswith(stop[:n])), 0)
