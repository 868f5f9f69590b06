"""The gauge of dead memory, on networks whose dead units are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config import ModelConfig
from engine.gauges import STILL, dead_memory
from engine.model import Model

TEXT = np.random.default_rng(0).integers(0, 10, 5000).astype(np.uint8)


def model(cell: str = "lstm") -> Model:
    config = ModelConfig(cell=cell, num_layers=2, hidden_size=20, embedding_size=8)
    return Model(config, 10, rng=torch.Generator().manual_seed(0))


def test_units_that_never_write_or_never_move_are_counted() -> None:
    network = model()
    assert dead_memory(network, TEXT) == 0.0
    bias = network.layers[0].state_dict()["kernel.bias_ih_l0"]
    bias[:5] = -100.0  # five input gates closed: nothing is ever remembered
    bias[20 + 5 : 20 + 7] = 100.0  # two that never forget ...
    bias[5:7] = bias[40 + 5 : 40 + 7] = 100.0  # ... and always add one: tanh c stands at 1
    assert dead_memory(network, TEXT) == pytest.approx(7 / 40)


def test_it_agrees_with_a_window_read_at_once() -> None:
    network = model("gru")
    with torch.no_grad():
        network.layers[1].state_dict()["kernel.bias_ih_l0"][20:23] = 6.0  # slow, not still
        rows = np.stack(
            [TEXT[s : s + 48] for s in range(0, 32 * (len(TEXT) // 32), len(TEXT) // 32)]
        )
        tokens = torch.from_numpy(rows.T.astype(np.int64))
        x = network.embedding(tokens)  # type: ignore[misc]
        spreads = []
        for cell in network.layers:
            x, _ = cell(x, cell.initial_state(32))
            spreads.append(x[16:].reshape(-1, 20).std(dim=0))
    expected = float((torch.cat(spreads) < STILL).float().mean())
    assert 0 < expected < 1
    assert dead_memory(network, TEXT) == pytest.approx(expected)


def test_too_short_a_text_has_no_figure() -> None:
    assert dead_memory(model(), TEXT[:95]) is None
    assert dead_memory(model(), TEXT[:96]) is not None
