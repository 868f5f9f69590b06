"""How soon there is something to see, how fast text becomes tokens, and how much memory a large corpus takes.

    python -m benchmarks startup --large 1000

Processes are started in turn with what they are compared with: the help with `python -c "import torch"`, the first
training step (the corpus is in the cache; of `train TEXT` as it comes, for which the machine's speed is measured first,
and of a run of so many steps) with a script that only imports torch and does one, tokens with the dictionary that
everyone writes, the memory of a large corpus with that of a small one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, options, report
from engine.tokenizers.byte import ByteTokenizer
from engine.tokenizers.char import CharTokenizer

PROGRAM = (sys.executable, "-P", "-m", "rnnstudio")
ONE_STEP = """
import torch
from benchmarks.opponents.bare import Bare, BareTraining
model = Bare(65, cell="lstm", layers=2, hidden=128)
BareTraining(model, torch.randint(65, (100_000,)), lanes=16, bptt=64).step()
print("step", flush=True)
"""
# A process counts what it was forked from as its own memory, so a small one starts it and tells.
WEIGH = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
PIECE = 1 << 20


def main(arguments: list[str]) -> int:
    """Measure everything; prints a table."""
    parser = report.arguments(__doc__, "startup")
    parser.add_argument("--rounds", type=options.whole, default=5)
    parser.add_argument("--large", type=options.whole, default=100, help="MB of the large corpus")
    parser.add_argument("--small", type=options.whole, default=1, help="MB of the small corpus")
    parser.add_argument("--tokens", type=options.whole, default=20, help="MB that are made tokens")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small, large = (_corpus(folder, size) for size in (args.small, args.large))
        rows = [
            _beside(
                "--help, seconds",
                lambda: _run([*PROGRAM, "--help"], folder),
                lambda: _run([sys.executable, "-c", "import torch"], folder),
                rounds=args.rounds,
            )
        ]
        train = [*PROGRAM, "train", str(small), "--json"]
        few = [*train, "--steps", "20", "--hidden", "128"]
        _run(few, folder)  # fills the cache
        for what, command in (("as it comes", train), ("of 20", few)):
            rows.append(
                _beside(
                    f"first training step, {what}, seconds",
                    partial(_until, command, '"type":"step"', folder),
                    partial(_until, [sys.executable, "-c", ONE_STEP], "step", folder),
                    rounds=args.rounds,
                )
            )
        rows += _tokenizing(small.read_text(encoding="ascii") * max(1, args.tokens // args.small))
        memory = [
            _peak_mb([*PROGRAM, "train", str(path), "--steps", "20", "--hidden", "128"], folder)
            for path in (large, small)
        ]
        rows.append(_row(f"memory, MB, {args.large} MB against {args.small}", *memory))
    report.publish(args, rows)
    return 0


def _row(what: str, ours: float, other: float) -> dict[str, Any]:
    return {"what": what, "ours": ours, "beside": other, "ratio": ours / other}


def _beside(
    what: str, ours: Callable[[], object], other: Callable[[], object], *, rounds: int
) -> dict[str, Any]:
    seconds = machine.interleaved({"ours": ours, "other": other}, rounds=rounds)
    return _row(what, seconds["ours"], seconds["other"])


def _tokenizing(text: str) -> list[dict[str, Any]]:
    """MB/s; the dictionary reads a tenth of the text."""
    alphabet = {c: i for i, c in enumerate(sorted(set(text)))}
    pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    rows = []
    for tokenizer in (CharTokenizer("".join(alphabet)), ByteTokenizer()):
        ours, other = [], []
        for _ in range(3):
            began = time.perf_counter()
            for _ids in tokenizer.encode_pieces(pieces):
                pass
            middle = time.perf_counter()
            [alphabet[c] for c in text[: len(text) // 10]]
            ours.append(len(text) / 1e6 / (middle - began))
            other.append(len(text) / 1e7 / (time.perf_counter() - middle))
        name = f"tokens of {tokenizer.name}, MB/s"
        rows.append(_row(name, statistics.median(ours), statistics.median(other)))
    return rows


def _corpus(folder: Path, megabytes: int) -> Path:
    """English-like lines, no two alike."""
    path = folder / f"{megabytes}mb.txt"
    with path.open("w", encoding="ascii") as file:
        lines = 0
        while file.tell() < megabytes * 1_000_000:
            block = "".join(
                f"The {n % 977} ships of the {n} sailed on, and none came back to harbour {n % 31}.\n"
                for n in range(lines, lines + 10_000)
            )
            file.write(block)
            lines += 10_000
    return path


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, check=True)


def _until(command: Sequence[str], sign: str, folder: Path) -> None:
    """Run until a line of its output has `sign` in it."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        found = any(sign in line.replace('": "', '":"') for line in process.stdout)
        process.kill()
    if not found:
        raise SystemExit(f"{command[0]} ended without {sign}")


def _peak_mb(command: Sequence[str], folder: Path) -> float:
    """The largest resident memory of a process."""
    weigh = [sys.executable, "-S", "-c", WEIGH, *command]
    done = subprocess.run(
        weigh, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stdout) / 1024


def _environment() -> dict[str, str]:
    """This checkout is what the children import."""
    root = str(Path(__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": root, "COLUMNS": "100"}
