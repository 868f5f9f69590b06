"""What a run does when it stops to look at itself: the held-out loss, and samples.

Nothing here changes training: evaluation has its own state, and each sample its own generator, seeded anew at every
look, so that along a run the random numbers are the same and what changes is the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from checkpoints import events as ev
from checkpoints.errors import RnnStudioError
from checkpoints.files import reason, write_atomic
from checkpoints.jsontext import json_line
from corpora.genres.base import Genre
from corpora.judging import Judge, mean
from engine.config import SampleConfig
from engine.evaluation import Evaluation, chars_and_words, evaluate
from engine.ids import Tokens
from engine.model import Model
from engine.readers import rounding_pays
from engine.sampling.prime import prime_ids
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request
from engine.tokenizers.base import Tokenizer
from engine.tokens import Part, TokenFile
from engine.training.settings import RunSettings

# Characters of a sample that travel in one event. A count, not a clock: the same run writes the same log.
PIECE_CHARS = 24
# Lanes that the held-out text is read in: on one core 16 read about ten times as fast as one, for 0.001 nats.
VALIDATION_LANES = 16
# At most this much of the held-out text is read each time, so that a look at a large corpus stays a look.
VALIDATION_TOKENS = 200_000

# Characters of training text that the judge keeps an index of: some 20 bytes each at the peak, and 0.3 s a million.
JUDGED_CHARS = 8_000_000
PART_CHARS = 1_000_000
# Held-out text that the human figures come from.
HUMAN_TOKENS = 200_000

Tell = Callable[[ev.Event], object]


def validate(
    model: Model, tokenizer: Tokenizer, held_out: Part, *, documents: bool, rounded: bool = False
) -> Evaluation | None:
    """The loss on the held-out text (its first VALIDATION_TOKENS); None where nothing is held out.

    `rounded`: by weights in int8, as `in_int8` finds.
    """
    tokens: Tokens = held_out.tokens
    chars = held_out.chars
    if len(tokens) < 2 or not chars:
        return None
    if len(tokens) > VALIDATION_TOKENS:
        tokens = tokens[:VALIDATION_TOKENS]
        chars = _chars(tokenizer, held_out, tokens)
    return evaluate(
        model,
        tokens,
        chars=chars,
        before=prime_ids(tokenizer, "", documents=documents),
        protocol="documents" if documents else "carried",
        lanes=max(1, min(VALIDATION_LANES, len(tokens) // 256)),
        rounded=rounded,
    )


def _chars(tokenizer: Tokenizer, whole: Part, beginning: Tokens) -> int:
    """Characters of a part's beginning, counted as the whole part's are: of binary text each byte is one."""
    if tokenizer.name == "byte" and whole.chars + len(whole.document_starts) == len(whole.tokens):
        return int(np.count_nonzero(beginning[:] != tokenizer.document_end))
    return chars_and_words(tokenizer, beginning)[0]


def in_int8(settings: RunSettings, model: Model) -> bool:
    """Whether looks read by weights in int8: where that is faster and nobody asked for an arithmetic."""
    return settings.training.precision == "auto" and rounding_pays(model)


def write_samples(
    model: Model,
    tokenizer: Tokenizer,
    *,
    documents: bool,
    step: int,
    temperatures: Sequence[float],
    length: int,
    prime: str,
    seed: int,
    folder: Path,
    judge: Judge,
    tell: Tell,
) -> list[dict[str, Any]]:
    """Write one sample a temperature, side by side, as events and into `folder`; gives what the folder's lines hold."""
    # Two at one temperature would write the same.
    again = [temperatures[:i].count(t) for i, t in enumerate(temperatures)]
    requests = [
        Request(seed=seed + n, prime=prime, config=SampleConfig(temperature=t), length=length)
        for t, n in zip(temperatures, again, strict=True)
    ]
    names = [f"{step}.{i}" for i in range(len(requests))]
    for name, request in zip(names, requests, strict=True):
        tell(
            ev.SampleBegun(
                step=step,
                sample=name,
                prime=prime,
                temperature=request.config.temperature,
                seed=request.seed,
            )
        )
    began = time.perf_counter()
    held = ["" for _ in requests]
    finished: dict[int, dict[str, Any]] = {}

    def release(index: int, *, all_of_it: bool) -> None:
        while len(held[index]) >= PIECE_CHARS or (all_of_it and held[index]):
            piece, held[index] = held[index][:PIECE_CHARS], held[index][PIECE_CHARS:]
            tell(ev.SampleText(step=step, sample=names[index], text=piece))

    try:
        for item in Sampler(model, tokenizer, documents=documents).stream(
            requests, side_by_side=True
        ):
            if isinstance(item, Piece):
                held[item.index] += item.text
                release(item.index, all_of_it=False)
                continue
            release(item.index, all_of_it=True)
            request = item.request
            figures = judge.figures(item.text, prime=request.prime)
            tell(
                ev.SampleFinished(
                    step=step,
                    sample=names[item.index],
                    prime=prime,
                    text=item.text,
                    temperature=request.config.temperature,
                    seed=request.seed,
                    nats_per_char=item.nats_per_char,
                    chars=item.chars,
                    seconds=round(time.perf_counter() - began, 3),
                    metrics=_rounded(figures),
                )
            )
            finished[item.index] = {
                "sample": names[item.index],
                "step": step,
                "prime": prime,
                "text": item.text,
                "seed": request.seed,
                "temperature": request.config.temperature,
                "length": length,
                "nats_per_char": item.nats_per_char,
                "figures": _rounded(figures),
            }
    except (
        RnnStudioError
    ) as error:  # a model of NaNs writes nothing; the trainer deals with it in its own way
        tell(
            ev.Warned(
                step=step, text=f"no samples at step {step:,}: {error.message}", hint=error.hint
            )
        )
        return []
    body = "".join(json_line(finished[i]) + "\n" for i in sorted(finished)).encode()
    try:
        folder.mkdir(exist_ok=True)
        write_atomic(folder / f"step-{step:07d}.jsonl", body)
    except (OSError, RnnStudioError) as error:  # they are in the log all the same
        told = reason(error) if isinstance(error, OSError) else error.message
        tell(
            ev.Warned(
                step=step, text=f"the samples of step {step:,} were not kept in a file: {told}"
            )
        )
    return [finished[i] for i in sorted(finished)]


