"""Choosing what the user left open: a model, lanes and dropout that fit the text, the machine and the time.

The figures behind the rules come from trials on two CPU cores (docs/experiments.md).
"""

from __future__ import annotations

import math
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
# A model with more weights than this many times the text's tokens learns it by heart before it learns to write. More of
# them serve where there is time to read the text so often: 240,000 characters were at 1.399 with 3.7 weights each, at
# 1.413 with 2.2, recipes at 1.065 with 3.6, at 1.090 with 1.5; tunes at 0.704 with 3.7, 0.691 with 2.4, 0.694 with 1.4.
WEIGHTS_PER_TOKEN = 2.0
MOST_WEIGHTS_PER_TOKEN = 3.5
PASSES_FOR_MORE = 18.0
SMALLEST_CAP = 60_000
# More passes over a text end in learning it by heart, whatever is left out: of 90,000 characters a network of 2x96 knew
# 1.48 after 40 and 52, 1.49 after 77 and 1.58 after 195. So a budget of minutes is spent on so many at most, unless the
# user says how many; less than 20,000 tokens want more of them (5,000: 2.09 after 50, 2.22 after 25, 2.10 after 114).
ENOUGH_PASSES = 25
MOST_OF_SHORT = 50
ENOUGH_FOR_SHORT = 500_000
# (lanes, window) for a text of which fewer steps than ENOUGH_STEPS would be made, as far as time allows. 90,000
# characters: 16x128 1.47, 16x64 1.435, 16x32 1.436, 8x64 1.423; 18,000: 16x64 1.85, 16x32 1.80, 8x32 1.78,
# 4x32 1.79.
SMALLER_STEPS = ((8, 64), (8, 32))
ENOUGH_STEPS = 4_000
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
# In a shorter text than SHORT_TEXT, 90,000 characters, 0.3 won 0.02 over 0.2 at 20 passes.
SHORT_TEXT = 150_000
DROPOUT_BESIDE_GRAMS_IN_SHORT = ((18.0, 0.3), (9.0, 0.2), (0.0, 0.0))
# Beyond so many passes they are for one text of so many tokens: at 13 to 25 passes they won 0.01 over a million, over
# 240,000 and over 90,000, but lost 0.02 and more over 18,000. Tunes, read in documents, lost 0.03 at 10 passes with
# half of them left out, and won nothing at 20 with 0.7 or 0.85.
GRAMS_ANYWHERE_UP_TO = 9.0
LEAST_FOR_GRAMS = 50_000
# Windows twice as long as usual win 0.01 to 0.02 nats/char where that leaves so many steps (944 and 1,683 won, 500 and
# 583 lost): Muon's products come half as often.
LONG_WINDOW = 128
LEAST_STEPS = 900
# Validations without a better one before a run that the program laid out gives up; they are log-spaced, so this is a
# run that got nowhere for three quarters of its length.
PATIENCE = 8

# What a fork has from its parent, whatever its own text would want.
OF_A_PARENT = ("hidden_size", "grams", "gram_dropout")

# What a token costs beside its products, in weights that would take as long: lstm with AdamW, 16 lanes of 64, 3.8 us at
# 40 units, 6.6 at 100, 63 at 500 (a Xeon with tiles; where products are slower it is less).
BESIDE_WEIGHTS = 100_000

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
        """Work grows with the weights that each token passes; in a small model there is as much beside them."""
        if weights >= self.weights:
            return self.tokens_per_s * self.weights / weights
        return self.tokens_per_s * (self.weights + BESIDE_WEIGHTS) / (weights + BESIDE_WEIGHTS)


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
    multiple: int = 1,
) -> tuple[ModelConfig, TrainConfig, str]:
    """The model and training for a budget of minutes, leaving all that was `given` as it is; and why, in a sentence.

    `tokens` counts the training text, 0 where there is none yet. It may be read in `documents`, whose ends would leave
    long windows half empty. Inputs and units are a `multiple`, as some kernels want them.
    """
    seconds = training.minutes * 60
    asked = epochs(training, tokens)
    enough = asked or min(
        MOST_OF_SHORT, max(ENOUGH_PASSES, math.ceil(ENOUGH_FOR_SHORT / max(tokens, 1)))
    )

    def reading(candidate: ModelConfig) -> float:
        reads = measured.tokens_per_s_with(working_weights(candidate, vocab_size)) * seconds
        return min(enough * tokens, reads) if tokens else reads

    if "hidden_size" not in given:

        def fits(candidate: ModelConfig) -> bool:
            weights, reads = working_weights(candidate, vocab_size), reading(candidate)
            often = reads >= PASSES_FOR_MORE * tokens
            cap = (MOST_WEIGHTS_PER_TOKEN if often else WEIGHTS_PER_TOKEN) * tokens
            least = IN_SHORT_RUNS if reads < SHORT_RUN else TOKENS_PER_WEIGHT
            return weights <= max(SMALLEST_CAP, cap) and reads >= least * weights

        narrowest, *wider = (
            replace(model, hidden_size=size) for size in HIDDEN if size % multiple == 0
        )
        model = next(filter(fits, reversed(wider)), narrowest)
    passes = reading(model) / max(tokens, 1)
    model = fit_grams(model, passes, given, tokens=tokens, documents=documents)
    if "hidden_size" not in given and "embedding_size" not in given and not model.tied:
        beside = model.gram_size if model.grams > 1 else 0
        inputs = -(-(model.embedding_size + beside) // multiple) * multiple
        model = replace(model, embedding_size=inputs - beside)
    if "dropout" not in given:
        model = replace(model, dropout=_dropout(model, passes, tokens, documents=documents))
    if "patience" not in given:
        training = replace(training, patience=PATIENCE)
    rate = measured.tokens_per_s_with(working_weights(model, vocab_size))
    reads = reading(model)  # a little more without the runs
    laid_out = _in_steps(
        training, given, reads=reads, most=rate * seconds, tokens=tokens, documents=documents
    )
    rate, training = rate_with(laid_out, rate, measured_with=training), laid_out
    why = f"{model.hidden_size} units a layer: "
    if tokens and reads >= enough * tokens:
        why += f"{enough:,.4g} passes over the text in about {_span(reads / rate)} at {rate:,.0f} tokens/s"
        if not asked:
            training = replace(training, epochs=float(enough))
            why += (
                "; more would learn it by heart "
                f"(--minutes {training.minutes:g} --epochs {2 * enough} for more)"
            )
    else:
        why += (
            f"in {counted(training.minutes, 'minute')} about {reads / max(tokens, 1):.1f} passes over the text at "
            f"{rate:,.0f} tokens/s"
        )
    if model.dropout and "dropout" not in given:
        why += f"; dropout {model.dropout:g} against learning it by heart"
    return model, training, why


def _dropout(model: ModelConfig, passes: float, tokens: int, *, documents: bool) -> float:
    """What suits so many passes over a text of `tokens`, beside what is left out of the runs of characters."""
    few = model.grams > 1 and model.gram_dropout >= MOST_LEFT_OUT
    if not (few and _can_keep_grams(tokens, documents=documents)):
        return _from(DROPOUT_FROM_EPOCHS, passes)
    short = tokens < SHORT_TEXT
    return _from(DROPOUT_BESIDE_GRAMS_IN_SHORT if short else DROPOUT_BESIDE_GRAMS, passes)


def _in_steps(
    training: TrainConfig,
    given: Mapping[str, Any],
    *,
    reads: float,
    most: float,
    tokens: int,
    documents: bool,
) -> TrainConfig:
    """The training in steps that suit a text of `tokens`, of which `reads` are read where time would do for `most`."""
    usual = TrainConfig()
    # As asked, or as short as the text wants it; and a number of steps would read more or less in others.
    if "bptt" in given or training.bptt != usual.bptt or training.steps:
        return training
    long = replace(training, bptt=LONG_WINDOW)
    if not documents and 2 * _tokens(long) <= tokens:
        least = ENOUGH_STEPS if reads < most else LEAST_STEPS
        if reads >= least * _tokens(long):
            return long
    if "lanes" in given or training.lanes != usual.lanes:
        return training
    for lanes, bptt in SMALLER_STEPS:
        smaller = replace(training, lanes=lanes, bptt=bptt)
        slower = rate_with(smaller, most, measured_with=usual)
        if reads >= ENOUGH_STEPS * _tokens(training) or slower < reads:
            break
        training = smaller
    return training


def rate_with(training: TrainConfig, rate: float, *, measured_with: TrainConfig) -> float:
    """Tokens per second with smaller steps than were measured: 8x64 were 0.6 to 0.7 of 16x64's, 8x32 0.42 to 0.52."""
    return float(rate * min(1.0, _tokens(training) / _tokens(measured_with)) ** 0.6)


def _tokens(training: TrainConfig) -> int:
    """Tokens a step."""
    return training.lanes * training.bptt


def _span(seconds: float) -> str:
    if seconds < 90:
        return counted(max(1, int(seconds)), "second")
    return counted(round(seconds / 60, 1), "minute")


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
    serves = epochs < GRAMS_ANYWHERE_UP_TO or _can_keep_grams(tokens, documents=documents)
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


def _can_keep_grams(tokens: int, *, documents: bool) -> bool:
    return tokens >= LEAST_FOR_GRAMS and not documents


def _from(table: tuple[tuple[float, float], ...], epochs: float) -> float:
    """What a table of (least passes, setting), most passes first, has for so many."""
    return next(setting for least, setting in table if epochs >= least)


def counted(number: float, what: str) -> str:
    """`1 minute`, `2.5 minutes`, `12,000 steps`."""
    return f"{number:,.10g} {what}{'' if number == 1 else 's'}"
