"""What int8 and int16 weights cost a model that writes: nats/char of a text by the packed network, beside float32's.

    rnnstudio train corpus.txt --minutes 3 --split nanogpt --name mine
    python -m benchmarks rounding corpus.txt mine [RUN …] --runs runs

Read are the last tenth's characters in lanes of equal length, each from a state of zero, token by token as in writing.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks import report
from benchmarks.contest import HELD_OUT
from engine.load import LoadedModel, open_run
from engine.model import Model
from engine.sampling.packed import Packed, can_pack
from engine.sampling.products import Arithmetic, has_int8, has_int16

LANES = 64


def main(arguments: list[str]) -> int:
    """Read the text with each run's model in both arithmetics; prints a table."""
    parser = report.arguments(__doc__, "rounding")
    parser.add_argument("text", type=Path)
    parser.add_argument("models", nargs="+", metavar="RUN")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--chars", type=int, default=30_000, help="at most so many are read")
    args = parser.parse_args(arguments)
    able: dict[Arithmetic, bool] = {"int16": has_int16(), "int8": has_int8()}
    ways = [how for how, can in able.items() if can]
    torch.set_num_threads(1)
    whole = args.text.read_text(encoding="utf-8").replace("\r\n", "\n")
    text = whole[int(len(whole) * (1 - HELD_OUT)) :][: args.chars]
    rows = []
    for name in args.models:
        loaded = open_run(name, args.runs)
        if not can_pack(loaded.model):
            print(f"{name} is not packed, and so computed in float32 only")
            continue
        inputs, targets = columns(loaded, text)
        config = loaded.model.config
        exact = plain(loaded.model, inputs, targets)
        rows.append(
            {
                "run": loaded.run,
                "network": f"{config.num_layers}x{config.hidden_size} {config.cell}",
                "float32 nats/token": exact,
                **{
                    f"{how} more": packed(loaded.model, how, inputs, targets) - exact
                    for how in ways
                },
            }
        )
    report.publish("rounding", rows, args.json, chars=len(text))
    return 0


def columns(loaded: LoadedModel, text: str) -> tuple[Tensor, Tensor]:
    """Inputs and targets (T, LANES)."""
    ids = torch.from_numpy(loaded.tokenizer.encode(text).astype("int64"))
    lanes = ids[: len(ids) // LANES * LANES].view(LANES, -1).t()
    return lanes[:-1], lanes[1:]


@torch.inference_mode()
def plain(model: Model, inputs: Tensor, targets: Tensor) -> float:
    """Nats per token by the model's forward pass."""
    logits, _ = model(inputs, model.initial_state(LANES))
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten()).double().item()


def packed(model: Model, how: Arithmetic, inputs: Tensor, targets: Tensor) -> float:
    """Nats per token, step by step as in writing."""
    network = Packed(model, how).begin([model.initial_state(1)] * LANES)
    losses = [
        F.cross_entropy(network.step(x.tolist()), y).item()
        for x, y in zip(inputs, targets, strict=True)
    ]
    return sum(losses) / len(losses)
