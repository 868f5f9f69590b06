"""The best of many texts: written, judged by their genre against what the run learnt from, and ranked with reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from checkpoints.errors import UserError
from engine.load import LoadedModel
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Request, Sample
from rnnstudio.common import say
from rnnstudio.writing import finished

if TYPE_CHECKING:
    from corpora.judging import Judge, Ranked

REPORTED = 10
"""Texts that a line on standard error is given to."""


def best_of(loaded: LoadedModel, request: Request, count: int) -> list[tuple[Sample, Ranked]]:
    """`count` texts, best first; the first few are told with the reasons for their place.

    Raises UserError where the run kept no training text to compare with, ModuleNotFoundError where the genre's judge
    needs a package that is not installed.
    """
    judge = judge_of(loaded, sample_chars=request.length or 1000)
    if judge.lacks:
        raise ModuleNotFoundError(name=judge.lacks)
    sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
    samples = finished(sampler, replace(request, keep_text=True).copies(count))
    nats = [s.nats_per_char for s in samples]
    ranked = judge.rank([s.text for s in samples], nats, prime=request.prime)
    for place, rank in enumerate(ranked[:REPORTED], 1):
        say(f"{place:>3}. seed {samples[rank.index].request.seed}: {rank.why}")
    if count > REPORTED:
        say(f"     and {count - REPORTED:,} more")
    return [(samples[rank.index], rank) for rank in ranked]


def judge_of(loaded: LoadedModel, *, sample_chars: int) -> Judge:
    """Who judges what a run's model writes: has read the run's own training text."""
    from corpora import genres
    from engine.tokens import open_tokens
    from engine.training.looks import make_judge

    folder = loaded.path.resolve().parent / "tokens"
    if not folder.is_dir():
        raise UserError(
            f"run {loaded.run} has no training text beside it to judge by",
            hint="leave out --best-of, or sample from the folder that it was trained in",
        )
    return make_judge(
        genres.find(loaded.genre or genres.GENERAL),
        loaded.tokenizer,
        open_tokens(folder),
        sample_chars=sample_chars,
    )
