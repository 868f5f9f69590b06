"""Everything that trains, put together from what `run.json` says; a new run and a resumed one take the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from checkpoints.errors import RunError
from checkpoints.files import reason
from checkpoints.runs import RunFolder
from corpora import genres
from corpora.snapshot import open_corpus
from engine import tokenizers
from engine.carried import State
from engine.ema import EMA
from engine.model import Model
from engine.optimizers import Optimizer, build
from engine.randomness import Streams, streams
from engine.rewriting import rewritten
from engine.tokenizers.base import Tokenizer
from engine.tokens import TokenFile, open_tokens, prepare
from engine.training.distributed import World
from engine.training.lanes import ContinuousLanes, DocumentLanes, Lanes
from engine.training.settings import RunSettings

# In the folder of runs: snapshots of texts, and their tokens.
CACHE = ".cache"
TOKENIZER_FOLDER = "tokenizer"
# Enough to know how often tokens occur; a bound, so that a large corpus starts as fast as a small one.
COUNTED_TOKENS = 1_000_000


@dataclass(slots=True)
class Session:
    """A run in memory. `carried` is the network's state (this process's lanes) before the next window."""

    run: RunFolder
    settings: RunSettings
    world: World
    tokenizer: Tokenizer
    tokens: TokenFile
    model: Model
    optimizer: Optimizer
    ema: EMA | None
    lanes: Lanes
    rng: Streams
    carried: State

    @property
    def documents(self) -> bool:
        return self.settings.corpus.document_mode


def open_session(
    run: RunFolder,
    settings: RunSettings,
    *,
    world: World,
    mended: Callable[[str], object],
    weights: Mapping[str, torch.Tensor] | None = None,
) -> Session:
    """Build the run at its very beginning. Raises RunError or CorpusError where the folder lacks something.

    `mended` is told what was damaged and could be made anew. `weights` replace the first ones (a fork).
    """
    torch.set_num_threads(settings.threads)
    tokenizer = tokenizers.load(tokenizer_files(run.path))
    if world.leads:
        _mend_tokens(run, settings, tokenizer, mended)
    world.agree([0.0])  # the others open what process 0 has mended
    tokens = open_tokens(run.tokens_path)
    rng = streams(settings.training.seed)
    model = Model(settings.model, settings.vocab_size, rng=rng.init)
    if settings.model.init == "orthogonal":  # the peers' starts stay as they were published
        model.start_from_counts(_counts(tokens, settings.vocab_size))
    if weights is not None:
        model.load_weights(weights)
    model = model.to(world.device)
    training = settings.training
    lanes = make_lanes(settings, tokens, document_end=tokenizer.document_end)
    share = world.lanes(training.lanes)
    return Session(
        run=run,
        settings=settings,
        world=world,
        tokenizer=tokenizer,
        tokens=tokens,
        model=model,
        optimizer=build(model, training),
        ema=EMA(model, training.ema) if training.ema else None,
        lanes=lanes,
        rng=rng,
        carried=model.initial_state(share.stop - share.start),
    )


def _mend_tokens(
    run: RunFolder, settings: RunSettings, tokenizer: Tokenizer, mended: Callable[[str], object]
) -> None:
    """Where the run's tokens are missing or damaged, encode the text anew from the snapshot that the cache keeps.

    Raises RunError where the snapshot is gone too.
    """
    try:
        open_tokens(run.tokens_path)
        return
    except RunError as error:
        damage = error
    cache = run.path.parent / CACHE
    corpus = open_corpus(cache, settings.corpus.sha256)
    if corpus is None:
        raise damage
    genre = genres.find(settings.corpus.genre)
    text, cuts = rewritten(corpus, settings.data, genre, cache=cache, note=lambda _: None)
    prepare(
        text,
        tokenizer,
        settings.data,
        cache=cache,
        run_tokens=run.tokens_path,
        starts=genre.document_starts,
        document_mode=settings.corpus.document_mode,
        where=cuts,
    )
    mended(f"{damage.message}; it was encoded anew from the text that {cache} keeps")


def _counts(tokens: TokenFile, vocab_size: int) -> torch.Tensor:
    """How often each token (V,) occurs in the beginning of the training text."""
    counted = np.bincount(tokens.train.tokens[:COUNTED_TOKENS], minlength=vocab_size)
    return torch.from_numpy(counted)


def make_lanes(settings: RunSettings, tokens: TokenFile, *, document_end: int) -> Lanes:
    """The training text as windows."""
    training, part = settings.training, tokens.train
    if settings.corpus.document_mode:
        return DocumentLanes(
            part.tokens,
            part.document_starts,
            document_end=document_end,
            lanes=training.lanes,
            bptt=training.bptt,
            seed=training.seed,
        )
    return ContinuousLanes(part.tokens, lanes=training.lanes, bptt=training.bptt)


def tokenizer_files(run: Path) -> dict[str, bytes]:
    """The tokenizer as the run folder holds it. Raises RunError where it is missing."""
    folder = run / TOKENIZER_FOLDER
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise RunError(
            f"{folder} cannot be read ({reason(error)})",
            hint=f"fork the run from one of its checkpoints: rnnstudio train --from {run.name}",
        ) from None
