"""Every cell's speed in training beside torch's fused LSTM: `python -m benchmarks cells`.

Forward and backward through a window of 64 tokens, two layers, one CPU thread. The cells take turns, so that a busy
machine slows all alike; their CPU time counts. The house rule: none takes 3 times as long as `lstm`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from benchmarks import machine, options, report
from engine import cells
from engine.cells.base import Cell

STEPS, LAYERS = 64, 2
SIZES = ((64, 16), (128, 16), (192, 16), (256, 32))
"""Units a layer, and lanes."""


def compare(names: Sequence[str], *, hidden: int, lanes: int, rounds: int) -> list[dict[str, Any]]:
    """For each cell its tokens per second and its time as a multiple of the LSTM's."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, lanes, hidden, generator=rng, requires_grad=True)
    entrants = {
        name: partial(_learn, [_made(name, hidden, rng) for _ in range(LAYERS)], x)
        for name in names
    }
    seconds = machine.interleaved(entrants, rounds=rounds, clock=time.process_time)
    return [
        {
            "cell": name,
            "hidden": hidden,
            "lanes": lanes,
            "tokens/s": STEPS * lanes / seconds[name],
            "times lstm": seconds[name] / seconds["lstm"],
        }
        for name in names
    ]


def _made(name: str, hidden: int, rng: torch.Generator) -> Cell:
    cell = cells.find(name)(hidden, hidden)
    cell.initialise(rng)
    return cell


def _learn(stack: Sequence[Cell], x: torch.Tensor) -> None:
    out = x
    for cell in stack:
        out, _ = cell(out, cell.initial_state(x.shape[1]))
    out.square().mean().backward()  # type: ignore[no-untyped-call]
    for cell in stack:
        cell.zero_grad()


def main(arguments: list[str]) -> int:
    """Measure every cell at every size; prints a table."""
    parser = report.arguments(__doc__, "cells")
    parser.add_argument("--rounds", type=options.whole, default=10)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    names = ["lstm", *(name for name in cells.names() if name != "lstm")]
    rows: list[dict[str, Any]] = []
    for hidden, lanes in SIZES:
        rows += compare(names, hidden=hidden, lanes=lanes, rounds=args.rounds)
    report.publish(args, rows, layers=LAYERS, steps=STEPS, threads=1)
    return 0
