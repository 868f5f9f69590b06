"""Small networks, and what is asked of everything that goes on with them step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from engine.carried import State
from engine.config import ModelConfig
from engine.model import Model
from engine.sampling.network import Network

VOCAB = 11
TOKENS = [3, 0, 10, 3, 7, 7, 1]


def model(**settings: object) -> Model:
    config = ModelConfig(**{"hidden_size": 6, "embedding_size": 4, **settings})  # type: ignore[arg-type]
    made = Model(config, VOCAB, rng=torch.Generator().manual_seed(5))
    if made.grams is not None:  # at first they mean nothing
        torch.nn.init.normal_(made.grams.weight, generator=torch.Generator().manual_seed(6))
    return made


def noise(network: Model, seed: int = 1) -> State:
    rng = torch.Generator().manual_seed(seed)
    return tuple(
        tuple(
            torch.rand(part.shape, generator=rng) - 0.5
            if part.is_floating_point()
            else torch.randint(VOCAB + 1, part.shape, generator=rng)
            for part in layer
        )
        for layer in network.initial_state(1)
    )


Begin = Callable[[list[State]], Network]
NEAR = {"float32": 1e-6, "int16": 1e-4, "int8": 0.06}
SHAPES: list[dict[str, object]] = [
    {"embedding_size": 0},
    {"embedding_size": 6},
    {"tied": True},
    {"tied": True, "embedding_size": 6},
    {"grams": 4},
    {"num_layers": 3, "residual": True},
    {"num_layers": 3, "layer_norm": True},
    {"num_layers": 3, "residual": True, "layer_norm": True, "tied": True},
]


@torch.inference_mode()
def agree(network: Model, begin: Begin, how: str) -> None:
    """In float32 to the rounding, in int16 nearly so; int8 is near, and is not float32."""
    state = noise(network)
    text = begin([state])
    far = 0.0
    for token in TOKENS:
        expected, state = network.step(torch.tensor([token]), state)
        found = text.step([token])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=NEAR[how])
        far = max(far, float((found - expected).abs().max()))
    assert how != "int8" or far > 1e-4


def beside_others(begin: Begin, network: Model, count: int) -> None:
    tokens = np.random.default_rng(3).integers(VOCAB, size=(9, count))
    states = [noise(network, seed) for seed in range(count)]
    before = [[part.clone() for layer in state for part in layer] for state in states]

    def alone(row: int) -> list[torch.Tensor]:
        text = begin([states[row]])
        return [text.step([int(step[row])])[0].clone() for step in tokens]

    expected = {row: alone(row) for row in (0, 1, count // 2, count - 1)}
    together, rows = begin(states), list(range(count))
    for at, step in enumerate(tokens):
        logits = together.step([int(step[row]) for row in rows])
        for row, steps in expected.items():
            if row in rows:
                assert torch.equal(logits[rows.index(row)], steps[at]), (row, at)
        # Texts end: half of the others leave, and once a watched one.
        gone = {row for row in rows if row % (at + 2) == 1 and row not in expected}
        kept = [i for i, row in enumerate(rows) if row not in gone | ({0} if at == 4 else set())]
        if len(kept) < len(rows):
            together.keep(kept)
            rows = [rows[i] for i in kept]
    assert 1 < len(rows) < count
    # What the texts began with is left as it was.
    for state, parts in zip(states, before, strict=True):
        for mine, then in zip((p for layer in state for p in layer), parts, strict=True):
            assert torch.equal(mine, then)
