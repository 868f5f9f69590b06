"""cuDNN's ways through a stack of LSTM layers: a module for each layer, as ours has them, or one for all.

torch takes cuDNN's persistent kernel for fp16, one layer a module, one direction, inputs and units in multiples of 128
up to 1024, and lanes in multiples of 8 up to 128. Forward and backward of one window, median of several rounds in turn.
Without a GPU there is nothing to measure, and it says so.

    python -m benchmarks kernels
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks import machine, options, report
from engine import devices

ARITHMETIC = {"fp16": torch.float16, "bf16": torch.bfloat16, "float32": torch.float32}


def main(arguments: list[str]) -> int:
    """Measure every size and number of lanes in every arithmetic; prints a table."""
    parser = report.arguments(__doc__, "kernels")
    parser.add_argument("--hidden", type=options.numbers, default="256,512,1024")
    parser.add_argument("--lanes", type=options.numbers, default="16,64,128,256,512")
    parser.add_argument("--layers", type=options.whole, default=3)
    parser.add_argument("--bptt", type=options.whole, default=64)
    parser.add_argument("--rounds", type=options.whole, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--arithmetic", type=options.some_of(ARITHMETIC), default=",".join(ARITHMETIC)
    )
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here that torch can use: cuDNN's kernels were not measured")
        return 0
    device, _ = devices.choose(args.device)
    rows = []
    for hidden, lanes in itertools.product(args.hidden, args.lanes):
        ways = {
            (name, way): stack(
                hidden, lanes, layers=args.layers, bptt=args.bptt, way=way, dtype=ARITHMETIC[name], device=device
            )
            for name in args.arithmetic
            for way in ("a module a layer", "one module")
        }  # fmt: skip
        taken = machine.interleaved(
            {" ".join(key): _finished(work, device) for key, work in ways.items()},
            rounds=args.rounds,
        )
        # Six operations a weight and token; each layer has 8 hidden^2 weights.
        flops = 6 * args.layers * 8 * hidden**2 * lanes * args.bptt
        for name, way in ways:
            seconds = taken[f"{name} {way}"]
            rows.append(
                {
                    "hidden": hidden,
                    "lanes": lanes,
                    "arithmetic": name,
                    "way": way,
                    "ms": 1000 * seconds,
                    "tokens/s": lanes * args.bptt / seconds,
                    "GFLOP/s": flops / seconds / 1e9,
                }
            )
    report.publish(args, rows)
    return 0


def stack(
    hidden: int,
    lanes: int,
    *,
    layers: int,
    bptt: int,
    way: str,
    dtype: torch.dtype,
    device: torch.device,
) -> Callable[[], Any]:
    """Forward and backward through one window of `bptt` steps."""
    deep = [layers] if way == "one module" else [1] * layers
    modules = [nn.LSTM(hidden, hidden, n, device=device, dtype=dtype) for n in deep]
    for module in modules:
        _flatten(module)
    x = torch.randn(bptt, lanes, hidden, device=device, dtype=dtype, requires_grad=True)

    def learn() -> None:
        out = x
        for module in modules:
            out, _ = module(out)
        out.backward(torch.ones_like(out))  # type: ignore[no-untyped-call]

    return learn


@torch.no_grad()
def _flatten(module: nn.LSTM) -> None:
    """Lay the weights in one chunk, as cuDNN wants them; in bf16 torch does not, and would copy them at each call."""
    ordered = sorted(module.parameters(), key=lambda weight: weight.dim() == 1)  # matrices first
    chunk = torch.cat([weight.flatten() for weight in ordered])
    for weight, part in zip(
        ordered, chunk.split_with_sizes([w.numel() for w in ordered]), strict=True
    ):
        weight.data = part.view_as(weight)


def _finished(work: Callable[[], Any], device: torch.device) -> Callable[[], None]:
    def run() -> None:
        work()
        devices.wait(device)

    return run
