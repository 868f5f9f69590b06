"""A whole run against a loop written from the equations: what it reads, forgets, clips, moves, averages and tells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from checkpoints import events as ev
from checkpoints.checkpoint import read_checkpoint
from checkpoints.runs import RunFolder
from checkpoints.tensors import unpack
from engine.evaluation import Evaluation, evaluate
from engine.ids import IGNORE
from engine.load import open_model
from engine.sampling.prime import prime_ids
from engine.tokens import open_tokens
from engine.training import looks
from engine.training.lanes import ContinuousLanes, DocumentLanes, Lanes
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from tests.cli import verse

STEPS, LANES, BPTT = 30, 4, 16
CLIP, RATE, DECAY, MOMENTUM, AVERAGE, WARMUP, LAST = 0.4, 0.5, 0.02, 0.8, 0.9, 0.2, 0.1
"""Chosen so that each of them matters: some gradients are clipped, and some not."""


def trained(folder: Path, documents: str, **settings: Any) -> RunFolder:
    text = verse(60)
    if documents == "on":
        text = "\n\n".join(line * (1 + i % 3) for i, line in enumerate(text.splitlines(), 1))
    (folder / "v.txt").write_text(text, "utf-8")
    given = {
        "cell": "rnn", "num_layers": 1, "hidden_size": 12, "embedding_size": 6, "grams": 0, "dropout": 0.0,
        "steps": STEPS, "lanes": LANES, "bptt": BPTT, "optimizer": "sgd", "lr": RATE, "momentum": MOMENTUM,
        "weight_decay": DECAY, "warmup": WARMUP, "lr_final": LAST, "clip": CLIP, "ema": AVERAGE,
        "precision": "float32", "documents": documents, "sample_length": 0, "checkpoint_every": 20, **settings,
    }  # fmt: skip
    request = Request(
        corpus=(str(folder / "v.txt"),), runs=folder / "runs", given=given, genre="prose", threads=1
    )
    run = prepare(request).run
    train_run(run)
    return run


def stored(run: RunFolder, step: int, name: str) -> dict[str, Tensor]:
    return unpack(read_checkpoint(run.path / f"step-{step:07d}")[f"{name}.safetensors"])


class Naive:
    """One layer of tanh units in float64, a step of time after the other, and gradient descent with momentum."""

    def __init__(self, weights: dict[str, Tensor], *, sum_loss: bool) -> None:
        self.sum_loss = sum_loss
        longer = BPTT if sum_loss else 1
        self.clip, self.rate = CLIP * longer, RATE / longer
        self.weights = {k: w.double().requires_grad_() for k, w in weights.items()}
        self.moved = {k: torch.zeros_like(w) for k, w in self.weights.items()}
        self.average = {k: w.detach().clone() for k, w in self.weights.items()}
        self.h = torch.zeros(LANES, 12, dtype=torch.float64)

    def learn(self, lanes: Lanes, step: int) -> tuple[float, float, float]:
        """One step; gives the loss, the gradient's norm and the rate."""
        window, w = lanes.next(), self.weights
        h = self.h
        h[torch.from_numpy(window.fresh)] = 0.0
        surprises = []
        for tokens, targets in zip(
            *map(torch.from_numpy, (window.inputs, window.targets)), strict=True
        ):
            sums = w["embedding.weight"][tokens] @ w["cells.0.kernel.weight_ih_l0"].T
            sums = sums + w["cells.0.kernel.bias_ih_l0"] + w["cells.0.kernel.bias_hh_l0"]
            h = torch.tanh(sums + h @ w["cells.0.kernel.weight_hh_l0"].T)
            logits = h @ w["output_weight"].T + w["output_bias"]
            counts = targets != IGNORE
            surprises.append(F.cross_entropy(logits[counts], targets[counts], reduction="none"))
        told = torch.cat(surprises)
        loss = told.sum() / LANES if self.sum_loss else told.mean()
        gradients = dict(zip(w, torch.autograd.grad(loss, [*w.values()]), strict=True))
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
        progress = step / STEPS
        height = (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP))) / 2
        rate = self.rate * (
            LAST + (1 - LAST) * (progress / WARMUP if progress < WARMUP else height)
        )
        decay = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, weight in w.items():
                self.moved[name] = MOMENTUM * self.moved[name] + gradients[name] * min(
                    1, self.clip / norm
                )
                if weight.ndim == 2:
                    weight *= 1 - rate * DECAY
                weight -= rate * self.moved[name]
                self.average[name] = decay * self.average[name] + (1 - decay) * weight
        self.h = h.detach()
        return told.mean().item(), norm, rate


