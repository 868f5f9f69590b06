"""Writing text: many streams, each drawn from the model token by token and given out as soon as it is certain.

What a seed writes depends on the model, the prime and the settings alone, never on what is written beside it: every
text draws from its own generator, one number a token (`filters.draw`), and a row has the same bits whatever the other
rows of a step are. For that the arithmetic of a step must not depend on how many they are. Who sees to it:

- on the CPU the network in C++ (`compiled/`), whose sums have one order however many texts share them, or in NumPy
  (`packed.py`): in int8 and int16 up to 256 texts share each product;
- on an accelerator, where a step takes about the same time for 1 text and for 64, steps that always have as many rows:
  on a CUDA device graphs of some steps each (`ahead.py`), several side by side for more texts than that;
- elsewhere, and for models that are not packed, the model's own step with as many rows (`network.Padded`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from engine.carried import State
from engine.config import SampleConfig
from engine.model import Model, no_number
from engine.sampling import ahead, filters, plain
from engine.sampling.ahead import CHUNK, Chunks
from engine.sampling.bars import BarMasks
from engine.sampling.compiled import Compiled, can_compile, library
from engine.sampling.network import Network, Padded
from engine.sampling.packed import Packed, arithmetic, can_pack
from engine.sampling.prime import prime_ids, read
from engine.sampling.products import Arithmetic
from engine.sampling.stream import Piece, Request, Sample, Stream
from engine.tokenizers.base import Tokenizer

ACCELERATOR_LANES = 64
MOST_GRAPHS = 32
"""Side by side on a CUDA device: with as many lanes each, texts for two thousand."""

Items = list[Piece | Sample]
Drawn = Iterable[tuple[Stream, Sequence[int], Sequence[float]]]
"""What was drawn at once: for some streams the next tokens, and their surprises."""


class Sampler:
    """Writes with a model, which it leaves as it is. Every text starts from a state of zero.

    `documents` says that the model was trained on documents: their end ends a text. A model of one long text has never
    seen that token and never writes it. Other tokens that training never saw (spelled bytes, for instance) keep the
    small probability that the model gives them.

    `lanes` 0 takes what suits the device; another number computes as many rows as that in each step by the model's own
    arithmetic, which means other roundings, and so perhaps another text.
    """

    def __init__(
        self, model: Model, tokenizer: Tokenizer, *, documents: bool, lanes: int = 0
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.documents = documents
        on_cpu = model.device.type == "cpu"
        self._runs_ahead = ahead.serves(model.device) and not lanes
        self._packs = on_cpu and not lanes and not self._runs_ahead and can_pack(model)
        self._weights = sum(w.numel() for cell in model.layers for w in cell.parameters())
        self._packed: dict[Arithmetic, Packed | Compiled] = {}
        self._idle: dict[SampleConfig, list[Chunks]] = {}
        alone = on_cpu and not self._runs_ahead
        self._lanes = lanes or (1 if alone else ACCELERATOR_LANES)
        self._masks: BarMasks | None = None
        self._never: Tensor | None = None
        self._never_id = None if documents else tokenizer.document_end
        if not documents:
            self._never = torch.zeros(model.vocab_size, dtype=torch.float64)
            self._never[tokenizer.document_end] = -math.inf

    def write(self, requests: Sequence[Request]) -> list[Sample]:
        """The finished samples, in the order of the requests."""
        found = [item for item in self.stream(requests) if isinstance(item, Sample)]
        return sorted(found, key=lambda sample: sample.index)

    def stream(
        self, requests: Sequence[Request], *, side_by_side: bool = False
    ) -> Iterator[Piece | Sample]:
        """Pieces of text as they become certain, and each sample when it is finished.

        Texts come one after the other, so many at a time as share a step; with `side_by_side` all of them grow
        together. Close the iterator to stop. Raises CheckpointError if what the model computes is no number.
        """
        # One distribution a step for all rows of a batch: its texts share their settings.
        alike: dict[tuple[SampleConfig, bool], list[tuple[int, Request]]] = {}
        for index, request in enumerate(requests):
            alike.setdefault((request.config, request.bars_exact), []).append((index, request))
        batches = []
        for (config, exact), same in alike.items():
            together = self._most_texts(config, exact=exact)
            batches += [same[i : i + together] for i in range(0, len(same), together)]
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
        """Write some texts of the same settings side by side; what each step gave."""
        exact = batch[0][1].bars_exact
        if exact and self._masks is None:
            self._masks = BarMasks(self.tokenizer)
        streams = [Stream(index, request, self.tokenizer, self._masks) for index, request in batch]
        begun = [self._begin(s.request.prime, primes) for s in streams]
        draw = self._way(batch[0][1].config, exact=exact)
        for drawn in draw(streams, begun):
            items: Items = []
            for stream, tokens, nats in drawn:
                text = stream.push(tokens, nats)
                if text:
                    items.append(Piece(stream.index, text))
                if stream.sample:
                    items.append(stream.sample)
            yield items

    def _way(
        self, config: SampleConfig, *, exact: bool
    ) -> Callable[[list[Stream], list[tuple[State, int]]], Iterator[Drawn]]:
        """How texts of these settings are drawn."""
        if exact:  # a guard of bars has to see a token before the next one is drawn
            return self._draw_by_steps
        if self._runs_ahead:
            return self._draw_ahead
        if plain.serves(config) and isinstance(self._pack(config), Compiled):
            return self._draw_compiled
        return self._draw_by_steps

    def _most_texts(self, config: SampleConfig, *, exact: bool) -> int:
        """How many texts of these settings grow side by side."""
        packed = self._pack(config)
        if packed:
            return packed.most_texts
        return self._lanes * (MOST_GRAPHS if self._runs_ahead and not exact else 1)

    def _draw_by_steps(
        self, streams: list[Stream], begun: list[tuple[State, int]]
    ) -> Iterator[Drawn]:
        """Each step's tokens for the streams that have no end yet."""
        config = streams[0].request.config
        network = self._network([state for state, _ in begun], config)
        tokens = [token for _, token in begun]
        while streams:
            tokens, nats = self._draw(network.step(tokens), config, streams)
            yield zip(streams, zip(tokens), zip(nats), strict=True)
            open_ = _open(streams)
            if len(open_) < len(streams):
                network.keep(open_)
                streams, tokens = [streams[row] for row in open_], [tokens[row] for row in open_]

    def _draw_compiled(
        self, streams: list[Stream], begun: list[tuple[State, int]]
    ) -> Iterator[Drawn]:
        """The same by some steps at once."""
        config = streams[0].request.config
        packed = self._pack(config)
        assert isinstance(packed, Compiled)
        network = packed.begin([state for state, _ in begun])
        tokens = [token for _, token in begun]
        while streams:
            steps = min(packed.steps(len(streams)), max(stream.left for stream in streams))
            uniform = [stream.uniforms(int(steps)) for stream in streams]
            drawn, nats = network.write(tokens, uniform, config.temperature, self._never_id)
            yield zip(streams, drawn, nats, strict=True)
            open_ = _open(streams)
            if len(open_) < len(streams):
                network.keep(open_)
            streams, tokens = [streams[row] for row in open_], [drawn[row][-1] for row in open_]

    def _draw_ahead(self, streams: list[Stream], begun: list[tuple[State, int]]) -> Iterator[Drawn]:
        """The same by chunks of steps, each computed while the host takes in the one before."""
        config = streams[0].request.config
        parts = [
            (streams[at : at + self._lanes], begun[at : at + self._lanes])
            for at in range(0, len(streams), self._lanes)
        ]
        if config not in self._idle:  # graphs take memory: those of one setting are kept
            self._idle.clear()
        idle = self._idle.setdefault(config, [])
        running: list[tuple[Chunks, list[Stream]]] = []
        used: list[Chunks] = []
        try:
            for members, starts in parts:
                used.append(idle.pop() if idle else self._new_chunks(config))
                used[-1].begin([state for state, _ in starts], [token for _, token in starts])
                used[-1].launch([stream.uniforms(CHUNK) for stream in members])
                running.append((used[-1], members))
            while running:
                for chunks, members in running:
                    tokens, nats = chunks.read()
                    # Texts that end with what was read waste what comes now.
                    chunks.launch([stream.uniforms(CHUNK) for stream in members])
                    rows = zip(members, tokens, nats, strict=False)  # more rows fill the graph up
                    drawn = [row for row in rows if row[0].sample is None]
                    if any(math.isnan(sum(surprises)) for _, _, surprises in drawn):
                        raise no_number()
                    yield drawn
                running = [
                    (chunks, members)
                    for chunks, members in running
                    if any(stream.sample is None for stream in members)
                ]
        finally:  # also where nobody reads on
            idle += used

    def _new_chunks(self, config: SampleConfig) -> Chunks:
        return Chunks(self.model, config, lanes=self._lanes, never=self._never)

    def _begin(self, prime: str, primes: dict[str, tuple[State, int]]) -> tuple[State, int]:
        """The state after all but the last token of a prime, read once, and that token."""
        if prime not in primes:
            ids = prime_ids(self.tokenizer, prime, documents=self.documents)
            primes[prime] = read(self.model, ids[:-1], self.model.initial_state(1)), int(ids[-1])
        return primes[prime]

    def _pack(self, config: SampleConfig) -> Packed | Compiled | None:
        """The network for the CPU, packed once for each arithmetic; None where the model's own step is taken."""
        if not self._packs:
            return None
        compiles = can_compile(self.model)
        how = arithmetic(self._weights, config.weights, library=library() if compiles else None)
        if how not in self._packed:
            self._packed[how] = (
                Compiled(self.model, in_int8=how == "int8") if compiles else Packed(self.model, how)
            )
        return self._packed[how]

    def _network(self, states: list[State], config: SampleConfig) -> Network:
        """The model going on from these states."""
        packed = self._pack(config)
        return packed.begin(states) if packed else Padded(self.model, states, self._lanes)

    def _draw(
        self, logits: Tensor, config: SampleConfig, streams: list[Stream]
    ) -> tuple[list[int], list[float]]:
        """The next token of each row of `logits` (B, V), and its surprise under the unfiltered model."""
        uniforms = [stream.uniforms(1)[0] for stream in streams]
        if streams[0].guard is None and plain.serves(config):
            drawn = plain.draw(logits.numpy(), config.temperature, self._never_id, uniforms)
            if drawn is not None:
                return drawn
        return self._draw_filtered(logits, config, streams, uniforms)

    @torch.inference_mode()
    def _draw_filtered(
        self, logits: Tensor, config: SampleConfig, streams: list[Stream], uniforms: list[float]
    ) -> tuple[list[int], list[float]]:
        scored = filters.scores(logits, self._never)
        for row, stream in enumerate(streams):
            banned = stream.guard.forbidden() if stream.guard is not None else None
            if banned is not None:
                scored = filters.without(scored, row, banned)
        recent = None
        if config.repetition_penalty != 1:
            recent = torch.tensor([list(s.recent) for s in streams])
        uniform = torch.tensor(uniforms, dtype=torch.float64)
        tokens, nats = filters.next_tokens(scored, config, recent, uniform)
        surprises = nats.tolist()
        if math.isnan(sum(surprises)):
            raise no_number()
        return tokens.tolist(), surprises


def _open(streams: Sequence[Stream]) -> list[int]:
    """Which of them have no end yet."""
    return [row for row, stream in enumerate(streams) if stream.sample is None]
