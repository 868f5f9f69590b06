"""Ours against the classic: a character-level vanilla RNN in plain NumPy, backward pass and all, written from the
equations in the manner of the well-known 112-line script."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional as F

from engine.config import ModelConfig, TrainConfig
from engine.model import Model
from engine.optimizers import build, clip

Array = npt.NDArray[np.float64]


class ClassicRNN:
    """One layer of tanh units over one-hot characters, loss summed over the window, Adagrad, elements clipped at ±5."""

    def __init__(self, wxh: Array, whh: Array, why: Array) -> None:
        hidden, vocab = wxh.shape
        self.weights = {
            "wxh": wxh.copy(),
            "whh": whh.copy(),
            "why": why.copy(),
            "bh": np.zeros(hidden),
            "by": np.zeros(vocab),
        }
        self.sums = {name: np.zeros_like(w) for name, w in self.weights.items()}
        self.h = np.zeros(hidden)

    def train(self, inputs: list[int], targets: list[int], *, lr: float) -> tuple[float, float]:
        """One update; gives the loss before it, and the largest element of its gradient."""
        w = self.weights
        h_before, hs, ps, loss = self.h, [], [], 0.0
        for x, target in zip(inputs, targets, strict=True):
            self.h = np.tanh(w["wxh"][:, x] + w["whh"] @ self.h + w["bh"])
            scores = w["why"] @ self.h + w["by"]
            p = np.exp(scores - scores.max())
            p /= p.sum()
            loss -= np.log(p[target])
            hs.append(self.h)
            ps.append(p)

        g = {name: np.zeros_like(weight) for name, weight in w.items()}
        dh_next = np.zeros_like(self.h)
        for t in reversed(range(len(inputs))):
            dy = ps[t].copy()
            dy[targets[t]] -= 1
            g["why"] += np.outer(dy, hs[t])
            g["by"] += dy
            da = (w["why"].T @ dy + dh_next) * (1 - hs[t] ** 2)
            g["bh"] += da
            g["wxh"][:, inputs[t]] += da
            g["whh"] += np.outer(da, hs[t - 1] if t else h_before)
            dh_next = w["whh"].T @ da

        largest = max(float(abs(d).max()) for d in g.values())
        for name, weight in w.items():
            d = np.clip(g[name], -5, 5)
            self.sums[name] += d * d
            weight -= lr * d / np.sqrt(self.sums[name] + 1e-8)
        return loss, largest


def test_training_agrees_with_the_classic_to_the_tenth_digit() -> None:
    text = "so loooooooooong, hello, world: to be or not to be, that is the question; " * 12
    characters = sorted(set(text))
    ids = [characters.index(c) for c in text]
    window, updates = 25, 10

    model = Model(
        ModelConfig(cell="rnn", num_layers=1, hidden_size=20, embedding_size=0, init="small"),
        len(characters),
        rng=torch.Generator().manual_seed(0),
    ).double()
    weights = {name: w.numpy() for name, w in model.weights().items()}
    # The classic has one bias a unit; of our two, one stays at zero.
    model.get_parameter("cells.0.kernel.bias_hh_l0").requires_grad_(False)
    classic = ClassicRNN(
        weights["cells.0.kernel.weight_ih_l0"],
        weights["cells.0.kernel.weight_hh_l0"],
        weights["output_weight"],
    )
    config = TrainConfig(optimizer="adagrad", lr=0.1, clip=5.0, clip_by="value", weight_decay=0.0)
    optimizer = build(model, config)
    state = model.initial_state(1)
    clipped, losses = 0, []
    for i in range(updates):
        chunk = ids[i * window : (i + 1) * window + 1]
        loss, largest = classic.train(chunk[:-1], chunk[1:], lr=0.1)
        clipped += largest > 5
        losses.append(loss)

        tokens = torch.tensor(chunk).unsqueeze(1)  # (T + 1, 1)
        logits, after = model(tokens[:-1], state)
        ours = F.cross_entropy(logits.flatten(0, 1), tokens[1:].flatten(), reduction="sum")
        ours.backward()
        clip(model, config)
        optimizer.step(lr=0.1)
        optimizer.zero_grad()
        state = tuple(tuple(part.detach() for part in layer) for layer in after)

        assert ours.item() == pytest.approx(loss, abs=1e-10)
        for name, expected in {
            "cells.0.kernel.weight_ih_l0": classic.weights["wxh"],
            "cells.0.kernel.weight_hh_l0": classic.weights["whh"],
            "cells.0.kernel.bias_ih_l0": classic.weights["bh"],
            "output_weight": classic.weights["why"],
            "output_bias": classic.weights["by"],
        }.items():
            found = model.get_parameter(name).detach().numpy()
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(state[0][0][0].numpy(), classic.h, rtol=0, atol=1e-10)
    # The test means something: gradients were clipped, and text was learned.
    assert clipped >= 3
    assert losses[-1] < 0.9 * losses[0]
