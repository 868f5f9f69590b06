"""From what a person asked for to a run folder that is ready to train: text, tokenizer, tokens, model, record.

Every choice that was left open is made here, once, and told; `run.json` then holds the run whole.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor

from checkpoints.errors import CheckpointError, ConfigError, CorpusError, RunError
from checkpoints.files import write_atomic
from checkpoints.runs import RunFolder
from corpora import catalogue, genres
from corpora.genres.base import Genre
from corpora.reading import read_corpus
from corpora.snapshot import Corpus, open_corpus
from engine import cells, devices, optimizers, precision, sizes, tokenizers
from engine.config import DataConfig, ModelConfig, TrainConfig
from engine.load import LoadedModel, open_run
from engine.model import grow
from engine.randomness import streams
from engine.rewriting import rewritten
from engine.sampling.prime import familiar
from engine.tokenizers.base import Tokenizer
from engine.tokens import TokenFile, keep_tokens, learn_tokenizer
from engine.tokens import prepare as prepare_tokens
from engine.training import plan, presets
from engine.training.fitting import fit
from engine.training.lanes import fits
from engine.training.session import CACHE, TOKENIZER_FOLDER
from engine.training.settings import CorpusRecord, RunSettings, steps_per_event

Note = Callable[[str], None]
Clock = Callable[[], float]
Progress = Callable[[int, int | None], None]
C = TypeVar("C", DataConfig, ModelConfig, TrainConfig)

DEFAULT_MINUTES = 10.0
SMALL_CHARS = 100_000
# How much of the text is looked at to tell its genre.
GENRE_CHARS = 100_000
# How much of the held-out text an opening is looked for in, and how long one may be.
PRIME_TOKENS = 20_000
PRIME_CHARS = 200


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

    parent = _open_parent(request, say)
    recipe = _recipe(request)
    data, model, training = _configs(request, recipe, parent)
    device, why_device = devices.choose(request.device)
    precision.arithmetic(  # refused before anything is made
        device, training.precision, model.cell, hidden_size=model.hidden_size
    )
    threads, why_threads = devices.choose_threads(request.threads)
    torch.set_num_threads(threads)
    cache = request.runs / CACHE

    corpus = _read(request, parent, data, cache, say, progress)
    genre = _genre(request, corpus, say)
    documents = data.documents == "on" or (data.documents == "auto" and genre.documents)
    if corpus.chars < SMALL_CHARS:
        say(f"advice: {corpus.chars:,} characters are few; 100 KB or more write better, 1 MB well")
    text, cuts = rewritten(corpus, data, genre, cache=cache, note=say, progress=progress)
    tokenizer, old_ids = _tokenizer(text, data, parent)
    tokens = prepare_tokens(
        text,
        tokenizer,
        data,
        cache=cache,
        starts=genre.document_starts,
        document_mode=documents,
        where=cuts,
        progress=progress,
    )
    say(_held_out(tokens, data))
    if parent is None and not request.like:
        model = plan.with_grams(model, request.given, vocab_size=tokenizer.vocab_size)
    lanes, bptt, fit_note = fits(len(tokens.train.tokens), training.lanes, training.bptt)
    if fit_note:
        say(fit_note)
    training = replace(
        training,
        lanes=lanes,
        bptt=bptt,
        lr=training.lr or optimizers.default_lr(training.optimizer),
    )
    given = {**recipe.model, **recipe.training, **request.given}
    if parent is not None:
        given.update({name: getattr(model, name) for name in plan.OF_A_PARENT})
    if training.minutes and not request.like:
        fitted = fit(
            model,
            training,
            given=given,
            vocab_size=tokenizer.vocab_size,
            tokens=len(tokens.train.tokens),
            documents=documents,
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
        count = len(tokens.train.tokens)
        epochs = plan.epochs(training, count)
        model = plan.fit_grams(model, epochs, given, tokens=count, documents=documents)
    if odd := optimizers.warn_if_odd(training.lr, training.optimizer):
        say(odd)
    prime, unfamiliar = familiar(tokenizer, training.prime)
    for unknown in unfamiliar:
        say(unknown)
    training = replace(training, prime=prime or _prime(genre, tokens, tokenizer))
    settings = RunSettings(
        data=data,
        model=model,
        training=training,
        corpus=CorpusRecord(
            paths=tuple(request.corpus) or (parent.paths if parent else ()),
            sha256=corpus.sha256,
            chars=corpus.chars,
            size_bytes=corpus.size_bytes,
            genre=genre.name,
            document_mode=documents,
        ),
        vocab_size=tokenizer.vocab_size,
        device=str(device),
        threads=threads,
        log_every=steps_per_event(
            training,
            parameters=plan.working_weights(model, tokenizer.vocab_size),
            text=len(tokens.train.tokens),
            device=str(device),
        ),
        parent=f"{parent.loaded.run}@{parent.loaded.step}" if parent else "",
    )
    say(_model_sentence(settings))
    say(_learning_sentence(settings))
    say(
        f"device: {device} ({why_device}); {threads} CPU thread{'s' if threads > 1 else ''} ({why_threads})"
        f"; {precision.told(device, training.precision, model.cell, hidden_size=model.hidden_size)}"
    )
    say(_needs(settings, request.runs))
    run = RunFolder.create(request.runs, request.name or _name(settings), settings.to_json())
    say(f"run: {run.path}")
    _store_tokenizer(run, tokenizer)
    keep_tokens(tokens, run.tokens_path)
    weights = None
    if parent is not None:
        rng = streams(training.seed).init
        weights = grow(parent.loaded.model, old_ids=old_ids, rng=rng).weights()
    return Prepared(run, tuple(notes), weights)


@dataclass(frozen=True, slots=True)
class _Parent:
    """The model that a fork begins from, and what its run knew of its text: nowhere to find it again if it is alone."""

    loaded: LoadedModel
    data: DataConfig
    corpus: CorpusRecord | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        return self.corpus.paths if self.corpus is not None else ()

    def text(self) -> Corpus | None:
        """The text that its run learned from, if it is still kept beside it."""
        if self.corpus is None:
            return None
        return open_corpus(self.loaded.path.resolve().parents[1] / CACHE, self.corpus.sha256)


def _open_parent(request: Request, say: Note) -> _Parent | None:
    if not request.parent:
        return None
    loaded = open_run(request.parent, request.runs, note=say)
    if not loaded.alone:
        run = RunFolder(loaded.path.resolve().parent)
        settings = RunSettings.from_json(run.record(), where=str(run.path / "run.json"))
        return _Parent(loaded, settings.data, settings.corpus)
    if loaded.data is None:
        raise CheckpointError(
            f"the checkpoint {loaded.path} lies in no run and is too old to say itself how its text was cut",
            hint="fork it where its run.json is, or only write with it: rnnstudio sample "
            f"{loaded.path}",
        )
    return _Parent(loaded, loaded.data)


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
    request: Request, recipe: presets.Recipe, parent: _Parent | None
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


def _read(
    request: Request,
    parent: _Parent | None,
    data: DataConfig,
    cache: Path,
    note: Note,
    progress: Progress | None,
) -> Corpus:
    asked = request.corpus or (parent.paths if parent is not None else ())
    if not asked:
        raise CorpusError(
            "there is nothing to learn from",
            hint="name a file: rnnstudio train YOUR.txt, or a corpus of `rnnstudio corpora list`",
        )
    paths = [catalogue.resolve(name, note=note) or name for name in asked]
    try:
        corpus = read_corpus(
            paths,
            cache,
            or_bytes=data.tokenizer == "byte",
            encoding=request.encoding,
            note=note,
            progress=progress,
        )
    except CorpusError:
        kept = None if request.corpus or parent is None else parent.text()
        if kept is None:
            raise
        note(f"{', '.join(asked)} cannot be read from here: the text is taken as the run keeps it")
        corpus = kept
    if _one_thing_only(corpus):
        raise CorpusError(
            f"{', '.join(asked)} has only one distinct {'byte' if corpus.binary else 'character'}, "
            "so there is nothing to learn",
            hint="is it the right file?",
        )
    what = "bytes" if corpus.binary else f"characters, {len(corpus.counts):,} different"
    note(f"corpus: {', '.join(asked)} · {corpus.chars:,} {what}")
    return corpus


def _one_thing_only(corpus: Corpus) -> bool:
    if not corpus.binary:
        return len(corpus.counts) == 1
    first = next(corpus.byte_pieces())[:1]
    return not any(piece.strip(first) for piece in corpus.byte_pieces())


def _genre(request: Request, corpus: Corpus, note: Note) -> Genre:
    if corpus.binary:
        return genres.find(genres.GENERAL)
    if request.genre:
        return genres.find(request.genre)
    genre, why = genres.detect(corpus.text(0, GENRE_CHARS))
    note(f"genre: {genre.title} ({why})")
    return genre


def _tokenizer(
    corpus: Corpus, data: DataConfig, parent: _Parent | None
) -> tuple[Tokenizer, list[int | None]]:
    """The tokenizer, and for each of its ids the parent's id of the same token."""
    if parent is None:
        return learn_tokenizer(corpus, data), []
    return parent.loaded.tokenizer.extended(() if corpus.binary else corpus.pieces())


