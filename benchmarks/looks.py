"""What samples at checkpoints cost a trainer: written while it waits, and beside it in another thread.

The same run three ways in turn: without samples, waiting for them, and going on. What a look loses is the time of a run
with samples beyond that of one without, for each look.

    python -m benchmarks looks --threads 2
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks import options, report
from benchmarks.throughput import CHARS, made_up_text
from checkpoints import events as ev
from checkpoints.errors import ConfigError
from corpora import genres
from engine import devices
from engine.training import aside
from engine.training.prepare import Request, prepare
from engine.training.run import train_run

WAYS = {"no samples": (0, False), "waiting": (400, False), "beside": (400, True)}
"""Characters of each of three samples, and whether training goes on meanwhile."""


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = report.arguments(__doc__, "looks")
    parser.add_argument("--shapes", type=options.shapes, default="2x128,2x256")
    parser.add_argument("--steps", type=options.whole, default=120)
    parser.add_argument("--every", type=options.whole, default=30, help="steps between looks")
    parser.add_argument("--rounds", type=options.whole, default=3)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; 0: all cores")
    parser.add_argument("--chars", type=options.whole, default=CHARS, help="of the text")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args(arguments)
    threads, _ = devices.choose_threads(args.threads)
    device, _ = devices.choose(args.device)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = made_up_text(folder, args.chars)
        for layers, hidden in args.shapes:
            given = {"num_layers": layers, "hidden_size": hidden, "steps": args.steps}
            given["checkpoint_every"] = args.every

            def run(way: str, given: dict[str, Any] = given) -> tuple[float, int]:
                length, overlaps = WAYS[way]
                with mock.patch.object(aside, "pays", return_value=overlaps):
                    return seconds(
                        text,
                        folder,
                        {**given, "sample_length": length},
                        device=str(device),
                        threads=threads,
                    )

            taken: dict[str, list[float]] = {way: [] for way in WAYS}
            for _, way in itertools.product(range(args.rounds), WAYS):
                took, looks = run(way)
                taken[way].append(took)
            usual = {way: statistics.median(times) for way, times in taken.items()}
            rows += [
                {
                    "network": f"{layers}x{hidden}",
                    "way": way,
                    "s": took,
                    "s a look": (took - usual["no samples"]) / max(1, looks),
                    "of the run": 1 - usual["no samples"] / took,
                }
                for way, took in usual.items()
            ]
    report.publish(args, rows, device=str(device), threads=threads)
    return 0


def seconds(
    text: Path,
    folder: Path,
    given: dict[str, Any],
    *,
    device: str,
    threads: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, int]:
    """From a run's first logged step to its last, and how many looks are between; one more ends every run.

    Raises ConfigError for a run that logs one step only.
    """
    request = Request(
        corpus=(str(text),),
        runs=folder / "runs",
        given=given,
        threads=threads,
        device=device,
        genre=genres.GENERAL,
    )
    at: list[float] = []
    steps: list[int] = []

    def hear(event: ev.Event, line: str) -> None:
        del line
        if isinstance(event, ev.Step):
            at.append(clock())
            steps.append(event.step)

    torch.set_num_threads(threads)
    train_run(prepare(request).run, hear=hear)
    if len(at) < 2:
        raise ConfigError("so few steps are logged once only", hint="give more --steps")
    every = given["checkpoint_every"]
    return at[-1] - at[0], len([n for n in range(steps[0], steps[-1]) if n % every == 0])
