"""`python -m benchmarks NAME [options]`: runs one benchmark; without a name it lists them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping

from checkpoints.errors import RnnStudioError
from engine import waiting

# Name and what it answers; the module of that name has `main(arguments) -> exit code`.
BENCHMARKS: Mapping[str, str] = {
    "throughput": "training against the loop everyone writes, and against the machine's matrix product",
    "sampler": "writing against a loop that calls nn.LSTM for each character",
    "rounding": "what int8 and int16 weights cost a model that writes, in nats/char",
    "kernels": "cuDNN's kernels: a module a layer against one for all, fp16, bf16, many lanes (GPUs)",
    "looks": "what samples at checkpoints cost a trainer that waits for them, and one that goes on",
    "cells": "every cell's training speed against torch's fused LSTM",
    "quality": "nats/char after so many minutes, against other people's recipes",
    "generality": "the same defaults on several kinds of text, against n-grams",
    "genres": "what a model of five minutes writes in each genre, beside human text",
    "startup": "how soon there is something to see, and how much memory it takes",
    "visualizing": "the cross-entropies of 'Visualizing and Understanding Recurrent Networks'",
    "studio": "first screen, key presses, a log of 100,000 steps",
    "beside": "what the studio costs a trainer on all cores, and how soon keys act meanwhile",
    "tunes": "every installed ABC tune to MIDI",
    "mutated_tunes": "a campaign of damaged tunes",
    "musicxml_schema": "whether our MusicXML is valid against its schema",
    "abc_oracle": "our reading of tunes against abc2midi's",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names with the others; the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, "\n")
        for name, about in BENCHMARKS.items():
            print(f"  {name:14} {about}")
        return 0
    name, *rest = arguments
    if name not in BENCHMARKS:
        print(
            f"there is no benchmark {name!r}: use one of {', '.join(BENCHMARKS)}", file=sys.stderr
        )
        return 2
    waiting.settle()
    try:
        return int(importlib.import_module(f"benchmarks.{name}").main(rest))
    except ModuleNotFoundError as error:
        print(f"{name} needs {error.name}, which is not installed here", file=sys.stderr)
        return 2
    except RnnStudioError as error:
        print(f"{error}; {error.hint}" if error.hint else error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
