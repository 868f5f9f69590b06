"""A running average of the weights: it often reads held-out text better than the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from engine.model import Model, check_weights


class EMA:
    """average <- decay * average + (1 - decay) * weights, after each step (Polyak & Juditsky 1992)."""

    def __init__(self, model: Model, decay: float) -> None:
        self._model = model
        self._decay = decay
        self._average = {name: w.detach().clone() for name, w in model.named_parameters()}

    @torch.no_grad()
    def update(self, *, step: int, unless: Tensor | None = None) -> None:
        """Take in the weights as they are; not where `unless`, a truth value on their device, says so.

        The average is short at first, `min(decay, (1 + step) / (10 + step))`, so that the untrained start is soon
        forgotten.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        weights = [w.detach() for w in self._model.parameters()]
        averages = [*self._average.values()]
        if unless is not None:
            weights = [torch.where(unless, a, w) for a, w in zip(averages, weights, strict=True)]
        torch._foreach_lerp_(averages, weights, 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Within it the model has the average for weights; afterwards its own, bit for bit."""
        own = {name: w.detach().clone() for name, w in self._model.named_parameters()}
        self._set(self._average)
        try:
            yield
        finally:
            self._set(own)

    def weights(self) -> dict[str, Tensor]:
        """The average, copied to the CPU, under the names of the weights; what is not trained is the model's."""
        kept = {**dict(self._model.named_buffers()), **self._average}
        return {name: w.to("cpu", copy=True).contiguous() for name, w in kept.items()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from what `weights` gave. Raises CheckpointError where it is not this model's."""
        model = self._model
        shapes = {name: tuple(w.shape) for name, w in weights.items()}
        check_weights(model.config, model.vocab_size, shapes)
        for name, average in self._average.items():
            average.copy_(weights[name])

    @torch.no_grad()
    def _set(self, weights: Mapping[str, Tensor]) -> None:
        # Copied into place: cuDNN and the optimizer hold on to the tensors themselves.
        for name, own in self._model.named_parameters():
            own.copy_(weights[name])
