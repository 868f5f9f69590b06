"""Training, ours with everything on, against the loop everyone writes: same network, lanes, length and text.

Ours is the whole trainer (log, safety checkpoints, control requests); each time it logs, the bare loop does as many
steps beside it in the same process. Then comes a look, with the held-out loss, three samples and a checkpoint: `all on`
is the ratio of tokens in three minutes with looks where they are due, to the bare loop's, which does nothing but learn.
(What a studio beside it costs: `python -m benchmarks beside`.) The bare loop has Adam; ours is measured with Adam and
with its own default. The shares are of this machine's product of two 1024 x 1024 matrices in float32, and in bf16 for
what is computed in it, counting six operations a weight and token. `--grams 5` gives ours the runs of characters that a
budget of minutes would, which the bare loop has not.

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

from benchmarks import machine, options, report
from benchmarks.contest import CLOCKS
from benchmarks.opponents.bare import KERNELS, Bare, BareTraining
from checkpoints import events as ev
from corpora import genres
from engine import devices, optimizers, precision, sizes
from engine.config import ModelConfig
from engine.training.milestones import log_spaced
from engine.training.plan import working_weights
from engine.training.prepare import Request, prepare
from engine.training.run import train_run

SHAPES = ("2x128", "2x256", "2x512", "3x512")
OPTIMIZERS = ("adam", "muon")
RUN_S = 180.0
CHARS = 1_100_000
"""As long as tinyshakespeare, of which a look reads a twentieth."""


def main(arguments: list[str]) -> int:
    """Measure every shape with every cell and optimizer; prints a table."""
    parser = report.arguments(__doc__, "throughput")
    parser.add_argument("--shapes", type=options.shapes, default=",".join(SHAPES))
    parser.add_argument("--cells", type=options.some_of(KERNELS), default=",".join(KERNELS))
    parser.add_argument(
        "--optimizers", type=options.some_of(optimizers.DEFAULT_RATES), default=",".join(OPTIMIZERS)
    )
    parser.add_argument("--lanes", type=options.whole, default=16)
    parser.add_argument("--bptt", type=options.whole, default=64)
    parser.add_argument("--rounds", type=options.whole, default=6, help="logged stretches of each")
    parser.add_argument("--clock", choices=[*CLOCKS], default="wall")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of both; 0: all cores")
    parser.add_argument("--grams", type=int, default=0, help="ours: longest run of characters")
    parser.add_argument("--precision", default="auto", help="ours: auto, float32, bf16 or fp16")
    parser.add_argument("--chars", type=options.whole, default=CHARS, help="of the text")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(arguments)
    threads, _ = devices.choose_threads(args.threads)
    torch.set_num_threads(threads)
    clock = CLOCKS[args.clock]
    device, _ = devices.choose(args.device)
    peak, bf16_peak = (
        machine.product_gflops(dtype=dtype, clock=clock, device=device)
        for dtype in (torch.float32, torch.bfloat16)
    )
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = made_up_text(folder, args.chars)
        for layers, hidden in args.shapes:
            for cell in args.cells:
                for optimizer in args.optimizers:
                    given = {
                        "cell": cell,
                        "num_layers": layers,
                        "hidden_size": hidden,
                        "optimizer": optimizer,
                        "lanes": args.lanes,
                        "bptt": args.bptt,
                        "grams": args.grams,
                        "precision": args.precision,
                    }
                    row = beside(
                        text,
                        folder,
                        given,
                        rounds=args.rounds,
                        clock=clock,
                        threads=threads,
                        device=device,
                    )
                    reached = row["ours GFLOP/s"]
                    dtype = precision.arithmetic(device, args.precision, cell, hidden_size=hidden)
                    rows.append(
                        {
                            **row,
                            "of float32's peak": reached / peak,
                            "of bf16's": reached / bf16_peak if dtype != torch.float32 else None,
                        }
                    )
                    print(report.table(rows[-1:]).split("\n")[-1], flush=True)
    report.publish(args, rows, threads=threads, peak_gflops=peak, bf16_peak_gflops=bf16_peak)
    print(f"peak: {peak:.0f} GFLOP/s in float32, {bf16_peak:.0f} in bf16")
    return 0


def made_up_text(folder: Path, chars: int) -> Path:
    """Of 64 kinds of characters: speed does not depend on what they say."""
    letters = "".join(chr(33 + i) for i in range(63)) + "\n"
    drawn = torch.randint(64, (chars,), generator=torch.Generator().manual_seed(1))
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
    device: torch.device,
) -> dict[str, Any]:
    """Ours and the bare loop in turn; tokens per second of each, by the median stretch, and one look of ours."""
    request = Request(
        corpus=(str(text),),
        runs=folder / "runs",
        given={**given, "steps": 1_000_000, "lr": 1e-4, "schedule": "constant"},
        threads=threads,
        device=str(device),
        genre=genres.GENERAL,
    )
    ready = prepare(request)
    record = ready.run.record()
    # Muon moves large matrices at every third step: each stretch holds as many of a kind.
    stretch = -(-record["log_every"] // 3) * 3
    # Two looks: the first is dearer, once, by the judge that reads the text.
    every = stretch * ((rounds + 2) // 2)
    training = {**record["training"], "checkpoint_every": every}
    ready.run.write_record({**record, "log_every": stretch, "training": training})
    model = ModelConfig(**record["model"])
    vocab_size, window = record["vocab_size"], given["lanes"] * given["bptt"]
    bare = BareTraining(
        Bare(vocab_size, cell=model.cell, layers=model.num_layers, hidden=model.hidden_size).to(
            device
        ),
        torch.randint(vocab_size, (200_000,), device=device),
        lanes=given["lanes"],
        bptt=given["bptt"],
    )
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    looks: list[float] = []
    since = clock()

    def hear(event: ev.Event, line: str) -> None:
        nonlocal since
        del line
        if isinstance(event, ev.CheckpointWritten) and event.step in (every, 2 * every):
            looks.append(clock() - since)
            since = clock()
            if len(looks) == 2:
                raise _Enough
        if not isinstance(event, ev.Step):
            return
        devices.wait(device)
        middle = clock()
        for _ in range(event.steps):
            bare.step()
        taken["ours"].append((middle - since) / event.steps)
        taken["bare"].append((clock() - middle) / event.steps)
        since = clock()

    with contextlib.suppress(_Enough):
        train_run(ready.run, hear=hear)
    # The first stretch holds the start of the run.
    ours, theirs = (statistics.median(times[1:]) for times in taken.values())
    first, look = looks
    steps = steps_in(RUN_S - max(0.0, first - look), step_s=ours, look_s=look)
    flops = 6 * working_weights(model, vocab_size) * window
    return {
        "network": f"{model.num_layers}x{model.hidden_size} {model.cell}",
        "optimizer": given["optimizer"],
        "weights": sizes.parameters(model, vocab_size),
        "bare tokens/s": window / theirs,
        "ours tokens/s": window / ours,
        "ratio": theirs / ours,
        "look s": look,
        "all on": steps * theirs / RUN_S,
        "bare GFLOP/s": flops / theirs / 1e9,
        "ours GFLOP/s": flops / ours / 1e9,
    }


def steps_in(seconds: float, *, step_s: float, look_s: float) -> float:
    """How many steps a run of so many seconds does that looks at its milestones, and at its end."""
    spent, done = look_s, 0.0
    for milestone in log_spaced():
        stretch = (milestone - done) * step_s
        if spent + stretch >= seconds:
            return done + max(0.0, seconds - spent) / step_s
        spent, done = spent + stretch + look_s, milestone
    raise AssertionError  # milestones never end


class _Enough(Exception):  # noqa: N818 - it is no error
    """Ends a run that has been measured."""
