"""What a model of five minutes writes in each genre, beside human text.

    python -m benchmarks genres --minutes 5 --out DIR      all corpora of the catalogue that need no URL
    python -m benchmarks genres plays recipes --out DIR    some of them; two such commands may run side by side

Trains each as `rnnstudio train NAME --minutes 5 --threads 1` does, with everything else left to it; then takes the best
checkpoint, writes samples from openings of held-out text and judges them as at a checkpoint. A run that was interrupted
is gone on with, one that is done is only judged anew. DIR/genres.md is the table of all that lie in DIR.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks import options, report
from benchmarks.contest import CLOCKS
from checkpoints.files import write_atomic
from checkpoints.runs import RunFolder
from corpora import figures, genres, judging
from engine.config import SampleConfig
from engine.load import open_run
from engine.measure import measure_part
from engine.sampling import stream
from engine.sampling.sampler import Sampler
from engine.tokens import open_tokens
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from rnnstudio.ranking import judge_of

CORPORA = ("abc-tunes", "plays", "latex-docstrings", "c-headers", "recipes", "python-manual")

SAMPLES = 24
SAMPLE_CHARS = 800
TEMPERATURE = 0.8
SHOWN = 3

MOST_TOLD = 6
"""Figures of a genre's own in the table, beside `valid`, the known words and what is copied."""


def main(arguments: list[str]) -> int:
    """Train and judge; writes the figures of each corpus and the table of all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks genres",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpora", nargs="*", default=list(CORPORA), metavar="CORPUS")
    parser.add_argument("--minutes", type=options.budget, default=5.0)
    parser.add_argument("--clock", choices=[*CLOCKS], default="cpu")
    parser.add_argument("--out", type=Path, default=Path("genres"), help="a folder")
    parser.add_argument(
        "--table", action="store_true", help="only write the table of what is there"
    )
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in () if args.table else args.corpora:
        train(name, args.minutes, args.clock, args.out)
        found = {"corpus": name, "minutes": args.minutes, "clock": args.clock}
        found |= measure(name, args.out)
        found["machine"] = report.machine()
        write_atomic(args.out / f"{name}.json", json.dumps(found, indent=1, ensure_ascii=False))
        print(f"{name}: {found['model']['valid']:.0%} valid, human {found['human']['valid']:.0%}")
    paths = sorted(args.out.glob("*.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    results.sort(key=lambda r: CORPORA.index(r["corpus"]) if r["corpus"] in CORPORA else 99)
    (args.out / "genres.md").write_text(markdown(results), encoding="utf-8")
    return 0


def train(name: str, minutes: float, clock: str, out: Path) -> None:
    """Trains a run of the corpus's name, goes on with one that was interrupted, leaves one that is done as it is."""
    run = RunFolder(out / "runs" / name)
    tick = CLOCKS[clock]
    if run.path.exists():
        if run.state() != "done":
            train_run(run, resuming=True, threads=1, clock=tick)
        return
    request = Request(
        corpus=(name,),
        name=name,
        runs=out / "runs",
        given={"minutes": minutes},
        threads=1,
        device="cpu",
    )
    ready = prepare(request, clock=tick)
    train_run(ready.run, clock=tick, notes=ready.notes)


def measure(name: str, out: Path) -> dict[str, Any]:
    """The figures of SAMPLES texts of a run's best checkpoint, those of human text, and the first few texts."""
    loaded = open_run(str(out / "runs" / name), out / "runs")
    judge = judge_of(loaded, sample_chars=SAMPLE_CHARS)
    tokens = open_tokens(loaded.path.resolve().parent / "tokens")
    primes = genres.find(loaded.genre).primes(tokens.valid.text(loaded.tokenizer, 0, 200_000))
    config = SampleConfig(temperature=TEMPERATURE)
    requests = [
        stream.Request(
            seed=seed, prime=primes[seed % len(primes)], config=config, length=SAMPLE_CHARS
        )
        for seed in range(SAMPLES)
    ]
    sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
    written = [s for s in sampler.stream(requests) if isinstance(s, stream.Sample)]
    written.sort(key=lambda sample: sample.index)
    read = [judge.figures(s.text, prime=s.request.prime) for s in written]
    return {
        "genre": loaded.genre,
        "chars": tokens.train.chars + tokens.valid.chars + tokens.test.chars,
        "parameters": loaded.model.parameter_count,
        "step": loaded.step,
        "nats_per_char": measure_part(loaded, "valid", lanes=16).nats_per_char,
        "ngram_nats_per_char": judge.baseline,
        "samples": len(read),
        "human_samples": judge.human_count,
        "model": {
            **judging.mean(read),
            **judge.accepted([s.request.prime + s.text for s in written]),
        },
        "error": {  # of the mean, over the samples that have the figure
            key: statistics.stdev(have) / len(have) ** 0.5
            for key in read[0]
            if len(have := [f[key] for f in read if key in f]) > 1
        },
        "human": judge.human,
        "texts": [s.request.prime + s.text for s in written[:SHOWN]],
    }


def markdown(results: list[dict[str, Any]]) -> str:
    """The table, and below it the texts as they came: the first seeds, none chosen."""
    lines = [
        "| genre | text | figures: model (± standard error), human | nats a character |",
        "|---|---|---|---|",
    ]
    for r in results:
        genre = genres.find(r["genre"])
        table = figures.table(genre)
        own = [key for key in genre.figures if key in r["model"]]
        keys = [*own[: MOST_TOLD + 1], "accepted", "words_known", "copied", "longest_copy"]
        read = [
            f"{table[k].label} {figures.value(table[k], r['model'][k])}{_error(r, k, table[k].unit)}, "
            f"human {figures.value(table[k], r['human'][k])}"
            for k in keys
            if k in r["model"] and k in r["human"]
        ]
        cells = [
            f"`{r['genre']}`",
            f"`{r['corpus']}`, {r['chars'] / 1e6:.1f} MB",
            f"{'<br>'.join(read)} (n = {r['samples']}, human {r['human_samples']})",
            f"{r['nats_per_char']:.3f}, 7-gram {r['ngram_nats_per_char']:.3f}; {r['parameters'] / 1e3:,.0f} k "
            f"parameters, {r['minutes']:g} minutes ({r['clock']}), one thread",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for r in results:
        for i, text in enumerate(r["texts"], 1):
            lines += ["", f"**{r['genre']}**, sample {i}", "", "````", text.rstrip(), "````"]
    return "\n".join(lines) + "\n"


def _error(result: dict[str, Any], key: str, unit: str) -> str:
    error = result["error"].get(key)
    return "" if error is None else f" ± {100 * error if unit == 'share' else error:.0f}"
