"""What int8 weights cost a model that writes: nats/char of a text by the packed network, beside float32's.

    rnnstudio train corpus.txt --minutes 3 --split nanogpt --name mine
    python -m benchmarks rounding corpus.txt mine [RUN …] --runs runs

Read are the last tenth's characters in lanes of equal length, each from a state of zero, token by token as in writing.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks import report
from benchmarks.contest import HELD_OUT
from engine.load import LoadedModel, open_run
from engine.sampling.packed import Packed, can_pack
from engine.sampling.products import Int8, has_int8


def main(arguments: list[str]) -> int:
    """Read the text with each run's model in both arithmetics; prints a table."""
    parser = report.arguments(__doc__, "rounding")
    parser.add_argument("text", type=Path)
    parser.add_argument("models", nargs="+", metavar="RUN")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--chars", type=int, default=30_000, help="at most so many are read")
    args = parser.parse_args(arguments)
    if not has_int8():
        print("this torch has no int8 products for this machine")
        return 0
    torch.set_num_threads(1)
    whole = args.text.read_text(encoding="utf-8").replace("\r\n", "\n")
    text = whole[int(len(whole) * (1 - HELD_OUT)) :][: args.chars]
    rows = []
    for name in args.models:
        loaded = open_run(name, args.runs)
        if not can_pack(loaded.model):
            print(f"{name} is not packed, and so computed in float32 only")
            continue
        exact, rounded = beside(loaded, text)
        config = loaded.model.config
        rows.append(
            {
                "run": loaded.run,
                "network": f"{config.num_layers}x{config.hidden_size} {config.cell}",
                "float32 nats/char": exact,
                "int8 nats/char": rounded,
                "cost": rounded - exact,
            }
        )
    report.publish("rounding", rows, args.json, chars=len(text))
    return 0


@torch.inference_mode()
def beside(loaded: LoadedModel, text: str) -> tuple[float, float]:
    """Nats per token of `text` in float32 and in int8."""
    model, lanes = loaded.model, Int8.most_rows
    ids = torch.from_numpy(loaded.tokenizer.encode(text).astype("int64"))
    columns = ids[: len(ids) // lanes * lanes].view(lanes, -1).t()  # (T, lanes)
    inputs, targets = columns[:-1], columns[1:]
    logits, _ = model(inputs, model.initial_state(lanes))
    exact = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    network = Packed(model, "int8").begin([model.initial_state(1)] * lanes)
    rounded = sum(
        F.cross_entropy(network.step(x.tolist()), y).item()
        for x, y in zip(inputs, targets, strict=True)
    )
    return exact, rounded / len(inputs)
