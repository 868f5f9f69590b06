"""The same defaults on several texts, each beside an n-gram model (modified Kneser-Ney) of the same training text.

    python -m benchmarks generality corpora/*.txt --minutes 3 --clock cpu --chars 1200000

The last tenth is held out; all read the same characters of it, the state (or the n-gram's context) carried.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import contest, report
from corpora import ngram

ORDERS = (5, 6, 7, 8, 9, 10)


def main(arguments: list[str]) -> int:
    """Train on each text; prints a table."""
    parser = report.arguments(__doc__, "generality")
    parser.add_argument("texts", type=Path, nargs="+", help="corpora, UTF-8")
    parser.add_argument("--minutes", type=float, default=3.0, help="for each text")
    parser.add_argument("--clock", choices=[*contest.CLOCKS], default="wall")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chars", type=int, default=0, help="only so many characters of each")
    parser.add_argument("--orders", default=",".join(map(str, ORDERS)))
    args = parser.parse_args(arguments)
    orders = [int(order) for order in args.orders.split(",")]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in args.texts:
            text = contest.read_text(path, Path(scratch), most_chars=args.chars)
            score = contest.ours(text, minutes=args.minutes, clock=args.clock, threads=args.threads)
            rows.append({"text": path.name, "chars": len(text.whole), **_row(text, score, orders)})
            print(report.table(rows[-1:]).split("\n")[-1], flush=True)
    report.publish("generality", rows, args.json, minutes=args.minutes, clock=args.clock)
    return 0


def _row(text: contest.Text, score: contest.Score, orders: list[int]) -> dict[str, Any]:
    # An n-gram of order n has n - 1 characters of context.
    counted = {
        f"{n}-gram": ngram.nats_per_char(
            text.train, text.valid, order=n - 1, judged_chars=len(text.valid)
        )
        for n in orders
    }
    best = min(counted.values())
    assert score.carried is not None
    return {
        "ours": score.carried,
        **counted,
        "ours - best": score.carried - best,
        "windows": score.windows,
        "training": score.training_loss,
        "epochs": score.epochs,
        "network": score.about,
    }
