"""Every setting of a run, as frozen dataclasses: built once at the edge, passed down whole, stored in `run.json`.

The line of documentation under each field is the command line's help and the studio's form at once (`field_help`).
Values are checked here and nowhere else.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from checkpoints.errors import ConfigError

TOKENIZERS = ("char", "byte", "word", "bpe", "unigram", "abc")
OPTIMIZERS = ("muon", "adamw", "adam", "rmsprop", "adagrad", "sgd")
SCHEDULES = ("cosine", "constant", "step", "plateau")
SPLITS = ("tail", "nanogpt")
DEVICES = ("auto", "cpu", "cuda", "mps")

# Limits that no honest model meets; they keep a hostile or mistyped size from allocating anything.
MAX_HIDDEN = 65_536
MAX_LAYERS = 64
MAX_GRAMS = 16
MAX_GRAM_ROWS = 1 << 24
MAX_MINUTES = 366 * 24 * 60
# What torch's generators take.
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DataConfig:
    """How text becomes tokens, and what is held out."""

    tokenizer: str = "char"
    """How text is cut: char, byte, word, bpe, unigram or abc."""

    vocab_size: int = 0
    """Most tokens of every tokenizer but byte; 0: by the corpus."""

    split: Literal["tail", "nanogpt"] = "tail"
    """Held out: the tail, cut at a document or line, or the last 10 % by characters (nanogpt)."""

    valid_fraction: float = 0.05
    """Share held out for validation; 0: none."""

    test_fraction: float = 0.05
    """Share at the end, never looked at; 0: none."""

    documents: Literal["auto", "on", "off"] = "auto"
    """Whether it is many short pieces, each read from a fresh state (tunes, recipes)."""

    transpose: str = ""
    """Tunes: in all keys (all) or in one (its tonic: D)."""

    titles: bool = True
    """Tunes: keep titles."""

    chords: bool = True
    """Tunes: keep chord symbols and other quotes."""

    @property
    def rewrites(self) -> bool:
        """Whether pieces are changed before they are learned."""
        return bool(self.transpose) or not (self.titles and self.chords)

    def __post_init__(self) -> None:
        _one_of("tokenizer", self.tokenizer, TOKENIZERS)
        _one_of("split", self.split, SPLITS)
        _one_of("documents", self.documents, ("auto", "on", "off"))
        if self.vocab_size < 0:
            raise ConfigError(
                f"vocab-size is {self.vocab_size}", hint="use 0 (chosen for you) or more"
            )
        for name in ("valid_fraction", "test_fraction"):
            _share(name, getattr(self, name))
        if self.valid_fraction + self.test_fraction > 0.9:
            raise ConfigError(
                f"{self.valid_fraction:.0%} for validation and {self.test_fraction:.0%} for test leave too little "
                "to learn from",
                hint="hold out at most 90 % together; 5 % each is a good start",
            )


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network's shape. It is stored in every checkpoint, which can be opened without the run."""

    cell: str = "lstm"
    """Recurrent cell: lstm, lstm_ln, gru, rnn, rnn_relu, mut1, mut2, mut3, qrnn."""

    num_layers: int = 2
    """Recurrent layers."""

    hidden_size: int = 192
    """Units a layer; chosen in a budget of minutes."""

    embedding_size: int = 64
    """Size of a token's vector; 0 feeds tokens as one-hot vectors."""

    grams: int = 0
    """Longest run of tokens with a vector of its own, 0: none; 5 for characters, but in short texts read often."""

    gram_size: int = 32
    """Size of such a run's vector."""

    gram_rows: int = 32_768
    """How many such vectors there are, shared by all runs."""

    gram_dropout: float = 0.0
    """Share of runs left out in training; 0 to 0.7, by the passes over the text."""

    dropout: float = 0.0
    """Share of units silenced between layers; small corpora want 0.1 to 0.5."""

    residual: bool = False
    """Add each layer's input to its output (from the second layer on)."""

    layer_norm: bool = False
    """Normalise each layer's output."""

    tied: bool = False
    """Use the embedding's matrix for the output layer too."""

    init: Literal["orthogonal", "uniform", "small"] = "orthogonal"
    """Start of the weights: orthogonal (and scaled), uniform in ±0.08 (char-rnn's), small (normal, 0.01)."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_layers <= MAX_LAYERS:
            raise ConfigError(
                f"layers is {self.num_layers}", hint=f"use 1 to {MAX_LAYERS}; 2 is a good start"
            )
        for name, least, most in (
            ("hidden_size", 1, MAX_HIDDEN),
            ("embedding_size", 0, MAX_HIDDEN),
            ("grams", 0, MAX_GRAMS),
            ("gram_size", 1, MAX_HIDDEN),
            ("gram_rows", 1, MAX_GRAM_ROWS),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f"{_flag(name)} is {value}", hint=f"use {least} to {most:,}")
        if self.tied and self.embedding_size == 0:
            raise ConfigError("tied embeddings need an embedding", hint="use --embed 64")
        if self.grams > 1 and self.embedding_size == 0:
            raise ConfigError(
                "runs of tokens need an embedding", hint="use --grams 0, or --embed 64"
            )
        _one_of("init", self.init, ("orthogonal", "uniform", "small"))
        for name in ("dropout", "gram_dropout"):
            _share(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How the network learns, for how long, and what is written on the way."""

    seed: int = 1
    """The same seed gives the same run."""

    steps: int = 0
    """Budget in optimizer steps."""

    epochs: float = 0.0
    """Budget in passes over the text."""

    minutes: float = 0.0
    """Most minutes; model and passes are chosen to fit."""

    lanes: int = 16
    """Streams of text read side by side (the batch)."""

    bptt: int = 64
    """Tokens that the gradient flows back through; 128 in a budget of minutes with steps enough."""

    optimizer: str = "muon"
    """Optimizer: muon (with adamw for what is no matrix of the stack), adamw, adam, rmsprop, adagrad, sgd."""

    lr: float = 0.0
    """Learning rate; 0: the optimizer's own."""

    momentum: float = 0.9
    """Momentum of sgd."""

    rms_decay: float = 0.99
    """Decay of rmsprop's running mean of squares (char-rnn: 0.95)."""

    weight_decay: float = 0.01
    """Decoupled decay of matrices; with muon 0.1."""

    schedule: str = "cosine"
    """Learning-rate schedule: cosine (with warm-up, over the budget), constant, step (per epoch), plateau."""

    warmup: float = 0.02
    """Share of the budget over which the cosine schedule's rate rises."""

    lr_final: float = 0.03
    """Share of the rate that the cosine schedule ends with."""

    lr_decay: float = 0.97
    """Factor of the step schedule (each epoch) or of the plateau schedule (each time it waits in vain)."""

    lr_decay_after: float = 10.0
    """Epochs before the step schedule begins to decay."""

    lr_decay_every: float = 1.0
    """Epochs between two decays of the step schedule."""

    clip: float = 1.0
    """Gradient clipping threshold; 0 turns it off."""

    clip_by: Literal["norm", "value"] = "norm"
    """Clip the whole gradient's norm, or each element."""

    loss: Literal["mean", "sum"] = "mean"
    """A window's loss: its mean, or its sum over time."""

    ema: float = 0.0
    """Decay of a running average of the weights that validation and samples use; 0: none."""

    patience: int = 0
    """Stop after this many validations without a better one, 0: never; 8 in a budget of minutes."""

    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """Arithmetic: bf16, fp16 (GPUs), float32; auto: the one that GPU or CPU is fastest in."""

    checkpoint_every: int = 0
    """Steps between checkpoints with validation and samples; 0: log-spaced (100, 300, 500, 700, 1200, 2000 ...)."""

    checkpoint_seconds: float = 120.0
    """Seconds between safety checkpoints, the first after 20 s; 0: none."""

    keep: int = 24
    """Checkpoints kept beside the best and the last, spaced evenly in log(step)."""

    sample_length: int = 400
    """Characters of each sample written at a checkpoint; 0: no samples."""

    temperatures: tuple[float, ...] = (0.5, 0.8, 1.0)
    """Temperatures of the samples written at each checkpoint."""

    prime: str = ""
    """What samples go on from; empty: a held-out opening."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(float(t) for t in self.temperatures))
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("clip-by", self.clip_by, ("norm", "value"))
        _one_of("loss", self.loss, ("mean", "sum"))
        _one_of("precision", self.precision, ("auto", "float32", "bf16", "fp16"))
        if self.bptt < 1:
            raise ConfigError(f"bptt is {self.bptt}", hint="use 1 or more; 64 is a good start")
        if self.lanes < 1:
            raise ConfigError(f"lanes is {self.lanes}", hint="use 1 or more; 16 is a good start")
        for name in (
            "steps",
            "epochs",
            "minutes",
            "lr",
            "clip",
            "patience",
            "checkpoint_every",
            "checkpoint_seconds",
            "lr_decay_every",
            "keep",
            "sample_length",
            "weight_decay",
            "lr_decay_after",
        ):
            value = getattr(self, name)
            if not value >= 0:
                budget = name in ("steps", "epochs", "minutes")
                raise ConfigError(
                    f"{_flag(name)} is {value}",
                    hint="use more than 0" if budget else "use 0 or more",
                )
            if value > sys.float_info.max:  # infinite, or a whole number beyond all others
                raise ConfigError(f"{_flag(name)} is too large", hint="use a smaller one")
        if self.minutes > MAX_MINUTES:
            raise ConfigError(
                f"--minutes is {self.minutes:g}, more than a year",
                hint="give a budget in --steps or --epochs instead",
            )
        for name in ("momentum", "rms_decay", "ema", "warmup"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigError(f"{_flag(name)} is {value}", hint="use 0 up to, not with, 1")
        for name in ("lr_final", "lr_decay"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ConfigError(f"{_flag(name)} is {value}", hint="use more than 0, up to 1")
        if any(not (math.isfinite(t) and t >= 0) for t in self.temperatures):
            raise ConfigError(
                f"temperatures are {self.temperatures}",
                hint="use 0 or more, for example 0.5,0.8,1.0",
            )
        check_seed(self.seed)


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """How text is drawn from the model; the fields apply in the order in which they stand here."""

    weights: Literal["auto", "float32", "int16", "int8"] = "auto"
    """Weights on the CPU: float32, int16, int8; auto: int8 for large networks, else float32 (int16 by NumPy)."""

    repetition_penalty: float = 1.0
    """Divide the last 64 tokens' odds by this."""

    temperature: float = 0.8
    """Below 1 safer, above 1 bolder; 1: the model as it is; 0: the likeliest."""

    top_k: int = 0
    """Keep the k likeliest tokens; 0: all."""

    top_p: float = 1.0
    """Keep the likeliest tokens that together reach this probability; 1: all."""

    min_p: float = 0.0
    """Drop tokens less likely than this share of the likeliest one's probability; 0: none."""

    typical_p: float = 1.0
    """Keep tokens whose surprise is nearest the mean, up to this probability; 1: all."""

    def __post_init__(self) -> None:
        _one_of("weights", self.weights, ("auto", "float32", "int16", "int8"))
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(
                f"temperature is {self.temperature}", hint="use 0 or more; 0.8 is a good start"
            )
        if self.top_k < 0:
            raise ConfigError(f"top-k is {self.top_k}", hint="use 0 (all) or more")
        for name in ("top_p", "typical_p"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ConfigError(
                    f"{_flag(name)} is {value}", hint="use more than 0, up to 1 (off)"
                )
        if not 0 <= self.min_p <= 1:
            raise ConfigError(f"min-p is {self.min_p}", hint="use 0 (off) to 1")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty >= 1):
            raise ConfigError(
                f"repetition-penalty is {self.repetition_penalty}", hint="use 1 (off) or more"
            )


