"""The same defaults on several texts, each beside an n-gram model (modified Kneser-Ney) of the same training text.

    python -m benchmarks generality corpora/*.txt --minutes 3 --clock cpu --processes 2 --chars 1200000

The last tenth is held out; all read the same characters of it. The n-gram's context is carried all the way, and so is
our state, unless the text was learned in documents (tunes, recipes): then each of these begins from a state of zero,
and its end is one token more to foresee.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import contest, options, report, side_by_side
from corpora import ngram

ORDERS = (5, 6, 7, 8, 9, 10)


def main(arguments: list[str]) -> int:
    """Train on each text; prints a table."""
    parser = report.arguments(__doc__, "generality")
    parser.add_argument("texts", type=Path, nargs="+", help="corpora, UTF-8")
    parser.add_argument("--minutes", type=options.budget, default=3.0, help="for each text")
    contest.options(parser)
    parser.add_argument("--orders", type=options.numbers, default=",".join(map(str, ORDERS)))
    args = parser.parse_args(arguments)
    judged = partial(
        _judged,
        orders=args.orders,
        chars=args.chars,
        minutes=args.minutes,
        device=args.device,
        clock=args.clock,
        threads=args.threads,
    )
    rows = []
    for row in side_by_side.each(judged, args.texts, processes=args.processes):
        rows.append(row)
        print(report.table(rows[-1:]).split("\n")[-1], flush=True)
    names = [path.name for path in args.texts]
    rows.sort(key=lambda row: names.index(row["text"]))
    report.publish(args, rows)
    return 0


def _judged(
    path: Path, *, orders: list[int], chars: int, **options: Any
) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        text = contest.read_text(path, Path(scratch), most_chars=chars)
        score = contest.ours(text, **options)
    yield {"text": path.name, "chars": len(text.whole), **_row(text, score, orders)}


def _row(text: contest.Text, score: contest.Score, orders: list[int]) -> dict[str, Any]:
    # An n-gram of order n has n - 1 characters of context.
    counted = {
        f"{n}-gram": ngram.nats_per_char(
            text.train, text.valid, order=n - 1, judged_chars=len(text.valid)
        )
        for n in orders
    }
    best = min(counted.values())
    ours = score.documents or score.carried
    return {
        "ours": ours,
        **counted,
        "ours - best": ours - best,
        "carried": score.carried,
        "windows": score.windows,
        "training": score.training_loss,
        "epochs": score.epochs,
        "network": score.about,
    }
