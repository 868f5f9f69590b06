"""Sizes computed from formulas against models really built."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine import cells, compiler
from engine.config import ModelConfig
from engine.model import Model
from engine.sizes import parameters, training_bytes

NAMES = cells.names()


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("embed", "hidden", "layers"), [(3, 5, 1), (4, 4, 2), (7, 6, 3), (0, 5, 2)]
)
@pytest.mark.parametrize("name", NAMES)
def test_formula_counts_the_weights_of_the_real_model(
    name: str, embed: int, hidden: int, layers: int, tied: bool, layer_norm: bool
) -> None:
    tied = tied and embed > 0
    config = ModelConfig(
        cell=name,
        num_layers=layers,
        hidden_size=hidden,
        embedding_size=embed,
        tied=tied,
        layer_norm=layer_norm,
    )
    assert parameters(config, 11) == Model(config, 11, rng=None).parameter_count


def test_counting_needs_no_torch() -> None:
    code = (
        "import sys\nfrom engine.config import ModelConfig\nfrom engine.sizes import parameters\n"
        "print(parameters(ModelConfig(), 65), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # By hand: 65*64 + 4*192*(64+192+2) + 4*192*(192+192+2) + 65*192 + 65.
    assert done.stdout.split() == ["511297", "False"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("vocab_size", [65, 5000])
def test_memory_estimate_is_near_what_a_step_keeps(
    name: str, vocab_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What autograd keeps for the backward pass, counted tensor by tensor; compiled windows keep less."""
    monkeypatch.setenv(compiler.OFF, "0")
    config = ModelConfig(cell=name, dropout=0.1)
    model = Model(config, vocab_size, rng=torch.Generator().manual_seed(0))
    kept: dict[int, int] = {}
    alive = []

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        alive.append(tensor)  # so that no address is used twice
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.zeros(32, 8, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logits, _ = model(tokens, model.initial_state(8), torch.Generator().manual_seed(1))
        loss = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    activations = sum(size for pointer, size in kept.items() if pointer not in weights)
    activations += 2 * logits.nbytes  # they and their gradient
    assert torch.isfinite(loss)

    with_nothing = training_bytes(config, vocab_size=vocab_size, lanes=0, bptt=32)
    estimate = training_bytes(config, vocab_size=vocab_size, lanes=8, bptt=32) - with_nothing
    assert with_nothing == 16 * model.parameter_count
    assert estimate == pytest.approx(activations, rel=0.25)
