"""From what was typed in the new-run form to a command line: fields, their types, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from checkpoints.errors import ConfigError, RnnStudioError
from checkpoints.paths import exists, expanded
from checkpoints.runs import default_runs, find_run, safe_name
from corpora import catalogue
from engine import cells, sizes
from engine.config import (
    DEVICES,
    FLAGS,
    OPTIMIZERS,
    SCHEDULES,
    TOKENIZERS,
    DataConfig,
    ModelConfig,
    TrainConfig,
    field_help,
)
from engine.training import plan
from engine.training.presets import LIKE, PRESETS
from tui.literal import meant

CONFIGS: tuple[type, ...] = (DataConfig, ModelConfig, TrainConfig)
CHOSEN = ("grams", "gram_dropout", "hidden_size", "dropout", "bptt", "patience", "lr")
"""Settings that the trainer chooses to fit text, machine and time, unless they are given."""
SHOWN = {"minutes": "10, without a budget"}
"""What the trainer takes where the default means nothing by itself."""
BASIC = ("minutes", "tokenizer", "cell", "num_layers", "hidden_size", "prime")
LARGEST = 10**18
"""No count is as large; what it is reckoned with stays a number that a float can hold."""
_CHOICES = {"tokenizer": TOKENIZERS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form. What is left empty is the `default`, or chosen by the trainer."""

    name: str
    label: str
    help: str
    default: str
    choices: tuple[str, ...] = ()
    config: type | None = None
    kind: Any = str


@cache
def fields() -> tuple[Field, ...]:
    """Every line of the form, in order: where the text is from, the settings that matter, then all others."""
    own = [
        Field(
            "corpus",
            "corpus",
            "A file, a folder, an archive, or a name of the catalogue.",
            "a path or a name",
        ),
        Field("name", "name", "The run's name; empty takes the corpus's.", ""),
        Field(
            "preset",
            "preset",
            "; ".join(f"{name}: {recipe.about}" for name, recipe in PRESETS.items()),
            "",
            tuple(PRESETS),
        ),
    ]
    settings = {f.name: f for config in CONFIGS for f in _of(config)}
    basic = [settings[name] for name in BASIC]
    rest = [
        Field("like", "like", "A peer's published recipe instead of ours.", "", tuple(LIKE)),
        Field("device", "device", "Where it computes.", "auto", DEVICES),
        Field("threads", "threads", "Processors it computes with.", "chosen", kind=int),
        Field("parent", "from", "Go on from another run's model: RUN or RUN@STEP.", ""),
        *(f for name, f in settings.items() if name not in BASIC),
    ]
    return (*own, *basic, *rest)


def _of(config: type) -> list[Field]:
    hints, helps = get_type_hints(config), field_help(config)
    out = []
    for f in dataclasses.fields(config):
        kind = hints[f.name]
        choices: tuple[str, ...] = _CHOICES.get(f.name, ())
        if f.name == "cell":
            choices = tuple(cells.names())
        elif get_origin(kind) is Literal:
            choices, kind = get_args(kind), str
        elif kind is bool:
            choices = ("no", "yes")
        out.append(
            Field(
                f.name,
                FLAGS.get(f.name, f.name.replace("_", "-")),
                helps.get(f.name, ""),
                "chosen" if f.name in CHOSEN else SHOWN.get(f.name) or _show(f.default),
                choices,
                config,
                kind,
            )
        )
    return out


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(f"{v:g}" for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def parent_model(text: str, runs: Path) -> Mapping[str, Any]:
    """The model that a run goes on from; nothing where there is no such run."""
    try:
        model = find_run(text, runs).run.record().get("model") if text.strip() else None
    except RnnStudioError:
        return {}
    return model if isinstance(model, dict) else {}


def as_in(field: Field, model: Mapping[str, Any]) -> Field:
    """The field as a fork shows it: what is left empty is its parent's."""
    if field.config is not ModelConfig or field.name not in model:
        return field
    return dataclasses.replace(field, default=_show(model[field.name]))


def parse(field: Field, text: str) -> Any:
    """The value that was typed. Raises ConfigError with what would be right."""
    text = text.strip() if field.name != "prime" else meant(text)
    if field.choices and text not in field.choices:
        raise ConfigError(
            f"{field.label} is {text!r}", hint=f"use one of {', '.join(field.choices)}"
        )
    try:
        if field.kind is bool:
            return text == "yes"
        if field.kind is int:
            number = int(text.replace(",", "").replace("_", ""))
            if abs(number) < LARGEST:
                return number
            raise ConfigError(f"{field.label} is {text[:9]}…", hint="use fewer digits")
        if field.kind is float:
            return float(text)
        if get_origin(field.kind) is tuple:
            return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}.get(
            field.kind, "numbers, for example 0.5 0.8 1.0"
        )
        raise ConfigError(f"{field.label} is {text!r}", hint=f"use {wanted}") from None
    return text


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was typed, understood: settings by field name where they differ from the defaults, and what is wrong."""

    given: Mapping[str, Any]
    wrong: Mapping[str, str]
    """By field name, what is wrong with it and what would be right."""


def understand(typed: Mapping[str, str]) -> Recipe:
    """Check every field by itself and each configuration as a whole."""
    given: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    known = {f.name: f for f in fields()}
    for name, text in typed.items():
        field = known.get(name)
        if field is None or not text.strip():
            continue  # left to the trainer
        try:
            value = parse(field, text)
        except ConfigError as error:
            wrong[name] = f"{error.message}: {error.hint}"
            continue
        given[name] = value
    for config in CONFIGS:
        names = {f.name for f in known.values() if f.config is config}
        values = {name: value for name, value in given.items() if name in names}
        try:
            config(**values)
        except ConfigError as error:
            blamed = next((n for n in values if error.message.startswith(known[n].label)), None)
            wrong[blamed or next(iter(values), "corpus")] = f"{error.message}: {error.hint}"
    return Recipe(given, wrong)


def corpus_paths(text: str) -> list[str]:
    """What the corpus field names: one path or name, or several as a shell would separate them."""
    text = text.strip()
    if not text or exists(expanded(text)) or text in catalogue.entries():
        return [text] if text else []
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


def free_name(wanted: str, corpus: str, runs: Path, starting: Collection[Path] = ()) -> str:
    """A name that no run has: the wanted one or the corpus's, with a number where it is taken.

    `starting` are the folders of runs that may not be on the disk yet.
    """
    name = safe_name(wanted or Path(corpus).stem or "run")
    number = 1
    candidate = name
    while exists(runs / candidate) or runs / candidate in starting:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def command(recipe: Recipe, *, runs: Path, name: str) -> list[str]:
    """The words after `rnnstudio` that start this run."""
    known = {f.name: f for f in fields()}
    words = ["train", *corpus_paths(str(recipe.given.get("corpus", "")))]
    words += ["--name", name]
    if runs != default_runs():
        words += ["--runs", str(runs)]
    for key, value in recipe.given.items():
        if key in ("corpus", "name"):
            continue
        flag = "--" + known[key].label
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, tuple):
            words += [flag, ",".join(f"{v:g}" for v in value)]
        else:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return words


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would be like, as far as that can be said before."""

    model: ModelConfig
    parameters: int
    memory_bytes: int
    tokens_per_s: float | None = None
    epochs: float | None = None
    seconds: float | None = None
    why: str = ""