def make_judge(
    genre: Genre,
    tokenizer: Tokenizer,
    tokens: TokenFile,
    *,
    sample_chars: int,
    so_far: Iterable[ev.Event] = (),
) -> Judge:
    """Who judges this run's samples: has read (a bounded part of) the training text and knows the held-out one.

    `so_far` is the log of a run that goes on: no milestone is told twice.
    """

    def pieces() -> Iterator[str]:
        # Evenly spaced parts, so that what is read is bounded however large the corpus is.
        train = tokens.train
        parts = max(1, min(-(-train.chars // PART_CHARS), JUDGED_CHARS // PART_CHARS))
        share = len(train.tokens) * min(1.0, JUDGED_CHARS / max(1, train.chars)) / parts
        for i in range(parts):
            start = len(train.tokens) * i // parts
            yield train.text(tokenizer, start, start + round(share))

    held_out = tokens.valid.text(tokenizer, 0, HUMAN_TOKENS)
    reached: list[str] = []
    before: tuple[int, Mapping[str, float]] | None = None
    for event in so_far:
        if isinstance(event, ev.Milestone):
            reached.append(event.name)
        elif isinstance(event, ev.Figures):
            before = event.step, event.model
    return Judge(
        genre, pieces(), held_out, sample_chars=sample_chars, reached=reached, before=before
    )


def tell_figures(
    judge: Judge,
    samples: list[dict[str, Any]],
    *,
    step: int,
    nats_per_char: float | None,
    began: float,
    tell: Tell,
) -> None:
    """Tell the figures of all samples of a look beside the human ones, and what was reached for the first time.

    `began` is when the first was begun, by `time.perf_counter`.
    """
    figures = mean([sample["figures"] for sample in samples])
    figures |= judge.accepted([sample["prime"] + sample["text"] for sample in samples])
    if nats_per_char is not None:
        figures["nats_per_char"] = nats_per_char
    human = _rounded(judge.human)
    model = _rounded(figures)
    tell(
        ev.Figures(
            step=step,
            genre=judge.genre.name,
            model=model,
            human=human,
            baseline=judge.baseline if nats_per_char is not None else None,
            seconds=round(time.perf_counter() - began, 3),
        )
    )
    for name, text in judge.milestones(step, model):
        tell(ev.Milestone(step=step, name=name, text=text))


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
