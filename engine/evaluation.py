"""How well a model knows a text: nats per token and per character, always under a named protocol.

=====================  ================================================================================================
``carried``            one pass from a state of zero to the end, the state carried all the way: the exact figure
``carried, N lanes``   N parts of equal length side by side, each from a state of zero: faster, a little pessimistic
``windows of N``       parts of N tokens, each from a state of zero, as nanoGPT and its like measure
``documents``          every document from a state of zero, its end counted as a token: for models of documents
=====================  ================================================================================================

Every token counts exactly once, the first too: it is predicted from what stands before the text (`prime_ids`).
Nothing is drawn, and neither the model nor any generator changes.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from checkpoints.errors import CorpusError
from engine import readers
from engine.ids import IGNORE, Tokens
from engine.model import Model
from engine.readers import Begin, Reader
from engine.sampling.prime import CHUNK, prime_ids, read
from engine.tokenizers.base import Tokenizer

Protocol = Literal["carried", "windows", "documents"]

WINDOW = 256
_BATCH = 64  # windows or documents read side by side
_MOST_LOGITS = (
    1 << 24
)  # numbers held at once: 64 MiB, so that a vocabulary of 20,000 does not take gigabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Figures of one text. Perplexities are per token and per word (between white space; None without any)."""

    nats_per_token: float
    nats_per_char: float
    bits_per_char: float
    perplexity_per_token: float
    perplexity_per_word: float | None
    chars: int
    tokens: int
    protocol: str
    seconds: float

    def on(self, split: str) -> Evaluation:
        """The same, stamped with how its text was held out where that is not ours: no such figures compare."""
        return (
            self if split == "tail" else replace(self, protocol=f"{self.protocol}, {split} split")
        )

    @classmethod
    def of(
        cls, nats: float, *, chars: int, tokens: int, words: int, protocol: str, seconds: float
    ) -> Evaluation:
        """All figures, from the summed surprise of `tokens` tokens that stand for `chars` characters."""
        return cls(
            nats_per_token=nats / tokens,
            nats_per_char=nats / chars,
            bits_per_char=nats / chars / math.log(2),
            perplexity_per_token=_exp(nats / tokens),
            perplexity_per_word=_exp(nats / words) if words else None,
            chars=chars,
            tokens=tokens,
            protocol=protocol,
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class _Row:
    """A part of the text that one lane reads: tokens start to stop, and the token read before them."""

    start: int
    stop: int
    before: int


def evaluate(
    model: Model,
    tokens: Tokens,
    *,
    chars: int,
    before: Sequence[int] | Tokens,
    protocol: Protocol = "carried",
    lanes: int = 1,
    words: int = 0,
    rounded: bool = False,
) -> Evaluation:
    """The surprise of `tokens` (N,), perhaps memory-mapped, read in bounded memory.

    `chars` and `words` are those of the text that the tokens stand for. `before` (at least one token) is read before
    the text: what `prime_ids` gives. Under `documents` it is the document-end token alone, and each one in `tokens`
    ends a document. `lanes` is for `carried` only. `rounded` reads by weights in int8, where `rounding_pays`.

    Raises CorpusError if there is no text.
    """
    began = time.perf_counter()
    n = len(tokens)
    if not n or not chars:
        raise CorpusError("there is no text to evaluate", hint="give a file that holds some")
    last = int(before[-1])
    begin = readers.rounded(model) if rounded else readers.exact(model)
    if protocol == "documents":
        rows = _documents(tokens, document_end=last)
        nats = _in_batches(model, begin, tokens, rows)
        name = "documents"
    elif protocol == "windows":
        rows = [_part(tokens, start, start + WINDOW, last) for start in range(0, n, WINDOW)]
        nats = _in_batches(model, begin, tokens, rows)
        name = f"windows of {WINDOW}"
    else:
        lanes = max(1, min(lanes, n))
        bounds = [lane * n // lanes for lane in range(lanes + 1)]
        rows = [_part(tokens, a, b, last) for a, b in itertools.pairwise(bounds)]
        state = model.initial_state(lanes)
        if lanes == 1:
            state = read(model, np.asarray(before[:-1], np.int64), state)
        nats = _nats(begin(state), tokens, rows, vocab_size=model.vocab_size)
        name = "carried" if lanes == 1 else f"carried, {lanes} lanes"
    return Evaluation.of(
        nats,
        chars=chars,
        tokens=n,
        words=words,
        protocol=name,
        seconds=time.perf_counter() - began,
    )


def score(
    model: Model, tokenizer: Tokenizer, text: str, *, documents: bool, prime: str = ""
) -> Evaluation:
    """How surprising `text` is after `prime`: the likelihood that the sampler reports for a text it wrote."""
    return evaluate(
        model,
        tokenizer.encode(text),
        chars=len(text),
        words=len(text.split()),
        before=prime_ids(tokenizer, prime, documents=documents),
    )


def chars_and_words(tokenizer: Tokenizer, tokens: Tokens) -> tuple[int, int]:
    """How many characters and words (between white space) `tokens` (N,) stand for, in bounded memory."""
    decoder = tokenizer.decoder()
    chars = words = 0
    inside = False  # of a word
    for start in range(0, len(tokens) + 1, 1 << 16):
        chunk = tokens[start : start + (1 << 16)].tolist()
        text = "".join(map(decoder.push, chunk))
        if len(chunk) < 1 << 16:
            text += decoder.flush()
        chars += len(text)
        words += len(text.split()) - (inside and bool(text) and not text[0].isspace())
        inside = not text[-1].isspace() if text else inside
    return chars, words


def _part(tokens: Tokens, start: int, stop: int, before: int) -> _Row:
    return _Row(start, min(stop, len(tokens)), int(tokens[start - 1]) if start else before)


def _documents(tokens: Tokens, *, document_end: int) -> list[_Row]:
    """A row for each document, the shortest first, so that few places are padding."""
    ends = np.flatnonzero(tokens[:] == document_end) + 1
    bounds = np.unique(np.concatenate([[0], ends, [len(tokens)]])).tolist()
    rows = [_Row(a, b, document_end) for a, b in itertools.pairwise(bounds)]
    return sorted(rows, key=lambda row: row.stop - row.start)


def _in_batches(model: Model, begin: Begin, tokens: Tokens, rows: list[_Row]) -> float:
    batches = (rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH))
    return math.fsum(
        _nats(begin(model.initial_state(len(batch))), tokens, batch, vocab_size=model.vocab_size)
        for batch in batches
    )


def _nats(reader: Reader, tokens: Tokens, rows: list[_Row], *, vocab_size: int) -> float:
    """The summed surprise of all rows, which the reader reads side by side, a chunk of time at a time."""
    longest = max(row.stop - row.start for row in rows)
    chunk = max(1, min(CHUNK, _MOST_LOGITS // (len(rows) * vocab_size)))
    total = 0.0
    for t in range(0, longest, chunk):
        shape = (min(chunk, longest - t), len(rows))
        inputs, targets = np.zeros(shape, np.int64), np.full(shape, IGNORE, np.int64)
        for lane, row in enumerate(rows):
            start = row.start + t
            piece = tokens[start : min(start + chunk, row.stop)]
            if len(piece):
                targets[: len(piece), lane] = piece
                inputs[0, lane] = tokens[start - 1] if t else row.before
                inputs[1 : len(piece), lane] = piece[:-1]
        total += reader(inputs, targets)
    return total


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf
