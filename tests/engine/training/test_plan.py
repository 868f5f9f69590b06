"""What the program chooses fits the machine, the text and the time, and leaves alone what the user chose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import sizes
from engine.config import DataConfig, ModelConfig, TrainConfig
from engine.training.plan import (
    ENOUGH_PASSES,
    HIDDEN,
    MOST_WEIGHTS_PER_TOKEN,
    SMALLEST_CAP,
    WEIGHTS_PER_TOKEN,
    Measured,
    choose,
    fill_card,
    rate_with,
    working_weights,
)
from engine.training.presets import LIKE, PRESETS
from engine.training.settings import steps_per_event

TRIAL = Measured(tokens_per_s=30_500, weights=working_weights(ModelConfig(), 82))
BOTH = Measured(tokens_per_s=52_000, weights=TRIAL.weights)
"""What two quiet cores do."""
BUSY = Measured(tokens_per_s=22_900, weights=TRIAL.weights)
"""What one does on which others work too."""


def chosen(
    *, minutes: float, tokens: int = 1_000_000, measured: Measured = TRIAL, **given: object
) -> tuple[ModelConfig, TrainConfig]:
    model = ModelConfig(**{k: v for k, v in given.items() if k in ("hidden_size", "dropout")})  # type: ignore[arg-type]
    found, training, why = choose(
        model,
        TrainConfig(minutes=minutes),
        given=given,
        measured=measured,
        vocab_size=82,
        tokens=tokens,
    )
    assert why
    return found, training


@pytest.mark.parametrize(
    ("cores", "minutes", "expected"),
    [
        (BUSY, 0.25, (96, 0.0)),
        (BUSY, 0.5, (128, 0.0)),
        (BUSY, 1, (160, 0.0)),
        (TRIAL, 3, (256, 0.0)),
        (BOTH, 3, (256, 0.0)),
        (TRIAL, 10, (384, 0.0)),
        (BOTH, 10, (384, 0.0)),
    ],
)
def test_the_trials_winners_are_chosen_at_their_budgets(
    cores: Measured, minutes: float, expected: tuple[int, float]
) -> None:
    """docs/experiments.md has the figures."""
    model, _ = chosen(minutes=minutes, measured=cores)
    assert (model.hidden_size, model.dropout) == expected


@given(minutes=st.floats(0.05, 600), more=st.floats(1, 50), tokens=st.integers(1000, 10**8))
def test_more_time_never_means_a_smaller_model(minutes: float, more: float, tokens: int) -> None:
    sizes_ = [chosen(minutes=m, tokens=tokens)[0].hidden_size for m in (minutes, minutes * more)]
    assert sizes_[0] <= sizes_[1]
    assert set(sizes_) <= set(HIDDEN)


@given(tokens=st.integers(500, 10**6))
def test_a_small_text_never_gets_a_model_that_dwarfs_it(tokens: int) -> None:
    model, _ = chosen(minutes=600, tokens=tokens)
    weights = working_weights(model, 82)
    assert (
        weights <= max(SMALLEST_CAP, MOST_WEIGHTS_PER_TOKEN * tokens)
        or model.hidden_size == HIDDEN[0]
    )


@pytest.mark.parametrize(
    ("minutes", "tokens", "lanes", "bptt", "epochs"),
    [
        (10, 5_000_000, 16, 128, 0.0),  # as much as there is time for
        (60, 1_000_000, 16, 128, ENOUGH_PASSES),
        (60, 240_000, 16, 64, ENOUGH_PASSES),
        (60, 90_000, 8, 64, ENOUGH_PASSES),
        (60, 20_480, 8, 32, ENOUGH_PASSES),
        (60, 12_500, 8, 32, 40),
        (60, 2_560, 8, 32, 50),
        (0.8, 90_000, 16, 64, ENOUGH_PASSES),  # no time for smaller steps
    ],
)
def test_a_short_text_is_read_often_enough_in_small_steps(
    minutes: float, tokens: int, lanes: int, bptt: int, epochs: float
) -> None:
    _, training = chosen(minutes=minutes, tokens=tokens)
    assert (training.lanes, training.bptt, training.epochs) == (lanes, bptt, epochs)


def test_a_small_model_is_not_as_much_faster_as_it_has_fewer_weights() -> None:
    measured = Measured(100_000, weights=100_000)
    assert measured.tokens_per_s_with(1_000_000) == 10_000
    assert measured.tokens_per_s_with(20_000) < 2 * measured.tokens_per_s


def test_who_asks_for_more_passes_gets_them() -> None:
    _, training, why = choose(
        ModelConfig(),
        TrainConfig(minutes=60, epochs=80),
        given={},
        measured=TRIAL,
        vocab_size=82,
        tokens=90_000,
    )
    assert training.epochs == 80
    assert "80 passes over the text in about" in why
    assert "by heart (" not in why


def test_the_sentence_says_where_the_minutes_stay() -> None:
    _, _, why = choose(
        ModelConfig(),
        TrainConfig(minutes=60),
        given={},
        measured=TRIAL,
        vocab_size=82,
        tokens=240_000,
    )
    assert "25 passes over the text in about 3.3 minutes" in why
    assert "--minutes 60 --epochs 50" in why


def test_where_there_is_no_text_yet_the_minutes_are_the_budget() -> None:
    _, training = chosen(minutes=10, tokens=0)
    assert (training.epochs, training.minutes, training.lanes) == (0.0, 10, TrainConfig().lanes)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"lanes": 4}, (4, 128)),
        ({"lanes": 16}, (16, 64)),
        ({"bptt": 16}, (16, 16)),
        ({"steps": 3000}, (16, 64)),  # smaller ones would read less, longer ones more
        ({"steps": 30_000}, (16, 64)),
    ],
)
def test_steps_that_were_asked_for_stay(asked: dict[str, Any], expected: tuple[int, int]) -> None:
    _, training, _ = choose(
        ModelConfig(),
        TrainConfig(minutes=60, **asked),
        given=asked,
        measured=TRIAL,
        vocab_size=82,
        tokens=90_000,
    )
    assert (training.lanes, training.bptt) == expected


def test_fewer_lanes_read_more_slowly() -> None:
    usual = TrainConfig()
    fewer, more = (TrainConfig(lanes=lanes) for lanes in (8, 32))
    assert rate_with(fewer, 1000.0, measured_with=usual) == pytest.approx(660, rel=0.01)
    assert rate_with(more, 1000.0, measured_with=usual) == 1000


def test_more_weights_than_the_text_pays_for_need_many_passes() -> None:
    def weights(minutes: float) -> float:
        return working_weights(chosen(minutes=minutes, tokens=90_000)[0], 82) / 90_000

    assert weights(0.25) <= WEIGHTS_PER_TOKEN < weights(10) <= MOST_WEIGHTS_PER_TOKEN


def test_what_the_user_chose_stays() -> None:
    model, _ = chosen(minutes=60, hidden_size=40, dropout=0.0)
    assert (model.hidden_size, model.dropout) == (40, 0.0)


def test_working_weights_leave_the_embedding_table_out() -> None:
    model = ModelConfig(embedding_size=32)
    assert working_weights(model, 1000) == sizes.parameters(model, 1000) - 32_000
    tied = ModelConfig(embedding_size=32, tied=True)
    assert working_weights(tied, 1000) == sizes.parameters(tied, 1000)


@pytest.mark.parametrize("table", [PRESETS, LIKE], ids=["presets", "peers"])
def test_every_recipe_is_made_of_settings_that_exist_and_can_be(table: dict[str, object]) -> None:
    for recipe in table.values():
        ModelConfig(**recipe.model)  # type: ignore[attr-defined]
        TrainConfig(**recipe.training)  # type: ignore[attr-defined]
        DataConfig(**recipe.data)  # type: ignore[attr-defined]


def test_char_rnns_published_settings() -> None:
    # train.lua of karpathy/char-rnn: the options' defaults.
    recipe = LIKE["char-rnn"]
    assert (recipe.model["num_layers"], recipe.model["hidden_size"], recipe.model["cell"]) == (
        2,
        128,
        "lstm",
    )
    training = recipe.training
    assert (training["lr"], training["lr_decay"], training["lr_decay_after"]) == (2e-3, 0.97, 10)
    assert (training["rms_decay"], training["lanes"], training["bptt"]) == (0.95, 50, 50)
    assert (training["clip"], training["clip_by"], training["epochs"], training["seed"]) == (
        5,
        "value",
        50,
        123,
    )
    assert training["loss"] == "sum"  # its clip is meant for a loss that is summed over time


def test_nanogpts_budget_is_spent_on_as_many_parameters() -> None:
    recipe = LIKE["nanogpt-cpu-budget"]
    assert sizes.parameters(ModelConfig(**recipe.model), 66) == pytest.approx(0.8e6, rel=0.05)


@pytest.mark.parametrize(
    ("parameters", "budget", "expected"),
    [
        (10_000, {"steps": 300}, 10),
        (10_000, {"minutes": 0.1}, 10),
        (10_000, {"steps": 30_000}, 28),  # ten a second
        (10_000, {"epochs": 400.0}, 28),
        (10_000, {"minutes": 10_000.0}, 28),
        (50_000_000, {"steps": 30_000}, 1),
    ],
)
def test_small_models_share_events_between_steps(
    parameters: int, budget: dict[str, Any], expected: int
) -> None:
    training = TrainConfig(**budget, lanes=16, bptt=64)
    found = steps_per_event(training, parameters=parameters, text=1_000_000, device="cpu")
    assert found == expected


@pytest.mark.parametrize(
    ("tokens", "minutes", "most", "expected"),
    [
        (100_000_000, 10, 128, 128),  # beyond, this card is no faster
        (1_000_000_000, 10, 10_000, 512),  # a large card, and the most that is tried
        (100_000_000, 60, 128, 32),  # an hour of more would read the text too often
        (3_000_000, 0.1, 128, 64),  # a short text has too few windows of more
        (1_000_000, 3, 128, 16),
    ],
)
def test_an_accelerator_reads_as_many_lanes_as_pay(
    tokens: int, minutes: float, most: int, expected: int
) -> None:
    def measure(training: TrainConfig) -> Measured:
        return Measured(tokens_per_s=5000.0 * min(training.lanes, most), weights=1)

    training = TrainConfig(minutes=minutes)
    filled, speed = fill_card(training, measure(training), measure=measure, tokens=tokens)
    assert filled.lanes == expected
    assert speed == measure(filled)


@pytest.mark.parametrize(("grams", "embedding"), [(0, 128), (5, 96)])
@pytest.mark.parametrize("tokens_per_s", [1e3, 1e4, 3e4, 1e5, 1e6])
def test_inputs_and_units_are_a_multiple_where_kernels_want_them_so(
    tokens_per_s: float, grams: int, embedding: int
) -> None:
    measured = Measured(tokens_per_s, TRIAL.weights)
    asked: dict[str, Any] = {
        "training": TrainConfig(minutes=3), "measured": measured, "vocab_size": 82, "tokens": 1_000_000,
        "multiple": 128,
    }  # fmt: skip
    model, _, _ = choose(ModelConfig(grams=grams), given={}, **asked)
    assert model.grams == grams
    assert (model.embedding_size, model.hidden_size % 128) == (embedding, 0)
    model, _, _ = choose(ModelConfig(), given={"embedding_size": 64}, **asked)
    assert (model.embedding_size, model.hidden_size % 128) == (64, 0)
    model, _, _ = choose(ModelConfig(hidden_size=200), given={"hidden_size": 200}, **asked)
    assert (model.embedding_size, model.hidden_size) == (64, 200)


@pytest.mark.parametrize(
    ("minutes", "settings", "expected"),
    [
        (3, {}, 128),
        (0.2, {}, 64),  # too few steps
        (3, {"documents": True}, 64),  # whose ends come sooner
        (3, {"training": TrainConfig(minutes=3, bptt=32)}, 32),  # a text too short for more
        (3, {"given": {"bptt": 64}}, 64),
    ],
)
def test_windows_are_long_where_that_leaves_steps_enough(
    minutes: float, settings: dict[str, object], expected: int
) -> None:
    asked: dict[str, object] = {
        "training": TrainConfig(minutes=minutes), "given": {}, "measured": TRIAL, "vocab_size": 82,
        "tokens": 1_000_000, **settings,
    }  # fmt: skip
    _, training, _ = choose(ModelConfig(), **asked)  # type: ignore[arg-type]
    assert training.bptt == expected


@pytest.mark.parametrize(
    ("passes", "tokens", "documents", "expected"),
    [
        (1.0, 10**6, False, (5, 0.0, 0.0)),
        (2.2, 10**6, False, (5, 0.3, 0.0)),
        (6.0, 10**6, False, (5, 0.5, 0.0)),
        (6.0, 10**5, False, (5, 0.5, 0.0)),
        (6.0, 10**6, True, (5, 0.5, 0.0)),
        (14.0, 10**6, False, (5, 0.7, 0.1)),
        (40.0, 10**6, False, (5, 0.7, 0.2)),
        (14.0, 10**5, False, (5, 0.7, 0.2)),
        (20.0, 149_000, False, (5, 0.7, 0.3)),
        (20.0, 151_000, False, (5, 0.7, 0.2)),
        (14.0, 40_000, False, (0, 0.0, 0.2)),  # too short a text to know that many by
        (24.0, 40_000, False, (0, 0.0, 0.3)),
        (14.0, 10**6, True, (0, 0.0, 0.2)),
    ],
)
def test_what_is_left_out_depends_on_how_often_the_text_is_read(
    passes: float, tokens: int, documents: bool, expected: tuple[int, float, float]
) -> None:
    model = ModelConfig(grams=5, hidden_size=64)
    speed = Measured(passes * tokens / 60, working_weights(model, 82))
    model, _, _ = choose(
        model,
        TrainConfig(minutes=1),
        given={"hidden_size": 64},
        measured=speed,
        vocab_size=82,
        tokens=tokens,
        documents=documents,
    )
    assert (model.grams, model.gram_dropout, model.dropout) == expected


@pytest.mark.parametrize(("tokens", "gram_dropout"), [(40_000, 0.7), (1_000_000, 0.0)])
def test_runs_that_stay_by_themselves_do_not_stand_for_dropout(
    tokens: int, gram_dropout: float
) -> None:
    """A fork has its parent's, whatever its own text."""
    asked: dict[str, Any] = {"hidden_size": 64, "grams": 5, "gram_dropout": gram_dropout}
    model = ModelConfig(**asked)
    speed = Measured(40.5 * tokens / 60, working_weights(model, 82))
    model, _, _ = choose(
        model,
        TrainConfig(minutes=1),
        given=asked,
        measured=speed,
        vocab_size=82,
        tokens=tokens,
    )
    assert model.dropout == 0.3


def test_runs_and_dropout_that_were_asked_for_stay() -> None:
    asked: dict[str, Any] = {"hidden_size": 64, "grams": 3, "gram_dropout": 0.25, "dropout": 0.35}
    model, _, _ = choose(
        ModelConfig(**asked),
        TrainConfig(minutes=60),
        given=asked,
        measured=TRIAL,
        vocab_size=82,
        tokens=10**5,
    )
    assert (model.grams, model.gram_dropout, model.dropout) == (3, 0.25, 0.35)