C = TypeVar("C")


def to_json(config: Any) -> dict[str, Any]:
    """The settings as JSON holds them."""
    return dataclasses.asdict(config)


def from_json(cls: type[C], body: Mapping[str, Any]) -> C:
    """Settings read back from JSON; those that this version does not know are dropped.

    Raises ConfigError where a value has the wrong type or cannot be.
    """
    if not isinstance(body, Mapping):
        raise ConfigError(f"{cls.__name__} is {type(body).__name__}, not an object")
    values = {}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        if f.name not in body:
            continue
        value, default = body[f.name], f.default
        if isinstance(default, bool):
            fits = isinstance(value, bool)
        elif isinstance(default, int):
            fits = isinstance(value, int) and not isinstance(value, bool)
        elif isinstance(default, float):
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        elif isinstance(default, tuple):
            fits = isinstance(value, list | tuple) and all(
                isinstance(v, int | float) for v in value
            )
        else:
            fits = isinstance(value, str)
        if not fits:
            raise ConfigError(
                f"{_flag(f.name)} is {value!r}, which is not a {type(default).__name__}"
            )
        values[f.name] = value
    return cls(**values)


@cache
def field_help(cls: type) -> dict[str, str]:
    """The line of documentation under each field of a configuration class, by field name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[node.target.id] = after.value.value
    return found


# Where the flag's name is not simply the field's with dashes.
FLAGS = {"num_layers": "layers", "hidden_size": "hidden", "embedding_size": "embed"}


def _flag(field_name: str) -> str:
    return FLAGS.get(field_name, field_name.replace("_", "-"))


def check_seed(seed: int) -> None:
    """Raises ConfigError for what is no seed."""
    if not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed is {seed}", hint="use a whole number from 0 to 2^63 - 1")


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"{_flag(name)} is {value}", hint="use a share from 0 up to, not with, 1")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}", hint=f"use one of {', '.join(allowed)}")