def estimate(
    recipe: Recipe,
    *,
    chars: int,
    vocab_size: int,
    measured: plan.Measured | None,
    documents: bool = False,
    parent: Mapping[str, Any] = MappingProxyType({}),
) -> Estimate | None:
    """The same reckoning as the trainer's (`engine.training.plan`); None while something is wrong.

    `documents` says whether such a text is read in documents, unless the recipe says so itself; `parent` is the model
    that a fork goes on from. Tokens are counted as characters, or a quarter of them for words and pieces.
    """
    if recipe.wrong:
        return None
    per_token = 1 if recipe.given.get("tokenizer", "char") in ("char", "byte") else 4
    tokens = round(chars * 0.9) // per_token
    given = {**parent, **recipe.given}
    preset = PRESETS.get(str(given.get("preset", "")))
    if preset is not None:
        given = {**preset.training, **preset.model, **given}
    like = LIKE.get(str(given.get("like", "")))
    if like is not None:
        given = {**like.training, **like.model, **given}

    def made(config: type) -> Any:
        names = {f.name for f in dataclasses.fields(config)}
        return config(**{k: v for k, v in given.items() if k in names})

    try:
        model, training = made(ModelConfig), made(TrainConfig)
        if not (training.steps or training.epochs or training.minutes):
            training = dataclasses.replace(training, minutes=10.0)
        if like is None and not parent:
            model = plan.with_grams(model, given, vocab_size=vocab_size)
        asked = given.get("documents", "auto")
        documents = asked == "on" or (asked == "auto" and documents)
        decided = {
            name: value
            for name, value in given.items()
            if name in recipe.given or name not in parent or name in plan.OF_A_PARENT
        }
        passes = plan.epochs(training, tokens)
        model = plan.fit_grams(model, passes, decided, tokens=tokens, documents=documents)
        why, asked_for = "", training
        if measured is not None and training.minutes and like is None:
            model, training, why = plan.choose(
                model,
                training,
                given=decided,
                measured=measured,
                vocab_size=vocab_size,
                tokens=tokens,
                documents=documents,
            )
        parameters = sizes.parameters(model, vocab_size)
        memory = sizes.training_bytes(
            model, vocab_size=vocab_size, lanes=training.lanes, bptt=training.bptt
        )
    except ConfigError:
        return None
    if measured is None:
        return Estimate(model, parameters, memory)
    rate = measured.tokens_per_s_with(plan.working_weights(model, vocab_size))
    rate = plan.rate_with(training, rate, measured_with=asked_for)
    budgets = [training.minutes * 60] if training.minutes else []
    if epochs := plan.epochs(training, tokens):
        budgets.append(epochs * tokens / rate)
    seconds = min(budgets)
    return Estimate(model, parameters, memory, rate, seconds * rate / max(1, tokens), seconds, why)
