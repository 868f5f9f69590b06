"""Texts on a CUDA device, which writes some tokens of each before the host hears of them.

The network's step, the filters and the drawing are a hundred small kernels, whose launches would take longer than the
kernels do. Here CHUNK steps are one CUDA graph, launched by one call, and the tokens stay on the device. The host takes
them in while the next chunk is computed; what is drawn for a text after its end is thrown away.

A graph holds always as many rows, so that a row has the same bits whatever the others are. Many texts are several
graphs, each on a CUDA stream of its own, and run side by side.

On another device the very same steps run one by one, which is how they are tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.carried import State
from engine.config import SampleConfig
from engine.model import Model
from engine.sampling import filters

CHUNK = 16
"""Tokens of each text between two words with the host."""


def serves(device: torch.device) -> bool:
    """Whether texts on this device are written so."""
    return device.type == "cuda"


class Chunks:
    """Some texts of the same settings that grow side by side, at most `lanes` of them.

    `never` (V,) is added to the model's log-probabilities: -inf where a token must not come, else 0.
    """

    def __init__(
        self, model: Model, config: SampleConfig, *, lanes: int, never: Tensor | None
    ) -> None:
        self._model = model  # its weights are read where they lie
        self._config = config
        device = model.device
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._wait_for_caller()
        # Made on the stream that uses them, their memory is given to others only behind what still runs there.
        with torch.cuda.stream(self._stream):  # of None nothing is chosen
            self._never = None if never is None else never.to(device)
            self._state = model.initial_state(lanes)
            self._tokens = torch.zeros(lanes, dtype=torch.int64, device=device)
            window = filters.REPETITION_WINDOW
            self._recent = torch.full((lanes, window), -1, dtype=torch.int64, device=device)
            self._uniform = torch.zeros(CHUNK, lanes, dtype=torch.float64, device=device)
            # The tokens, as numbers that float64 holds too, and their surprises: one copy brings both to the host.
            self._drawn = torch.zeros(2, CHUNK, lanes, dtype=torch.float64, device=device)
        self._heard = torch.empty_like(self._drawn, device="cpu", pin_memory=device.type == "cuda")
        if self._stream is not None:
            self._capture(self._stream)

    @torch.inference_mode()
    def begin(self, states: Sequence[State], tokens: Sequence[int]) -> None:
        """Go on with texts from their states (of one lane each) and the last token of each."""
        spare = len(self._tokens) - len(states)
        padded = [*states, *[states[0]] * spare]
        self._wait_for_caller()
        with torch.cuda.stream(self._stream):
            for layer, of_each in zip(self._state, zip(*padded, strict=True), strict=True):
                for part, parts in zip(layer, zip(*of_each, strict=True), strict=True):
                    part.copy_(torch.cat(parts))
            self._tokens.copy_(torch.tensor([*tokens, *[tokens[0]] * spare]))
            self._recent.fill_(-1)

    @torch.inference_mode()
    def launch(self, uniform: Sequence[Sequence[float]]) -> None:
        """Draw CHUNK more tokens of each text, by its numbers in [0, 1); read them before the next launch."""
        rows = torch.zeros(len(self._tokens), CHUNK, dtype=torch.float64)
        rows[: len(uniform)] = torch.tensor(uniform, dtype=torch.float64)
        with torch.cuda.stream(self._stream):
            self._uniform.copy_(rows.t())
            if self._graph is None:
                self._steps()
            else:
                self._graph.replay()
            self._heard.copy_(self._drawn, non_blocking=True)

    def read(self) -> tuple[list[list[int]], list[list[float]]]:
        """What was launched last, once it is there: for each row its tokens, and their surprises in nats."""
        if self._stream is not None:
            self._stream.synchronize()
        tokens, nats = self._heard.transpose(1, 2).unbind()
        return tokens.long().tolist(), nats.tolist()

    def _steps(self, count: int = CHUNK) -> None:
        """So many steps on this object's own tensors, each changed in place: what a graph can hold."""
        config = self._config
        recent = self._recent if config.repetition_penalty != 1 else None
        for i in range(count):
            logits, state = self._model.step(self._tokens, self._state)
            tokens, nats = filters.next_tokens(
                filters.scores(logits, self._never), config, recent, self._uniform[i]
            )
            for layer, after in zip(self._state, state, strict=True):
                for part, new in zip(layer, after, strict=True):
                    part.copy_(new)
            self._tokens.copy_(tokens)
            if recent is not None:
                recent.copy_(torch.cat([recent[:, 1:], tokens.unsqueeze(1)], dim=1))
            self._drawn[0, i].copy_(tokens)
            self._drawn[1, i].copy_(nats)

    @torch.inference_mode()
    def _capture(self, stream: torch.cuda.Stream) -> None:
        with torch.cuda.stream(stream):
            self._steps(
                1
            )  # libraries make themselves ready at their first call, which no graph may hold
            graph = torch.cuda.CUDAGraph()
            # Not torch.cuda.graph(), which waits for all of the device and empties the allocator's cache; and what
            # other threads ask of the device meanwhile is no fault of this capture.
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                self._steps()
            finally:
                graph.capture_end()
        self._graph = graph

    def _wait_for_caller(self) -> None:
        """Our stream reads weights and states after the caller's has computed them."""
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
