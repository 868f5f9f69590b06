"""Nats per character after so many minutes on one text: our defaults against other people's recipes.

    python -m benchmarks quality tinyshakespeare.txt --minutes 1,3,10,30 --clock cpu --processes 2
    python -m benchmarks quality tinyshakespeare.txt --minutes 1,3 --device cuda --threads 0
    python -m benchmarks quality tinyshakespeare.txt --only ours,char-rnn --part tuning --set hidden_size=256

The last tenth of the text is held out (nanoGPT's split). `--part tuning` leaves that tenth away altogether and holds
out the tenth before it: defaults are chosen there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import contest, options, report, side_by_side
from benchmarks.opponents import OPPONENTS

OURS = "ours"


class Entrant(NamedTuple):
    """One training, and after which minutes of it to judge."""

    name: str
    seed: int
    minutes: tuple[float, ...]


def main(arguments: list[str]) -> int:
    """Train and judge each entrant; prints a table."""
    parser = report.arguments(__doc__, "quality")
    parser.add_argument("text", type=Path, help="a corpus, UTF-8")
    parser.add_argument(
        "--minutes",
        type=options.minutes,
        default="3",
        help="for each entrant; 1,3,10: after each of these",
    )
    parser.add_argument(
        "--only",
        default="",
        help=f"some of {OURS},{','.join(OPPONENTS)}; a leading ! leaves them out",
    )
    contest.options(parser)
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="keep what --json holds of the same contest on this machine, and train those that it lacks",
    )
    parser.add_argument("--part", choices=["whole", "tuning"], default="whole")
    parser.add_argument("--seeds", type=options.whole, default=1, help="how often each is trained")
    parser.add_argument(
        "--set",
        type=contest.setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of ours, by its name in run.json",
    )
    args = parser.parse_args(arguments)
    every = [OURS, *OPPONENTS]
    named = args.only.lstrip("!").split(",") if args.only else []
    if unknown := [name for name in named if name not in every]:
        parser.error(f"there is no {', '.join(unknown)}: use some of {','.join(every)}")
    chosen = [n for n in every if n not in named] if args.only.startswith("!") else named or every
    rows = report.kept(args) if args.go_on else []
    with tempfile.TemporaryDirectory() as scratch:
        text = contest.read_text(args.text, Path(scratch), part=args.part, most_chars=args.chars)
        train = partial(
            _scores,
            text=text,
            given=dict(args.set),
            device=args.device,
            clock=args.clock,
            threads=args.threads,
        )
        done = {(row["entrant"], row["seed"], row["minutes"]) for row in rows}
        entrants = [
            entrant
            for entrant in _entrants(chosen, args.minutes, args.seeds)
            if (entrant.name, entrant.seed, entrant.minutes[-1]) not in done
        ]
        # One that was broken off begins anew, so what it had is found again.
        began = {(entrant.name, entrant.seed) for entrant in entrants if len(entrant.minutes) > 1}
        rows = [row for row in rows if (row["entrant"], row["seed"]) not in began]
        if args.processes > 1:  # the longest first, so that all cores are busy to the end
            entrants.sort(key=lambda entrant: -entrant.minutes[-1])
        for score in side_by_side.each(train, entrants, processes=args.processes):
            rows.append(score)
            print(report.table(rows[-1:]).split("\n")[-1], flush=True)
            # Kept after each, as hours may go into the next.
            report.write(args, rows)
    rows.sort(key=lambda row: (row["minutes"], every.index(row["entrant"]), row["seed"]))
    report.publish(args, beside_ours(rows))
    return 0


def beside_ours(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with what its `carried` and `best` are above ours of the same minutes and seed, if that is there."""
    ours = {(r["minutes"], r["seed"]): r["carried"] for r in rows if r["entrant"] == OURS}
    return [
        {
            **row,
            **{
                f"{name} - ours": row[name] - ours[row["minutes"], row["seed"]]
                for name in ("carried", "best")
                if (row["minutes"], row["seed"]) in ours
            },
        }
        for row in rows
    ]


def _entrants(names: list[str], minutes: list[float], seeds: int) -> Iterator[Entrant]:
    """One training serves all minutes, unless its schedule is laid over them."""
    for name in names:
        for seed in range(1, seeds + 1):
            if name == OURS or OPPONENTS[name].follows_budget:
                yield from (Entrant(name, seed, (m,)) for m in minutes)
            else:
                yield Entrant(name, seed, tuple(minutes))


def _scores(
    entrant: Entrant, *, text: contest.Text, given: dict[str, Any], **options: Any
) -> Iterator[dict[str, Any]]:
    name, seed, minutes = entrant
    if name == OURS:
        scores: Iterator[contest.Score] = (
            contest.ours(text, minutes=m, seed=seed, given=given, **options) for m in minutes
        )
    else:
        scores = contest.theirs(OPPONENTS[name], text, minutes=minutes, seed=seed, **options)
    for score in scores:
        yield {"entrant": name, "seed": seed, **score.row()}
