"""What a model of five minutes writes in each genre, beside human text: `python -m benchmarks.genres --minutes 5`.

Trains each corpus by the program's own command, `rnnstudio train NAME --minutes 5 --threads 1`, with everything else
left to it; then takes the best checkpoint, writes samples from openings of held-out text and judges them as at a
checkpoint. One JSON file a corpus lies under --out, and the table of all that lie there is written beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

CORPORA = ("abc-tunes", "plays", "latex-docstrings", "c-headers", "recipes", "python-manual")

SAMPLES = 24
SAMPLE_CHARS = 800
TEMPERATURE = 0.8
SHOWN = 3

MOST_TOLD = 6
"""Figures of a genre's own in the table, beside `valid`, the known words and what is copied."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", nargs="*", default=list(CORPORA), metavar="CORPUS")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path("genres"), help="a folder")
    parser.add_argument(
        "--table", action="store_true", help="only write the table of what is there"
    )
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in () if args.table else args.corpora:
        target = args.out / f"{name}.json"
        before = json.loads(target.read_text())["cpu_s"] if target.exists() else 0.0
        spent = before + train(name, args.minutes, args.out)
        found = {"corpus": name, "minutes": args.minutes, "cpu_s": spent, **measure(name, args.out)}
        target.write_text(json.dumps(found, indent=1, ensure_ascii=False))
        print(f"{name}: {found['model']['valid']:.0%} valid, human {found['human']['valid']:.0%}")
    results = [json.loads(path.read_text()) for path in sorted(args.out.glob("*.json"))]
    results.sort(key=lambda r: CORPORA.index(r["corpus"]) if r["corpus"] in CORPORA else 99)
    (args.out / "genres.md").write_text(markdown(results), encoding="utf-8")
    return 0


def train(name: str, minutes: float, out: Path) -> float:
    """Trains a run of the corpus's name, goes on with one that was interrupted, leaves one that is done as it is.

    Gives the CPU seconds that it got this time, which other work on the machine cuts.
    """
    from checkpoints.runs import RunFolder

    runs = out / "runs"
    command = [sys.executable, "-P", "-m", "rnnstudio"]
    if not (runs / name).exists():
        command += ["train", name, "--name", name, "--minutes", str(minutes)]
    elif RunFolder(runs / name).state() != "done":
        command += ["resume", name]
    else:
        return 0.0
    command += ["--runs", str(runs), "--threads", "1"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (out / f"{name}.log").open("a") as log:
        subprocess.run(
            command,
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(name: str, out: Path) -> dict[str, Any]:
    """The figures of SAMPLES texts of a run's best checkpoint, those of human text, and the first few texts."""
    from corpora import genres, judging
    from engine.config import SampleConfig
    from engine.load import open_run
    from engine.measure import measure_part
    from engine.sampling.sampler import Sampler
    from engine.sampling.stream import Request, Sample
    from engine.tokens import open_tokens
    from rnnstudio.ranking import judge_of

    loaded = open_run(str(out / "runs" / name), out / "runs")
    judge = judge_of(loaded, sample_chars=SAMPLE_CHARS)
    tokens = open_tokens(loaded.path.resolve().parent / "tokens")
    primes = genres.find(loaded.genre).primes(tokens.valid.text(loaded.tokenizer, 0, 200_000))
    config = SampleConfig(temperature=TEMPERATURE)
    requests = [
        Request(seed=seed, prime=primes[seed % len(primes)], config=config, length=SAMPLE_CHARS)
        for seed in range(SAMPLES)
    ]
    sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
    written = [s for s in sampler.stream(requests) if isinstance(s, Sample)]
    written.sort(key=lambda sample: sample.index)
    figures = [judge.figures(s.text, prime=s.request.prime) for s in written]
    return {
        "genre": loaded.genre,
        "chars": tokens.train.chars + tokens.valid.chars + tokens.test.chars,
        "parameters": loaded.model.parameter_count,
        "step": loaded.step,
        "nats_per_char": measure_part(loaded, "valid", lanes=16).nats_per_char,
        "ngram_nats_per_char": judge.baseline,
        "samples": len(figures),
        "human_samples": judge.human_count,
        "model": {
            **judging.mean(figures),
            **judge.accepted([s.request.prime + s.text for s in written]),
        },
        "error": {  # of the mean, over the samples that have the figure
            key: statistics.stdev(have) / len(have) ** 0.5
            for key in figures[0]
            if len(have := [f[key] for f in figures if key in f]) > 1
        },
        "human": judge.human,
        "texts": [s.request.prime + s.text for s in written[:SHOWN]],
    }


def markdown(results: list[dict[str, Any]]) -> str:
    """The table, and below it the texts as they came: the first seeds, none chosen."""
    from corpora import figures, genres

    lines = [
        "| genre | text | human | model |",
        "|---|---|---|---|",
    ]
    for r in results:
        table = figures.table(genres.find(r["genre"]))
        own = [key for key in genres.find(r["genre"]).figures if key in r["model"]]
        keys = [*own[: MOST_TOLD + 1], "accepted", "words_known", "copied", "longest_copy"]
        keys = [key for key in keys if key in r["model"] and key in r["human"]]
        human = "; ".join(
            f"{table[k].label} {figures.value(table[k], r['human'][k])}" for k in keys
        )
        model = "; ".join(
            f"{figures.value(table[k], r['model'][k])} ± {_spread(r, k, table[k].unit)}"
            for k in keys
        )
        lines.append(
            f"| `{r['genre']}` | `{r['corpus']}`, {r['chars'] / 1e6:.1f} MB | {human} (n = {r['human_samples']}) "
            f"| {model} (n = {r['samples']}); {r['nats_per_char']:.3f} nats/char, 7-gram "
            f"{r['ngram_nats_per_char']:.3f}; {r['parameters'] / 1e3:,.0f} k parameters, {r['cpu_s']:.0f} s of CPU |"
        )
    for r in results:
        for i, text in enumerate(r["texts"], 1):
            lines += ["", f"**{r['genre']}**, sample {i}", "", "````", text.rstrip(), "````"]
    return "\n".join(lines) + "\n"


def _spread(result: dict[str, Any], key: str, unit: str) -> str:
    error = result["error"].get(key)
    return "?" if error is None else f"{100 * error if unit == 'share' else error:.0f}"


if __name__ == "__main__":
    sys.exit(main())
