"""What a run was made of and will need, in sentences for a person who may still stop it."""

from __future__ import annotations

import shutil
from pathlib import Path

from corpora.snapshot import Corpus
from engine import sizes
from engine.config import DataConfig
from engine.tokens import TokenFile
from engine.training import plan
from engine.training.settings import RunSettings

# A checkpoint holds the weights and up to two averages of the optimizer for each, and with --ema one of the weights.
CHECKPOINT_BYTES_PER_WEIGHT = 12


def held_out(tokens: TokenFile, data: DataConfig, corpus: Corpus) -> str:
    """What is kept from learning, and of which files where that is one of several."""
    parts = [
        f"{part.chars:,} characters for {name}"
        for name, part in (("validation", tokens.valid), ("test", tokens.test))
        if part.chars
    ]
    how = (
        "the last 10 % by characters, as nanoGPT"
        if data.split == "nanogpt"
        else "at the end of the text"
    )
    if not parts:
        return "held out: nothing, so no loss will be measured"
    last, files = corpus.sources[-1], len(corpus.sources)
    rewritten = (
        sum(part.chars for part in (tokens.train, tokens.valid, tokens.test)) != corpus.chars
    )
    whose = ""
    if files > 1 and not rewritten and last.start_char <= tokens.train.chars:
        whose = f"; all of it is of {last.path}, the last of {files} files: the loss tells nothing of the others"
    return f"held out: {' and '.join(parts)}, {how}{whose}"


def model(settings: RunSettings) -> str:
    """What learns."""
    config = settings.model
    extras = [
        text
        for on, text in (
            (config.dropout > 0, f"dropout {config.dropout:g}"),
            (config.residual, "residual"),
            (config.layer_norm, "layer norm"),
            (config.tied, "tied embeddings"),
        )
        if on
    ]
    count = sizes.parameters(config, settings.vocab_size)
    tail = f", {', '.join(extras)}" if extras else ""
    return (
        f"model: {config.cell} {config.num_layers} x {config.hidden_size}, {settings.data.tokenizer} tokens "
        f"({settings.vocab_size:,}){tail} · {count:,} parameters"
    )


def learning(settings: RunSettings) -> str:
    """How it learns, and for how long."""
    t = settings.training
    limits = [
        text
        for on, text in (
            (t.steps, plan.counted(t.steps, "step")),
            (t.epochs, plan.counted(t.epochs, "epoch")),
            (t.minutes, plan.counted(t.minutes, "minute")),
        )
        if on
    ]
    return (
        f"learning: {t.optimizer} at {t.lr:g}, {t.schedule} schedule · {t.lanes} lanes x {t.bptt} tokens · "
        f"{' or '.join(limits)}"
    )


def needs(settings: RunSettings, runs: Path) -> str:
    """Memory and disk, before anything is begun that they might not suffice for."""
    t = settings.training
    weights = sizes.parameters(settings.model, settings.vocab_size)
    memory = sizes.training_bytes(
        settings.model, vocab_size=settings.vocab_size, lanes=t.lanes, bptt=t.bptt
    )
    averaged = sizes.FLOAT_BYTES * weights if t.ema else 0
    memory += 2 * averaged  # the weights themselves wait while the average is read
    each = weights * CHECKPOINT_BYTES_PER_WEIGHT + averaged
    most = each * (t.keep + 3)
    free = shutil.disk_usage(
        next(p for p in (runs.resolve(), *runs.resolve().parents) if p.exists())
    ).free
    said = (
        f"needs: about {memory / 1e6:,.0f} MB of memory and "
        f"{most / 1e6:,.0f} MB of disk at most ({t.keep + 2} checkpoints)"
    )
    if most > free:
        said += f"; only {free / 1e6:,.0f} MB are free there: lower --keep, or name another place with --runs"
    return said
