"""What a run does when it stops to look at itself: the held-out loss, and samples.

Nothing here changes training: evaluation has its own state, and each sample its own generator, seeded anew at every
look, so that along a run the random numbers are the same and what changes is the model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from checkpoints import events as ev
from checkpoints.errors import RnnStudioError
from checkpoints.files import write_atomic
from engine.config import SampleConfig
from engine.evaluation import Evaluation, evaluate
from engine.model import Model
from engine.sampling.prime import prime_ids
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request
from engine.tokenizers.base import Tokenizer
from engine.tokens import Part

# Characters of a sample that travel in one event. A count, not a clock: the same run writes the same log.
PIECE_CHARS = 24
# Lanes that the held-out text is read in: on one core 16 read about ten times as fast as one, for 0.001 nats.
VALIDATION_LANES = 16
# At most this much of the held-out text is read each time, so that a look at a large corpus stays a look.
VALIDATION_TOKENS = 200_000

Tell = Callable[[ev.Event], object]


def validate(
    model: Model, tokenizer: Tokenizer, held_out: Part, *, documents: bool
) -> Evaluation | None:
    """The loss on the held-out text (its first VALIDATION_TOKENS); None where nothing is held out."""
    tokens = held_out.tokens
    chars = held_out.chars
    if len(tokens) < 2 or not chars:
        return None
    if len(tokens) > VALIDATION_TOKENS:
        from engine.evaluation import chars_and_words

        tokens = tokens[:VALIDATION_TOKENS]
        chars, _ = chars_and_words(tokenizer, tokens)
    return evaluate(
        model,
        tokens,
        chars=chars,
        before=prime_ids(tokenizer, "", documents=documents),
        protocol="documents" if documents else "carried",
        lanes=max(1, min(VALIDATION_LANES, len(tokens) // 256)),
    )


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
    tell: Tell,
) -> list[str]:
    """Write one sample a temperature, side by side, as events and as `step-….jsonl` in `folder`; gives their texts."""
    requests = [
        Request(seed=seed, prime=prime, config=SampleConfig(temperature=t), length=length)
        for t in temperatures
    ]
    names = [f"{step}.{i}" for i in range(len(requests))]
    for name, request in zip(names, requests, strict=True):
        tell(
            ev.SampleBegun(
                step=step,
                sample=name,
                prime=prime,
                temperature=request.config.temperature,
                seed=seed,
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
            tell(
                ev.SampleFinished(
                    step=step,
                    sample=names[item.index],
                    prime=prime,
                    text=item.text,
                    temperature=request.config.temperature,
                    seed=seed,
                    nats_per_char=item.nats_per_char,
                    chars=item.chars,
                    seconds=round(time.perf_counter() - began, 3),
                )
            )
            finished[item.index] = {
                "sample": names[item.index],
                "step": step,
                "prime": prime,
                "text": item.text,
                "seed": seed,
                "temperature": request.config.temperature,
                "length": length,
                "nats_per_char": item.nats_per_char,
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
    lines = [json.dumps(finished[i], ensure_ascii=False) for i in sorted(finished)]
    folder.mkdir(exist_ok=True)
    write_atomic(folder / f"step-{step:07d}.jsonl", "\n".join(lines) + "\n")
    return [finished[i]["text"] for i in sorted(finished)]
