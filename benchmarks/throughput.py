"""Training, ours with everything on, against the loop everyone writes: same network, lanes, length and text.

Ours is the whole trainer (log, safety checkpoints, control requests); each time it logs, the bare loop does as many
steps beside it in the same process. The bare loop has Adam; ours is measured with Adam and with its own default. The
share is of this machine's product of two 1024 x 1024 matrices in float32, counting six operations a weight and token.

    python -m benchmarks throughput --clock cpu
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine, report
from benchmarks.contest import CLOCKS
from benchmarks.opponents.bare import Bare, BareTraining
from checkpoints import events as ev
from corpora import genres
from engine import sizes
from engine.config import ModelConfig
from engine.training.plan import working_weights
from engine.training.prepare import Request, prepare
from engine.training.run import train_run

SHAPES = ("2x128", "2x256", "2x512", "3x512")
CELLS = ("lstm", "gru", "rnn")
OPTIMIZERS = ("adam", "muon")


def main(arguments: list[str]) -> int:
    """Measure every shape with every cell and optimizer; prints a table."""
    parser = report.arguments(__doc__, "throughput")
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS))
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--bptt", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=8, help="logged stretches of each")
    parser.add_argument("--clock", choices=[*CLOCKS], default="wall")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto", help="ours: auto, float32 or bf16")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    clock = CLOCKS[args.clock]
    peak = machine.product_gflops(clock=clock)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = made_up_text(folder)
        for shape in args.shapes.split(","):
            layers, hidden = (int(part) for part in shape.split("x"))
            for cell in args.cells.split(","):
                for optimizer in args.optimizers.split(","):
                    given = {
                        "cell": cell,
                        "num_layers": layers,
                        "hidden_size": hidden,
                        "optimizer": optimizer,
                        "lanes": args.lanes,
                        "bptt": args.bptt,
                        "precision": args.precision,
                    }
                    row = beside(
                        text, folder, given, rounds=args.rounds, clock=clock, threads=args.threads
                    )
                    rows.append({**row, "share of peak": row["ours GFLOP/s"] / peak})
                    print(report.table(rows[-1:]).split("\n")[-1], flush=True)
    report.publish(
        "throughput",
        rows,
        args.json,
        peak_gflops=peak,
        bf16_peak_gflops=machine.product_gflops(dtype=torch.bfloat16, clock=clock),
        clock=args.clock,
        lanes=args.lanes,
        bptt=args.bptt,
        precision=args.precision,
    )
    print(f"peak: {peak:.0f} GFLOP/s in float32")
    return 0


def made_up_text(folder: Path) -> Path:
    """300,000 characters of 64 kinds: speed does not depend on what they say."""
    letters = "".join(chr(33 + i) for i in range(63)) + "\n"
    drawn = torch.randint(64, (300_000,), generator=torch.Generator().manual_seed(1))
    path = folder / "text.txt"
    path.write_text("".join(letters[i] for i in drawn.tolist()), encoding="ascii")
    return path


def beside(
    text: Path,
    folder: Path,
    given: dict[str, Any],
    *,
    rounds: int,
    clock: Callable[[], float],
    threads: int,
) -> dict[str, Any]:
    """Ours and the bare loop in turn; tokens per second of each, by the median stretch."""
    request = Request(
        corpus=(str(text),),
        runs=folder / "runs",
        given={**given, "steps": 1_000_000, "lr": 1e-4, "schedule": "constant"},
        threads=threads,
        device="cpu",
        genre=genres.GENERAL,
    )
    ready = prepare(request)
    record = ready.run.record()
    model = ModelConfig(**record["model"])
    vocab_size, window = record["vocab_size"], given["lanes"] * given["bptt"]
    bare = BareTraining(
        Bare(vocab_size, cell=model.cell, layers=model.num_layers, hidden=model.hidden_size),
        torch.randint(vocab_size, (200_000,)),
        lanes=given["lanes"],
        bptt=given["bptt"],
    )
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    since = clock()

    def hear(event: ev.Event, line: str) -> None:
        nonlocal since
        del line
        if not isinstance(event, ev.Step):
            return
        middle = clock()
        for _ in range(event.steps):
            bare.step()
        taken["ours"].append((middle - since) / event.steps)
        taken["bare"].append((clock() - middle) / event.steps)
        if len(taken["ours"]) > rounds:
            raise _Enough
        since = clock()

    with contextlib.suppress(_Enough):
        train_run(ready.run, hear=hear)
    # The first stretch holds the start of the run.
    ours, theirs = (statistics.median(times[1:]) for times in taken.values())
    flops = 6 * working_weights(model, vocab_size) * window
    return {
        "network": f"{model.num_layers}x{model.hidden_size} {model.cell}",
        "optimizer": given["optimizer"],
        "weights": sizes.parameters(model, vocab_size),
        "bare tokens/s": window / theirs,
        "ours tokens/s": window / ours,
        "ratio": theirs / ours,
        "bare GFLOP/s": flops / theirs / 1e9,
        "ours GFLOP/s": flops / ours / 1e9,
    }


class _Enough(Exception):  # noqa: N818 - it is no error
    """Ends a run that has been measured."""