def _held_out(tokens: TokenFile, data: DataConfig) -> str:
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
    return (
        f"held out: {' and '.join(parts)}, {how}"
        if parts
        else "held out: nothing, so no loss will be measured"
    )


def _prime(genre: Genre, tokens: TokenFile, tokenizer: Tokenizer) -> str:
    """An opening from the held-out text, so that no sample goes on from what was learned by heart."""
    part = tokens.valid if tokens.valid.chars else tokens.train
    return genre.primes(part.text(tokenizer, 0, PRIME_TOKENS))[0][:PRIME_CHARS]


def _model_sentence(settings: RunSettings) -> str:
    model = settings.model
    extras = [
        text
        for on, text in (
            (model.dropout > 0, f"dropout {model.dropout:g}"),
            (model.residual, "residual"),
            (model.layer_norm, "layer norm"),
            (model.tied, "tied embeddings"),
        )
        if on
    ]
    count = sizes.parameters(model, settings.vocab_size)
    tail = f", {', '.join(extras)}" if extras else ""
    return (
        f"model: {model.cell} {model.num_layers} x {model.hidden_size}, {settings.data.tokenizer} tokens "
        f"({settings.vocab_size:,}){tail} · {count:,} parameters"
    )


def _learning_sentence(settings: RunSettings) -> str:
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


# A checkpoint holds the weights and up to two averages of the optimizer for each, and with --ema one of the weights.
CHECKPOINT_BYTES_PER_WEIGHT = 12


def _needs(settings: RunSettings, runs: Path) -> str:
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


def _name(settings: RunSettings) -> str:
    first = settings.corpus.paths[0] if settings.corpus.paths else "run"
    stem = "stdin" if first == "-" else Path(first).name.split(".")[0]
    return stem or "run"


def _store_tokenizer(run: RunFolder, tokenizer: Tokenizer) -> None:
    folder = run.path / TOKENIZER_FOLDER
    try:
        folder.mkdir()
    except OSError as error:
        raise RunError(
            f"{folder} cannot be made: {error.strerror}", hint="free some space"
        ) from error
    for name, data in tokenizer.to_files().items():
        write_atomic(folder / name, data)
