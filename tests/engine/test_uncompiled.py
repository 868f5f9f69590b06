"""A training starts without torch's compiler, and steps as torch's own optimizers do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from engine.uncompiled import plain_step

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys, torch
from engine.config import OPTIMIZERS, ModelConfig, TrainConfig
from engine.model import Model
from engine.optimizers import build
for name in OPTIMIZERS:
    model = Model(ModelConfig(hidden_size=8), 11, rng=torch.Generator().manual_seed(0))
    optimizer = build(model, TrainConfig(optimizer=name))
    logits, _ = model(torch.zeros(3, 2, dtype=torch.long), model.initial_state(2))
    logits.sum().backward()
    optimizer.step(lr=0.1)
    optimizer.zero_grad()
    optimizer.load_state(*optimizer.state())
print({"torch._dynamo", "sympy"} & set(sys.modules))
"""


def test_no_model_and_no_optimizer_imports_the_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("kind", [Adam, AdamW, Adagrad, RMSprop, SGD])
def test_a_plain_step_is_torchs_step(kind: type[Optimizer]) -> None:
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    plain, torchs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    optimizer = kind([plain], lr=0.1)  # type: ignore[call-arg]
    reference = kind([torchs], lr=0.1)  # type: ignore[call-arg]
    step = plain_step(optimizer)
    for _ in range(3):
        for parameter in (plain, torchs):
            parameter.grad = parameter.detach().cos()
        with torch.no_grad():
            step()
        reference.step()
    assert not torch.equal(plain, start)
    assert torch.equal(plain, torchs)