@pytest.mark.parametrize("sum_loss", [False, True])
@pytest.mark.parametrize("documents", ["off", "on"])
def test_a_run_learns_what_a_loop_from_the_equations_learns(
    tmp_path: Path, documents: str, sum_loss: bool
) -> None:
    summed = {"loss": "sum", "clip": CLIP * BPTT, "lr": RATE / BPTT} if sum_loss else {}
    run = trained(tmp_path, documents, **summed)
    tokens = open_tokens(run.tokens_path)
    part = tokens.train
    lanes: Lanes = ContinuousLanes(part.tokens, lanes=LANES, bptt=BPTT)
    if documents == "on":
        end = int(part.tokens[int(part.document_starts[1]) - 1])
        lanes = DocumentLanes(
            part.tokens, part.document_starts, document_end=end, lanes=LANES, bptt=BPTT, seed=1
        )
    naive = Naive(stored(run, 0, "model"), sum_loss=sum_loss)
    learned = [naive.learn(lanes, step) for step in range(STEPS)]
    assert 3 < sum(norm > naive.clip for _, norm, _ in learned) < STEPS

    told = [e for e in run.events() if isinstance(e, ev.Step)]
    assert sum(e.steps for e in told) == STEPS
    for event in told:
        losses = [loss for loss, _, _ in learned[event.step - event.steps : event.step]]
        assert event.loss_nats == pytest.approx(sum(losses) / len(losses), rel=1e-4)
        assert (event.loss_min, event.loss_max) == pytest.approx(
            (min(losses), max(losses)), rel=1e-4
        )
        _, norm, rate = learned[event.step - 1]
        assert (event.grad_norm, event.lr) == pytest.approx((norm, rate), rel=1e-3)
    for name, expected in naive.weights.items():
        for file, wanted in (("model", expected.detach()), ("ema", naive.average[name])):
            found = stored(run, STEPS, file)[name].double()
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    carried = stored(run, STEPS, "state")["carried.0.0"].double()
    torch.testing.assert_close(carried, naive.h, rtol=1e-3, atol=1e-4)

    # What is held out is read by the average, and by no other weights.
    loaded = open_model(run.path / f"step-{STEPS:07d}")
    before = prime_ids(loaded.tokenizer, "", documents=documents == "on")
    read_by: list[float] = []
    for weights in (naive.average, naive.weights):
        loaded.model.load_weights({k: w.detach().float() for k, w in weights.items()})
        found = evaluate(
            loaded.model, tokens.valid.tokens, chars=tokens.valid.chars, before=before,
            protocol="documents" if documents == "on" else "carried",
        )  # fmt: skip
        read_by.append(found.nats_per_char)
    (look,) = [e for e in run.events() if isinstance(e, ev.Validation) and e.step == STEPS]
    assert look.nats_per_char == pytest.approx(read_by[0], rel=1e-4)
    assert read_by[0] != pytest.approx(read_by[1], rel=1e-2)


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_looks_may_round_where_the_precision_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    rounds: list[bool] = []

    def read(*args: Any, rounded: bool, **asked: Any) -> Evaluation:
        rounds.append(rounded)
        return evaluate(*args, **asked)

    monkeypatch.setattr(looks, "rounding_pays", lambda _: True)
    monkeypatch.setattr(looks, "evaluate", read)
    trained(tmp_path, "off", precision=precision)
    assert rounds == [precision == "auto"] * 2  # at step 20 and at the end
