"""Writing: our sampler against a loop that calls nn.LSTM (nn.GRU, nn.RNN) for each character.

Cells that torch has no layer of are set beside a loop over their own equations, one text after the other.

Both draw at temperature 0.8; ours also reports each text's surprise, and has vectors for runs of characters, as it has
by default. The bound of a step is reading all weights that a character passes once, at the speed at which this machine
reads as many bytes in float32 again and again (cache or memory; not asked of a GPU), or multiplying them, at the speed
of its float32 product of large matrices, whichever takes longer.

    python -m benchmarks sampler --clock cpu
    python -m benchmarks sampler --device cuda --streams 1,64,512,2048
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from benchmarks import machine, options, report
from benchmarks.contest import CLOCKS
from benchmarks.opponents import bare
from engine import cells, devices
from engine.config import ModelConfig, SampleConfig
from engine.model import Model
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Request
from engine.tokenizers._spelling import NIBBLES
from engine.tokenizers.char import CharTokenizer
from engine.training.plan import GRAMS, working_weights

SHAPES = ("2x128", "2x256", "2x512", "3x512")
STREAMS = (1, 8, 64, 512)
FLOAT_BYTES = 4


def main(arguments: list[str]) -> int:
    """Measure every shape with every number of texts; prints a table."""
    parser = report.arguments(__doc__, "sampler")
    parser.add_argument("--shapes", type=options.shapes, default=",".join(SHAPES))
    parser.add_argument("--cell", default="lstm", choices=cells.names())
    parser.add_argument("--streams", type=options.numbers, default=",".join(map(str, STREAMS)))
    parser.add_argument(
        "--chars",
        type=options.whole,
        default=400,
        help="of one text; a quarter of them where texts are hundreds",
    )
    parser.add_argument("--rounds", type=options.whole, default=5)
    parser.add_argument("--clock", choices=[*CLOCKS], default="wall")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of both; 0: all cores")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(arguments)
    threads, _ = devices.choose_threads(args.threads)
    torch.set_num_threads(threads)
    device, _ = devices.choose(args.device)
    rows = []
    for layers, hidden in args.shapes:
        config = ModelConfig(cell=args.cell, num_layers=layers, hidden_size=hidden, grams=GRAMS)
        for streams in args.streams:
            row = beside(
                config,
                streams,
                chars=args.chars,
                rounds=args.rounds,
                clock=CLOCKS[args.clock],
                device=device,
            )
            rows.append(row)
            print(report.table(rows[-1:]).split("\n")[-1], flush=True)
    report.publish(args, rows, threads=threads)
    return 0


def beside(
    config: ModelConfig,
    streams: int,
    *,
    chars: int,
    rounds: int,
    clock: machine.Clock,
    device: torch.device,
) -> report.Row:
    """Characters per second of all texts together, ours and the loop's in turn."""
    tokenizer = CharTokenizer("\n" + "".join(map(chr, range(33, 97))))
    model = Model(config, tokenizer.vocab_size, rng=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.output_bias[:NIBBLES] = -60.0  # like one that has learned not to spell bytes
    sampler = Sampler(model.to(device), tokenizer, documents=False)
    # Hundreds of texts are measured by fewer characters each, and the slow loop by fewer still.
    length = max(1, chars // (4 if streams > 64 else 1))
    weights = working_weights(config, tokenizer.vocab_size)
    slow = max(4, min(length, 40_000_000 // (streams * weights)))
    request = Request(seed=1, length=length, config=SampleConfig(temperature=0.8))
    loop: Callable[[], object]
    if config.cell in bare.KERNELS:
        peer = bare.Bare(
            tokenizer.vocab_size,
            cell=config.cell,
            layers=config.num_layers,
            hidden=config.hidden_size,
        ).to(device)
        loop = partial(bare.write, peer, slow, temperature=0.8, streams=streams)
    else:
        by_steps = Sampler(model, tokenizer, documents=False, lanes=1)
        loop = partial(by_steps.write, replace(request, length=slow).copies(streams))
    seconds = machine.interleaved(
        {"ours": partial(sampler.write, request.copies(streams)), "loop": loop},
        rounds=rounds,
        clock=clock,
    )
    ours, theirs = streams * length / seconds["ours"], streams * slow / seconds["loop"]
    size = weights * FLOAT_BYTES
    reading_s = (
        size / (machine.reading_gbytes(size / 1e6, clock=clock) * 1e9)
        if device.type == "cpu"
        else 0.0
    )
    product_s = 2 * weights * streams / (machine.product_gflops(clock=clock, device=device) * 1e9)
    bound = streams / max(reading_s, product_s)
    return {
        "network": f"{config.num_layers}x{config.hidden_size} {config.cell}",
        "texts": streams,
        "loop chars/s": theirs,
        "ours chars/s": ours,
        "ratio": ours / theirs,
        "weights MB": size / 1e6,
        "bound": "reading" if reading_s > product_s else "product",
        "bound chars/s": bound,
        "share of bound": ours / bound,
    }
