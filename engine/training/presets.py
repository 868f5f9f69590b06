"""Presets: how long and how thoroughly (`--preset`), and the published recipes of peers (`--like`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from checkpoints.errors import ConfigError

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings by field name, for each of the three configurations, and where they were published."""

    about: str
    model: Settings = field(default_factory=lambda: MappingProxyType({}))
    training: Settings = field(default_factory=lambda: MappingProxyType({}))
    data: Settings = field(default_factory=lambda: MappingProxyType({}))


PRESETS: Mapping[str, Recipe] = {
    "quick": Recipe("two minutes: enough to see words and layout", training={"minutes": 2.0}),
    "standard": Recipe("ten minutes: the default", training={"minutes": 10.0}),
    "deep": Recipe("an hour, with patience", training={"minutes": 60.0, "patience": 12}),
}

# What no recipe may leave to us: our own defaults of these would change the peer's result.
_PLAIN = {"weight_decay": 0.0, "patience": 0, "ema": 0.0, "precision": "float32"}

LIKE: Mapping[str, Recipe] = {
    "char-rnn": Recipe(
        "Karpathy's char-rnn, defaults of train.lua",
        model={
            "cell": "lstm",
            "num_layers": 2,
            "hidden_size": 128,
            "embedding_size": 0,
            "dropout": 0.0,
            "init": "uniform",
        },
        training={
            **_PLAIN,
            "optimizer": "rmsprop",
            "lr": 2e-3,
            "rms_decay": 0.95,
            "schedule": "step",
            "lr_decay": 0.97,
            "lr_decay_after": 10.0,
            "lr_decay_every": 1.0,
            "lanes": 50,
            "bptt": 50,
            "clip": 5.0,
            "clip_by": "value",
            "loss": "sum",
            "epochs": 50.0,
            "seed": 123,
        },
        data={
            "tokenizer": "char",
            "valid_fraction": 0.05,
            "test_fraction": 0.0,
            "documents": "off",
        },
    ),
    "torch-rnn": Recipe(
        "Johnson's torch-rnn, defaults of train.lua and preprocess.py",
        model={
            "cell": "lstm",
            "num_layers": 2,
            "hidden_size": 128,
            "embedding_size": 64,
            "dropout": 0.0,
        },
        training={
            **_PLAIN,
            "optimizer": "adam",
            "lr": 2e-3,
            "schedule": "step",
            "lr_decay": 0.5,
            "lr_decay_after": 0.0,
            "lr_decay_every": 5.0,
            "lanes": 50,
            "bptt": 50,
            "clip": 5.0,
            "clip_by": "value",
            "epochs": 50.0,
        },
        data={"tokenizer": "char", "valid_fraction": 0.1, "test_fraction": 0.1, "documents": "off"},
    ),
    "min-char-rnn": Recipe(
        "Karpathy's 112-line min-char-rnn.py; it never ends by itself, so give a budget (here 10 passes)",
        model={
            "cell": "rnn",
            "num_layers": 1,
            "hidden_size": 100,
            "embedding_size": 0,
            "dropout": 0.0,
            "init": "small",
        },
        training={
            **_PLAIN,
            "optimizer": "adagrad",
            "lr": 0.1,
            "schedule": "constant",
            "lanes": 1,
            "bptt": 25,
            "clip": 5.0,
            "clip_by": "value",
            "loss": "sum",
            "epochs": 10.0,
        },
        data={
            "tokenizer": "char",
            "valid_fraction": 0.05,
            "test_fraction": 0.0,
            "documents": "off",
        },
    ),
    "folk-rnn": Recipe(
        "folk-rnn, configurations/config5.py; the gradient flows back through 512 tokens, nearly every tune",
        model={
            "cell": "lstm",
            "num_layers": 3,
            "hidden_size": 512,
            "embedding_size": 0,
            "dropout": 0.5,
        },
        training={
            **_PLAIN,
            "optimizer": "rmsprop",
            "lr": 3e-3,
            "rms_decay": 0.9,
            "schedule": "step",
            "lr_decay": 0.97,
            "lr_decay_after": 20.0,
            "lr_decay_every": 1.0,
            "lanes": 64,
            "bptt": 512,
            "clip": 5.0,
            "clip_by": "value",
            "epochs": 100.0,
        },
        data={"valid_fraction": 0.05, "test_fraction": 0.0, "documents": "on"},
    ),
    "nanogpt-cpu-budget": Recipe(
        "an LSTM on the budget of nanoGPT's CPU setting: 0.8 M parameters, 2,000 steps of 12 x 64 characters",
        model={
            "cell": "lstm",
            "num_layers": 2,
            "hidden_size": 240,
            "embedding_size": 64,
            "dropout": 0.0,
        },
        training={"steps": 2000, "lanes": 12, "bptt": 64},
        data={"tokenizer": "char", "split": "nanogpt", "documents": "off"},
    ),
}


def find(table: Mapping[str, Recipe], name: str, flag: str) -> Recipe:
    """The recipe of that name. Raises ConfigError naming those there are."""
    if name not in table:
        raise ConfigError(f"--{flag} {name!r} is not known", hint=f"use one of {', '.join(table)}")
    return table[name]
