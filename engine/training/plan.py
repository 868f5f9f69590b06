"""Choosing what the user left open: a model, lanes and dropout that fit the text, the machine and the time.

The figures behind the rules come from trials on two CPU cores (docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine import sizes
from engine.config import ModelConfig, TrainConfig

HIDDEN = (64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024)
# At 3 minutes 2x256, reading 3 tokens a weight, beat 2x128, reading 28, by 0.04 nats/char (one core, bf16), and 2x320,
# reading 2.1, beat 2x256, reading 4.4, by 0.012 (two). With runs of tokens at the input, what read less than a few
# million lost 0.015 to 0.03 with so few for each weight (2.3 to 2.7), beside narrower networks (4.8 to 5.7).
TOKENS_PER_WEIGHT = 2.0
IN_SHORT_RUNS = 3.0
SHORT_RUN = 3_800_000
# A model with more weights than this many times the text's tokens learns it by heart before it learns to write.
WEIGHTS_PER_TOKEN = 2.0
SMALLEST_CAP = 60_000
# Passes over the text, as foreseen, from which each dropout pays (2 % of loss either way near the borders; looks and
# other programs take a tenth of what is foreseen, or more).
DROPOUT_FROM_EPOCHS = ((40.0, 0.4), (20.0, 0.3), (12.0, 0.2), (9.0, 0.1), (0.0, 0.0))
# The longest run of tokens with a vector of its own (`engine.grams`), up to how many different tokens, and the share of
# runs left out in training. Those that are most of the time left out are dropout enough until the text is read often:
# at 14 passes 0.1 beside them won 0.004 over 0.2 (one seed each), at 40 0.2 won 0.005 over 0.3.
GRAMS = 5
LARGEST_ALPHABET = 1000
MOST_LEFT_OUT = 0.7
GRAM_DROPOUT_FROM_EPOCHS = ((9.0, MOST_LEFT_OUT), (2.5, 0.5), (2.0, 0.3), (0.0, 0.0))
DROPOUT_BESIDE_GRAMS = ((18.0, 0.2), (9.0, 0.1), (0.0, 0.0))
# Beyond so many passes they are for one long text, of so many tokens: they won 0.01 at 13 to 20 passes over a million
# and 0.04 at 40 over 400,000, but lost 0.03 at 70 over 90,000. Tunes, read in documents, lost 0.03 at 10 passes with
# half of them left out, and won nothing at 20 with 0.7 or 0.85.
GRAMS_ANYWHERE_UP_TO = 9.0
LONG_TEXT = 350_000
# Windows twice as long as usual win 0.01 to 0.02 nats/char where that leaves so many steps (944 and 1,683 won, 500 and
# 583 lost): Muon's products come half as often.
LONG_WINDOW = 128
LEAST_STEPS = 900
# Validations without a better one before a run that the program laid out gives up; they are log-spaced, so this is a
# run that got nowhere for three quarters of its length.
PATIENCE = 8

# A GPU computes 128 lanes in little more than the time of 16. More are tried while each doubling reads so much faster,
WIDER_LANES = (32, 64, 128, 256, 512)
FASTER = 1.3
# and while the text is read no more often than this, in windows of which a pass has so many: small batches learn more
# from each token, and more passes would end in learning by heart.
MOST_PASSES = 8.0
LEAST_WINDOWS = 500


@dataclass(frozen=True, slots=True)
class Measured:
    """What the machine did: `tokens_per_s` with a model of `weights` weights."""

    tokens_per_s: float
    weights: int

    def tokens_per_s_with(self, weights: int) -> float:
        """Work grows with the weights that each token passes."""
        return self.tokens_per_s * self.weights / weights


def working_weights(model: ModelConfig, vocab_size: int) -> int:
    """Weights that a token's computation touches: all but tables, of which some rows are looked up."""
    table = vocab_size * model.embedding_size if not model.tied else 0
    if model.grams > 1:
        table += model.gram_rows * model.gram_size
    return max(1, sizes.parameters(model, vocab_size) - table)


