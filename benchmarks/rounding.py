"""What int8 and int16 weights cost a model that writes: nats/char of a text by the sampler's network, beside float32's.

    rnnstudio train corpus.txt --minutes 3 --split nanogpt --name mine
    python -m benchmarks rounding corpus.txt mine [RUN …] --runs runs

Read are characters of the last tenth in 64 lanes of equal length, each from a state of zero, token by token as in
writing: how much more a token costs on average, and how much that differs from lane to lane (its standard deviation),
as it would from sample to sample.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks import options, report
from benchmarks.contest import HELD_OUT, read_whole
from engine.load import LoadedModel, open_run
from engine.model import Model
from engine.sampling.compiled import Compiled, can_compile
from engine.sampling.network import Network
from engine.sampling.packed import Packed
from engine.sampling.products import Arithmetic, has_int8, has_int16

LANES = 64


def main(arguments: list[str]) -> int:
    """Read the text with each run's model in both arithmetics; prints a table."""
    parser = report.arguments(__doc__, "rounding")
    parser.add_argument("text", type=Path)
    parser.add_argument("models", nargs="+", metavar="RUN")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--numpy", action="store_true", help="as without a compiler")
    parser.add_argument("--chars", type=options.whole, default=400, help="of a lane, at most")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    whole = read_whole(args.text)
    text = whole[int(len(whole) * (1 - HELD_OUT)) :][: args.chars * LANES]
    rows = []
    for name in args.models:
        loaded = open_run(name, args.runs)
        inputs, targets = columns(loaded, text)
        config = loaded.model.config
        exact = plain(loaded.model, inputs, targets)
        more = {
            how: by_steps(network, inputs, targets) - exact
            for how, network in rounded(loaded.model, compiles=not args.numpy).items()
        }
        rows.append(
            {
                "run": loaded.run,
                "network": f"{config.num_layers}x{config.hidden_size} {config.cell}",
                "float32 nats/token": exact.mean().item(),
                **{f"{how} more": lanes.mean().item() for how, lanes in more.items()},
                **{f"{how} spread": lanes.std().item() for how, lanes in more.items()},
            }
        )
    report.publish(args, rows, judged_chars=len(text))
    return 0


def columns(loaded: LoadedModel, text: str) -> tuple[Tensor, Tensor]:
    """Inputs and targets (T, LANES)."""
    ids = torch.from_numpy(loaded.tokenizer.encode(text).astype("int64"))
    lanes = ids[: len(ids) // LANES * LANES].view(LANES, -1).t()
    return lanes[:-1], lanes[1:]


@torch.inference_mode()
def plain(model: Model, inputs: Tensor, targets: Tensor) -> Tensor:
    """Nats per token of each lane by the model's forward pass."""
    logits, _ = model(inputs, model.initial_state(LANES))
    return F.cross_entropy(logits.movedim(-1, 1), targets, reduction="none").double().mean(0)


def rounded(model: Model, *, compiles: bool) -> dict[str, Network]:
    """The model in the middle of LANES texts, in every arithmetic that the sampler might take here."""
    begun = [model.initial_state(1)] * LANES
    if compiles and can_compile(model):
        return {"int8": Compiled(model, in_int8=True).begin(begun)}
    able: dict[Arithmetic, bool] = {"int16": has_int16(), "int8": has_int8()}
    return {how: Packed(model, how).begin(begun) for how, can in able.items() if can}


def by_steps(network: Network, inputs: Tensor, targets: Tensor) -> Tensor:
    """Nats per token of each lane, step by step as in writing."""
    losses = [
        F.cross_entropy(network.step(x.tolist()), y, reduction="none").double()
        for x, y in zip(inputs, targets, strict=True)
    ]
    return torch.stack(losses).mean(0)
