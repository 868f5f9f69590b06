"""From what a person asked for to a run folder that is ready to train: text, tokenizer, tokens, model, record.

Every choice that was left open is made here, once, and told; `run.json` then holds the run whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor

from checkpoints.errors import ConfigError, RunError
from checkpoints.files import reason, way_out, write_atomic
from checkpoints.runs import RunFolder
from corpora.reading import Progress
from engine import cells, devices, optimizers, precision, tokenizers
from engine.config import DataConfig, ModelConfig, TrainConfig
from engine.model import grow
from engine.randomness import streams
from engine.sampling.prime import familiar
from engine.tokenizers.base import Tokenizer
from engine.tokens import keep_tokens
from engine.training import plan, presets, sentences
from engine.training.fitting import fit
from engine.training.lanes import fits
from engine.training.parent import Parent, open_parent
from engine.training.session import CACHE, TOKENIZER_FOLDER
from engine.training.settings import CorpusRecord, RunSettings, steps_per_event
from engine.training.text import Note, prepare_text

Clock = Callable[[], float]
C = TypeVar("C", DataConfig, ModelConfig, TrainConfig)

DEFAULT_MINUTES = 10.0
# A way out for whoever gave a budget that is none.
BUDGETS = "give one, --minutes 10, --epochs 5 or --steps 2000; or leave it out, for ten minutes"


def silent(text: str) -> None:
    """Hears findings and says nothing."""
    del text


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for. `given` holds the settings that they chose, by field name; all others are ours."""

    corpus: tuple[str, ...]
    runs: Path
    name: str = ""
    given: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    preset: str = ""
    like: str = ""
    parent: str = ""
    genre: str = ""
    encoding: str | None = None
    device: str = "auto"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run folder that holds its record, tokenizer and tokens. `weights` are those that a fork begins with."""

    run: RunFolder
    notes: tuple[str, ...]
    weights: dict[str, Tensor] | None = None


def prepare(
    request: Request,
    *,
    note: Note = silent,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> Prepared:
    """Make the run. `note` hears each finding and choice as it is made; they come back as `notes` too.

    `clock` (seconds) is the one that minutes are counted by, to know what fits into them.

    Raises CorpusError for text that cannot be read or is too small, ConfigError for settings that cannot be, RunError
    where the folder cannot be made.
    """
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        note(text)

    parent = open_parent(request.parent, request.runs, note=say) if request.parent else None
    recipe = _recipe(request)
    data, model, training = _configs(request, recipe, parent)
    device, why_device = devices.choose(request.device)
    precision.arithmetic(  # refused before anything is made
        device, training.precision, model.cell, hidden_size=model.hidden_size
    )
    threads, why_threads = devices.choose_threads(request.threads)
    torch.set_num_threads(threads)

    text = prepare_text(
        request.corpus,
        data,
        parent=parent,
        cache=request.runs / CACHE,
        genre=request.genre,
        encoding=request.encoding,
        note=say,
        progress=progress,
    )
    vocab_size, count = text.tokenizer.vocab_size, len(text.tokens.train.tokens)
    say(sentences.held_out(text.tokens, data, text.corpus))
    lanes, bptt, fewer = fits(count, training.lanes, training.bptt)
    if fewer:
        say(fewer)
    lr = training.lr or optimizers.default_lr(training.optimizer)
    training = replace(training, lanes=lanes, bptt=bptt, lr=lr)
    if parent is None and not request.like:
        model = plan.with_grams(model, request.given, vocab_size=vocab_size)
    given = {**recipe.model, **recipe.training, **request.given}
    if parent is not None:
        given.update({name: getattr(model, name) for name in plan.OF_A_PARENT})
    if training.minutes and not request.like:
        fitted = fit(
            model,
            training,
            given=given,
            vocab_size=vocab_size,
            tokens=count,
            documents=text.documents,
            device=device,
            threads=threads,
            free_threads=not request.threads,
            clock=clock,
        )
        if fitted.threads != threads:
            why_threads = "the fastest here"
        model, training, threads = fitted.model, fitted.training, fitted.threads
        say(fitted.why)
    else:
        epochs = plan.epochs(training, count)
        model = plan.fit_grams(model, epochs, given, tokens=count, documents=text.documents)
    if odd := optimizers.warn_if_odd(training.lr, training.optimizer):
        say(odd)
    prime, unfamiliar = familiar(text.tokenizer, training.prime)
    for unknown in unfamiliar:
        say(unknown)
    training = replace(training, prime=prime or text.opening())
    settings = RunSettings(
        data=data,
        model=model,
        training=training,
        corpus=CorpusRecord(
            paths=tuple(request.corpus) or (parent.paths if parent else ()),
            sha256=text.corpus.sha256,
            chars=text.corpus.chars,
            size_bytes=text.corpus.size_bytes,
            genre=text.genre.name,
            document_mode=text.documents,
        ),
        vocab_size=vocab_size,
        device=str(device),
        threads=threads,
        log_every=steps_per_event(
            training,
            parameters=plan.working_weights(model, vocab_size),
            text=count,
            device=str(device),
        ),
        parent=f"{parent.loaded.run}@{parent.loaded.step}" if parent else "",
    )
    say(sentences.model(settings))
    say(sentences.learning(settings))
    say(
        f"device: {device} ({why_device}); {threads} CPU thread{'s' if threads > 1 else ''} ({why_threads})"
        f"; {precision.told(device, training.precision, model.cell, hidden_size=model.hidden_size)}"
    )
    say(sentences.needs(settings, request.runs))
    run = RunFolder.create(request.runs, request.name or _name(settings), settings.to_json())
    if request.name not in ("", run.name):
        say(f"the name {request.name!r} is taken, or none for a folder: the run is {run.name}")
    say(f"run: {run.path}")
    _store_tokenizer(run, text.tokenizer)
    keep_tokens(text.tokens, run.tokens_path)
    weights = None
    if parent is not None:
        rng = streams(training.seed).init
        weights = grow(parent.loaded.model, old_ids=text.old_ids, rng=rng).weights()
    return Prepared(run, tuple(notes), weights)


def _recipe(request: Request) -> presets.Recipe:
    """The settings that were asked for by a name; none without one."""
    if request.preset and request.like:
        raise ConfigError("--preset and --like each choose the settings", hint="give one of them")
    if request.preset:
        return presets.find(presets.PRESETS, request.preset, "preset")
    if request.like:
        return presets.find(presets.LIKE, request.like, "like")
    return presets.Recipe("")


def _configs(
    request: Request, recipe: presets.Recipe, parent: Parent | None
) -> tuple[DataConfig, ModelConfig, TrainConfig]:
    """The settings before anything is measured: the program's, a recipe's, the parent's model, the user's, in turn."""
    tokenizers.find(str(request.given.get("tokenizer", "char")))
    data, model, training = DataConfig(), ModelConfig(), TrainConfig()
    if parent is not None:
        data, model = parent.data, parent.loaded.config
        fixed = {f.name for f in fields(ModelConfig)} - {"dropout", "gram_dropout"}
        for name, value in [*recipe.model.items(), *request.given.items()]:
            if name in fixed and getattr(model, name) != value:
                raise ConfigError(
                    f"--from {request.parent} has {name} {getattr(model, name)}, not {value}",
                    hint="leave it out, or start a new run without --from",
                )
        if request.given.get("tokenizer", data.tokenizer) != data.tokenizer:
            raise ConfigError(
                f"--from {request.parent} reads {data.tokenizer} tokens",
                hint="leave --tokenizer out, or start a new run without --from",
            )
    data = _with(_with(data, recipe.data), request.given)
    model = _with(_with(model, recipe.model), request.given)
    budget = {"steps": 0, "epochs": 0.0, "minutes": 0.0}
    chosen_budget = {k: v for k, v in request.given.items() if k in budget}
    training = _with(training, recipe.training)
    if chosen_budget and not any(chosen_budget.values()):
        named = " and ".join(f"--{name} is 0" for name in chosen_budget)
        raise ConfigError(f"{named}, which is no budget", hint=BUDGETS)
    if chosen_budget:  # a budget of the user's replaces the recipe's
        training = replace(training, **{**budget, **chosen_budget})
    training = _with(training, request.given)
    if "weight_decay" not in {*recipe.training, *request.given}:
        training = replace(training, weight_decay=optimizers.default_decay(training.optimizer))
    cells.check(model.cell)  # before the text is read: a misspelt cell should not cost a minute
    if not (training.steps or training.epochs or training.minutes):
        training = replace(training, minutes=DEFAULT_MINUTES)
    return data, model, training


def _with(config: C, values: Mapping[str, Any]) -> C:
    own = {f.name for f in fields(config)}
    return replace(config, **{name: value for name, value in values.items() if name in own})


def _name(settings: RunSettings) -> str:
    first = settings.corpus.paths[0] if settings.corpus.paths else "run"
    stem = "stdin" if first == "-" else Path(first).name.split(".")[0]
    return stem or "run"


def _store_tokenizer(run: RunFolder, tokenizer: Tokenizer) -> None:
    folder = run.path / TOKENIZER_FOLDER
    try:
        folder.mkdir()
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {reason(error)}", hint=way_out(error)) from error
    for name, data in tokenizer.to_files().items():
        write_atomic(folder / name, data)
