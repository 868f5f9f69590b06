"""Run folders for the studio's tests: a whole run with curve, samples, figures, milestones and changes."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from pathlib import Path

from checkpoints import events as ev

START = 1_780_000_000.0
PRIME = "MARELLO:\n"
GENRE = "stage"
"""No genre of ours, so that what is expected does not change with a genre's words."""
HUMAN = {"valid": 0.96, "speaker_lines": 0.99}


def write_log(path: Path, events: Iterable[ev.Event], *, begin: float = START) -> None:
    """Append events as the trainer would, half a second apart."""
    with path.open("a", encoding="utf-8") as file:
        for i, event in enumerate(events):
            body = json.loads(ev.encode(event))
            body["time"] = begin + i / 2
            file.write(json.dumps(body) + "\n")


def started(name: str = "plays", *, steps: int = 2000, genre: str = GENRE) -> ev.Started:
    return ev.Started(
        run=name,
        corpus="plays.txt",
        genre=genre,
        chars=1_000_000,
        tokens=1_000_000,
        vocab_size=81,
        parameters=812_345,
        device="cpu",
        threads=1,
        model={"cell": "lstm", "num_layers": 2, "hidden_size": 192},
        training={"temperatures": [0.5, 0.8, 1.0], "steps": steps, "seed": 1},
    )


def loss_at(step: int) -> float:
    """Nats per token: a plausible curve."""
    return 1.1 + 2.6 * math.exp(-step / 300) + 0.3 * math.exp(-step / 3000)


def write_words(rng: random.Random, step: int, chars: int) -> str:
    """Text that gets better with the steps, from letters to words."""
    good = min(1.0, step / 1500)
    known = [
        "the",
        "lord",
        "my",
        "and",
        "sword",
        "night",
        "what",
        "shall",
        "speak",
        "again",
        "door",
        "king",
    ]
    out: list[str] = []
    while sum(map(len, out)) < chars:
        word = rng.choice(known)
        out.append(
            word if rng.random() < good else "".join(rng.choices("aeiothnsrdl", k=len(word)))
        )
        out.append("\n" if rng.random() < 0.15 else " ")
    return "".join(out)[:chars]


def samples(step: int, *, chars: int = 160) -> list[ev.Event]:
    out: list[ev.Event] = []
    for i, temperature in enumerate((0.5, 0.8, 1.0)):
        rng = random.Random(step * 10 + i)
        name = f"{step}-{i}"
        text = write_words(rng, step, chars)
        out.append(
            ev.SampleBegun(step=step, sample=name, prime=PRIME, temperature=temperature, seed=7)
        )
        out += [
            ev.SampleText(step=step, sample=name, text=text[k : k + 40])
            for k in range(0, chars, 40)
        ]
        out.append(
            ev.SampleFinished(
                step=step,
                sample=name,
                prime=PRIME,
                text=text,
                temperature=temperature,
                seed=7,
                nats_per_char=loss_at(step),
                chars=chars,
                metrics={"valid": min(0.9, step / 2000)},
            )
        )
    valid = min(0.9, step / 2000)
    out.append(
        ev.Figures(
            step=step, model={"valid": valid, "speaker_lines": valid**2}, human=HUMAN, genre=GENRE
        )
    )
    return out


def step_event(step: int, total: int) -> ev.Step:
    rng = random.Random(step)
    loss = loss_at(step) + rng.gauss(0, 0.03)
    return ev.Step(
        step=step,
        loss_nats=loss,
        loss_min=loss - 0.05,
        loss_max=loss + 0.05,
        lr=2e-3 * (1 - step / total),
        grad_norm=0.4 + 0.1 * rng.random(),
        steps=10,
        epoch=step / 400,
        tokens=step * 1024,
        tokens_per_s=18_200.0,
        chars_per_s=18_200.0,
        progress=step / total,
        eta_s=(total - step) * 0.05,
    )


def validation(step: int, *, best: bool = True) -> ev.Validation:
    nats = loss_at(step) + 0.12
    return ev.Validation(
        step=step,
        nats_per_token=nats,
        nats_per_char=nats,
        bits_per_char=nats / math.log(2),
        chars=50_000,
        tokens=50_000,
        protocol="tail-documents",
        best=best,
        train_nats_per_token=loss_at(step),
    )


def checkpoint(step: int) -> list[ev.Event]:
    return [
        validation(step),
        *samples(step),
        ev.CheckpointWritten(
            step=step,
            path=f"step-{step:07}",
            reason="schedule",
            nats_per_char=loss_at(step),
            size_bytes=3_000_000,
        ),
    ]


def history(*, until: int = 1200, total: int = 2000, every: int = 10) -> list[ev.Event]:
    """All that a run logs from its start to step `until`."""
    out: list[ev.Event] = [started(steps=total), ev.Note(text="1 thread: it leaves a core free")]
    for step in range(every, until + 1, every):
        out.append(step_event(step, total))
        if step in (100, 300, 500, 700, 1200, 2000):
            out += checkpoint(step)
        if step == 120:
            out.append(ev.Milestone(step=step, name="words", text="first real words"))
        if step == 600:
            out.append(
                ev.ControlApplied(
                    step=step, request="set lr", value=1e-3, text="learning rate is 0.001 from here"
                )
            )
    return out


def make_run(
    runs: Path, name: str, events: Iterable[ev.Event], *, begin: float = START, genre: str = GENRE
) -> Path:
    """A run folder as a trainer leaves it, without a live trainer."""
    path = runs / name
    path.mkdir(parents=True)
    record = {
        "name": name,
        "corpus": {"paths": ["plays.txt"], "genre": genre, "chars": 1_000_000},
        "model": {"cell": "lstm", "num_layers": 2, "hidden_size": 192},
        "training": {"steps": 2000, "seed": 1},
        "data": {"tokenizer": "char"},
    }
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    write_log(path / "events.jsonl", events, begin=begin)
    return path


def finished(*, total: int = 2000) -> list[ev.Event]:
    best = {
        "step": total,
        "nats_per_char": 1.2,
        "bits_per_char": 1.73,
        "protocol": "tail-documents",
    }
    return [
        *history(until=total, total=total),
        ev.Ended(step=total, run="plays", reason="done", best=best, last=best),
    ]
