"""The table of Karpathy, Johnson & Fei-Fei 2015 ("Visualizing and Understanding Recurrent Networks", arXiv 1506.02078).

    python -m benchmarks visualizing warpeace.txt --minutes 10 --cells lstm --layers 1,2 --sizes 64,128

Their recipe (uniform ±0.08, RMSProp 2e-3 with decay 0.95, 100 lanes of 100, the rate x0.95 an epoch from the 10th, clip
±5 an element) for each network, stopped after so many minutes or 50 epochs. Theirs are 50 epochs; the last tenth is
held out here, half of it in their test. The rnn and gru of a row have about as many weights as its lstm.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import contest, options, report, side_by_side
from engine import cells, sizes

RECIPE = {
    "optimizer": "rmsprop",
    "lr": 2e-3,
    "rms_decay": 0.95,
    "schedule": "step",
    "lr_decay": 0.95,
    "lr_decay_after": 10.0,
    "lr_decay_every": 1.0,
    "lanes": 100,
    "bptt": 100,
    "clip": 5.0,
    "clip_by": "value",
    "loss": "sum",
    "epochs": 50.0,
    "weight_decay": 0.0,
    "patience": 0,
    "embedding_size": 0,
    "init": "uniform",
    "dropout": 0.0,
    "documents": "off",
}


class Network(NamedTuple):
    """One of the table's, with about as many weights as an lstm of `size` units a layer."""

    size: int
    layers: int
    cell: str


def main(arguments: list[str]) -> int:
    """Train every network of the table that was asked for; prints it."""
    parser = report.arguments(__doc__, "visualizing")
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=options.budget, default=10.0, help="each network's")
    parser.add_argument("--cells", type=options.some_of(cells.names()), default="lstm,rnn,gru")
    parser.add_argument("--layers", type=options.numbers, default="1,2,3")
    parser.add_argument("--sizes", type=options.numbers, default="64,128,256,512")
    contest.options(parser)
    args = parser.parse_args(arguments)
    networks = [
        Network(size, layers, cell)
        for size in args.sizes
        for layers in args.layers
        for cell in args.cells
    ]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        trained = partial(
            _trained,
            text=contest.read_text(args.text, Path(scratch), most_chars=args.chars),
            minutes=args.minutes,
            device=args.device,
            clock=args.clock,
            threads=args.threads,
        )
        for row in side_by_side.each(trained, networks, processes=args.processes):
            rows.append(row)
            print(report.table(rows[-1:]).split("\n")[-1], flush=True)
    rows.sort(key=lambda row: networks.index(Network(row["size"], row["layers"], row["cell"])))
    report.publish(args, rows)
    return 0


def _trained(network: Network, *, text: contest.Text, **options: Any) -> Iterator[dict[str, Any]]:
    size, layers, cell = network
    hidden = equal_hidden(cell, layers, size, len(set(text.whole)))
    shape = {"cell": cell, "num_layers": layers, "hidden_size": hidden}
    score = contest.ours(text, given=RECIPE | shape, **options)
    yield {
        "size": size,
        "layers": layers,
        "cell": cell,
        "hidden": hidden,
        "nats/char": score.carried,
        "training": score.training_loss,
        "epochs": score.epochs,
        "weights": score.parameters,
    }


def equal_hidden(cell: str, layers: int, size: int, vocab_size: int) -> int:
    """Units a layer with which the cell has about as many weights as an lstm of `size` units."""

    def weights(name: str, hidden: int) -> int:
        inputs = [vocab_size] + [hidden] * (layers - 1)
        return sum(sizes.layer_parameters(name, i, hidden) for i in inputs)

    wanted = weights("lstm", size)
    return min(range(1, 4 * size + 1), key=lambda h: abs(weights(cell, h) - wanted))