def choose(
    model: ModelConfig,
    training: TrainConfig,
    *,
    given: Mapping[str, Any],
    measured: Measured,
    vocab_size: int,
    tokens: int,
    documents: bool = False,
) -> tuple[ModelConfig, TrainConfig, str]:
    """The model and training for a budget of minutes, leaving all that was `given` as it is; and why, in a sentence.

    `tokens` counts the training text. It may be read in `documents`, whose ends would leave long windows half empty.
    """
    seconds = training.minutes * 60

    def reading(candidate: ModelConfig) -> float:
        return measured.tokens_per_s_with(working_weights(candidate, vocab_size)) * seconds

    if "hidden_size" not in given:
        cap = max(SMALLEST_CAP, WEIGHTS_PER_TOKEN * tokens)

        def fits(candidate: ModelConfig) -> bool:
            weights, reads = working_weights(candidate, vocab_size), reading(candidate)
            least = IN_SHORT_RUNS if reads < SHORT_RUN else TOKENS_PER_WEIGHT
            return weights <= cap and reads >= least * weights

        narrowest, *wider = (replace(model, hidden_size=size) for size in HIDDEN)
        model = next(filter(fits, reversed(wider)), narrowest)
    epochs = reading(model) / max(tokens, 1)
    model = fit_grams(model, epochs, given, tokens=tokens, documents=documents)
    if "dropout" not in given:
        few = model.grams > 1 and model.gram_dropout >= MOST_LEFT_OUT
        beside = few and _is_one_long_text(tokens, documents=documents)
        table = DROPOUT_BESIDE_GRAMS if beside else DROPOUT_FROM_EPOCHS
        model = replace(model, dropout=_from(table, epochs))
    epochs = reading(model) / max(tokens, 1)  # a little more without the runs
    if "patience" not in given:
        training = replace(training, patience=PATIENCE)
    step = training.lanes * LONG_WINDOW
    if (
        not ("bptt" in given or documents)
        and training.bptt == TrainConfig().bptt  # no shorter one, which a short text has
        and 2 * step <= tokens
        and reading(model) >= LEAST_STEPS * step
    ):
        training = replace(training, bptt=LONG_WINDOW)
    rate = measured.tokens_per_s_with(working_weights(model, vocab_size))
    why = (
        f"{model.hidden_size} units a layer: in {counted(training.minutes, 'minute')} about {epochs:.1f} passes over "
        f"the text at {rate:,.0f} tokens/s"
    )
    if model.dropout and "dropout" not in given:
        why += f"; dropout {model.dropout:g} against learning it by heart"
    return model, training, why


def with_grams(model: ModelConfig, given: Mapping[str, Any], *, vocab_size: int) -> ModelConfig:
    """The model with vectors for runs of tokens, where those are few: runs of words or of Chinese seldom come again."""
    if "grams" in given or not model.embedding_size or vocab_size > LARGEST_ALPHABET:
        return model
    return replace(model, grams=GRAMS)


def epochs(training: TrainConfig, tokens: int) -> float:
    """Passes over a text of `tokens` that a budget in steps or passes is good for; 0 if there is neither."""
    steps = training.steps * training.lanes * training.bptt / max(1, tokens)
    return min(filter(None, (training.epochs, steps)), default=0.0)


def fit_grams(
    model: ModelConfig, epochs: float, given: Mapping[str, Any], *, tokens: int, documents: bool
) -> ModelConfig:
    """The model with as many of its runs left out as so many passes over a text of `tokens` want, or without runs."""
    serves = epochs < GRAMS_ANYWHERE_UP_TO or _is_one_long_text(tokens, documents=documents)
    if model.grams > 1 and "grams" not in given and not serves:
        return replace(model, grams=0)
    if model.grams < 2 or "gram_dropout" in given:
        return model
    return replace(model, gram_dropout=_from(GRAM_DROPOUT_FROM_EPOCHS, epochs))


def fill_card(
    training: TrainConfig,
    measured: Measured,
    *,
    measure: Callable[[TrainConfig], Measured],
    tokens: int,
) -> tuple[TrainConfig, Measured]:
    """As many lanes as pay on an accelerator for a text of `tokens`, and how fast they were.

    `measured` is the speed of `training` as it is, `measure` gives that of another.
    """
    for lanes in WIDER_LANES:
        if lanes <= training.lanes:
            continue
        if lanes * training.bptt * LEAST_WINDOWS > tokens:
            break
        wider = replace(training, lanes=lanes)
        found = measure(wider)
        passes = found.tokens_per_s * training.minutes * 60 / tokens
        if found.tokens_per_s < FASTER * measured.tokens_per_s or passes > MOST_PASSES:
            break
        training, measured = wider, found
    return training, measured


def _is_one_long_text(tokens: int, *, documents: bool) -> bool:
    return tokens >= LONG_TEXT and not documents


def _from(table: tuple[tuple[float, float], ...], epochs: float) -> float:
    """What a table of (least passes, setting), most passes first, has for so many."""
    return next(setting for least, setting in table if epochs >= least)


def counted(number: float, what: str) -> str:
    """`1 minute`, `2.5 minutes`, `12,000 steps`."""
    return f"{number:,.10g} {what}{'' if number == 1 else 's'}"
