"""Writing text: many streams, each drawn from the model token by token and given out as soon as it is certain.

What a seed writes depends on the model, the prime and the settings alone, never on what is written beside it:

- every text draws from its own generator, one number a token (`filters.draw`);
- the model always computes `lanes` rows at once, padded where fewer texts are left, because a row computed in a
  product of another shape may differ in its last bit, and one bit can become another word later.

On the CPU `lanes` is 1: each text is then computed all by itself (`packed.py`), and a single one, the common case, is
fastest. In products of more rows all texts together would be written faster, but one alone four to eight times slower.

On an accelerator a step takes about the same time for 1 text and for 64, so `lanes` is 64 there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from checkpoints.errors import RnnStudioError
from engine.config import SampleConfig
from engine.model import Model
from engine.sampling import filters, packed
from engine.sampling.bars import BarMasks
from engine.sampling.prime import prime_ids, read
from engine.sampling.stream import Piece, Request, Sample, Stream
from engine.state import State
from engine.tokenizers.base import Tokenizer

ACCELERATOR_LANES = 64

Items = list[Piece | Sample]


class Sampler:
    """Writes with a model, which it leaves as it is. Every text starts from a state of zero.

    `documents` says that the model was trained on documents: their end ends a text. A model of one long text has never
    seen that token and never writes it. Other tokens that training never saw (spelled bytes, for instance) keep the
    small probability that the model gives them.

    `lanes` 0 takes what suits the device. Another number means other roundings, and so perhaps another text.
    """

    def __init__(
        self, model: Model, tokenizer: Tokenizer, *, documents: bool, lanes: int = 0
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.documents = documents
        on_cpu = model.device.type == "cpu"
        self.lanes = lanes or (1 if on_cpu else ACCELERATOR_LANES)
        self._one_by_one = on_cpu and self.lanes == 1
        self._packed: dict[packed.Arithmetic, packed.Packed] = {}
        self._masks: BarMasks | None = None
        self._allowed = torch.zeros(model.vocab_size, dtype=torch.float64)
        if not documents:
            self._allowed[tokenizer.document_end] = -math.inf

    def write(self, requests: Sequence[Request]) -> list[Sample]:
        """The finished samples, in the order of the requests."""
        found = [item for item in self.stream(requests) if isinstance(item, Sample)]
        return sorted(found, key=lambda sample: sample.index)

    def stream(
        self, requests: Sequence[Request], *, side_by_side: bool = False
    ) -> Iterator[Piece | Sample]:
        """Pieces of text as they become certain, and each sample when it is finished.

        Texts come one after the other, `lanes` at a time; with `side_by_side` all of them grow together. Close the
        iterator to stop. Raises RnnStudioError if what the model computes is no number.
        """
        # One distribution a step for all rows of a batch: its texts share their settings.
        alike: dict[SampleConfig, list[tuple[int, Request]]] = {}
        for index, request in enumerate(requests):
            alike.setdefault(request.config, []).append((index, request))
        batches = [
            same[i : i + self.lanes]
            for same in alike.values()
            for i in range(0, len(same), self.lanes)
        ]
        batches.sort(key=lambda batch: batch[0][0])
        primes: dict[str, tuple[State, int]] = {}
        running = [self._run(batch, primes) for batch in batches]
        if not side_by_side:
            for steps in running:
                for items in steps:
                    yield from items
        while side_by_side and running:
            alive = []
            for steps in running:
                found = next(steps, None)
                if found is not None:
                    yield from found
                    alive.append(steps)
            running = alive

    def _run(
        self, batch: list[tuple[int, Request]], primes: dict[str, tuple[State, int]]
    ) -> Iterator[Items]:
        """Write up to `lanes` texts of the same settings; what each step gave."""
        exact = any(request.bars_exact for _, request in batch)
        if exact and self._masks is None:
            self._masks = BarMasks(self.tokenizer)
        streams = [Stream(index, request, self.tokenizer, self._masks) for index, request in batch]
        config = streams[0].request.config
        begun = [self._begin(s.request.prime, primes) for s in streams]
        begun += begun[:1] * (self.lanes - len(begun))  # padding
        network = self._network([state for state, _ in begun], config)
        tokens = torch.tensor([token for _, token in begun])
        rows: list[Stream | None] = [*streams, *[None] * (self.lanes - len(streams))]
        while any(rows):
            tokens, nats = self._draw(network(tokens), config, rows)
            items: Items = []
            for row, (stream, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
                if stream is None:
                    continue
                text = stream.push(token, nats[row])
                if text:
                    items.append(Piece(stream.index, text))
                if stream.sample:
                    items.append(stream.sample)
                    rows[row] = None
            yield items

    def _begin(self, prime: str, primes: dict[str, tuple[State, int]]) -> tuple[State, int]:
        """The state after all but the last token of a prime, read once, and that token."""
        if prime not in primes:
            ids = prime_ids(self.tokenizer, prime, documents=self.documents)
            primes[prime] = read(self.model, ids[:-1], self.model.initial_state(1)), int(ids[-1])
        return primes[prime]

    def _network(self, states: list[State], config: SampleConfig) -> Callable[[Tensor], Tensor]:
        """From the last token (B,) of each row to the logits (B, V) of its next one, going on from these states."""
        if self._one_by_one:
            how = packed.arithmetic(self.model, config.weights)
            if how not in self._packed:
                self._packed[how] = packed.pack(self.model, how)
            text = self._packed[how].begin(states[0])
            return lambda tokens: text.step(int(tokens))
        state = tuple(
            tuple(torch.cat(parts) for parts in zip(*layers, strict=True))
            for layers in zip(*states, strict=True)
        )

        @torch.inference_mode()
        def step(tokens: Tensor) -> Tensor:
            nonlocal state
            logits, state = self.model.step(tokens.to(self.model.device), state)
            return logits

        return step

    @torch.inference_mode()
    def _draw(
        self, logits: Tensor, config: SampleConfig, streams: list[Stream | None]
    ) -> tuple[Tensor, list[float]]:
        """The next token (B,) of each row and its surprise under the unfiltered model."""
        own = torch.log_softmax(logits.cpu().double(), dim=-1)  # (B, V)
        allowed = own if self.documents else torch.log_softmax(own + self._allowed, dim=-1)
        for row, stream in enumerate(streams):
            if stream is not None and stream.guard is not None:
                banned = stream.guard.forbidden()
                if banned is not None:
                    allowed = allowed.clone()
                    allowed[row] = torch.log_softmax(
                        allowed[row].masked_fill(banned, -math.inf), dim=-1
                    )
        recent = None
        if config.repetition_penalty != 1:
            blank = [-1] * filters.REPETITION_WINDOW
            recent = torch.tensor([list(s.recent) if s else blank for s in streams])
        uniform = torch.tensor([s.uniform() if s else 0.0 for s in streams], dtype=torch.float64)
        tokens = filters.draw(filters.apply(allowed, config, recent), uniform)
        nats = own.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).neg().tolist()
        if any(math.isnan(n) for n in nats):
            raise RnnStudioError(
                "the model's output is not a number: its weights are damaged or training diverged",
                hint="use an earlier checkpoint: rnnstudio runs show RUN lists them",
            )
        return tokens, nats
