"""`bars_exact`: whatever the model would have written, bars come out full."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from checkpoints.errors import ConfigError
from corpora.abc import read_tune
from corpora.abc.judging import judge
from engine.config import ModelConfig, SampleConfig
from engine.model import Model
from engine.sampling.bars import BarGuard
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Request
from engine.tokenizers.abc import AbcTokenizer
from engine.tokenizers.char import CharTokenizer

CORPUS = (
    "X:1\nT:a\nM:6/8\nL:1/8\nK:D\nA|:dfa g2e|(3Bcd e3/2f/2 g3|A>B c>d e<f|[ce]2A {b}a3/2b/ c:|\n"
    "|:f3 z3|a/b/c/d/ e2|1 A4 B2:|2 A6|]\n"
)
TOKENIZER = AbcTokenizer.learn([CORPUS] * 4)


def banned(text: str) -> set[str]:
    mask = BarGuard(TOKENIZER, text).forbidden()
    return set() if mask is None else {TOKENIZER.token_text(int(i)) for i in mask.nonzero()}


HEAD = "X:1\nM:6/8\nL:1/8\nK:D\n"


def test_a_bar_is_neither_left_nor_overfilled() -> None:
    assert "|" in banned(HEAD + "A|dfa g2")
    assert "A" not in banned(HEAD + "A|dfa g2")
    full = banned(HEAD + "A|dfa g2e")
    assert {"A", "z", "2", "["} <= full
    assert not {"|", ":|", "/"} & full
    longer = banned(HEAD + "A|dfa ge")
    assert {"3", "4"} <= longer
    assert not {"2", "3/2"} & longer


def test_another_tokenizer_is_refused() -> None:
    with pytest.raises(ConfigError, match="abc"):
        BarGuard(CharTokenizer.learn([CORPUS]), "")


def test_pickups_and_divided_bars_may_be_short() -> None:
    assert "|" not in banned(HEAD + "A")
    assert not {":|", "|]"} & banned(HEAD + "A|dfa gfe|dfa g2")
    assert ":|" in banned(HEAD + "dfa gfe|dfa g2")


def test_titles_free_metre_and_graces_are_left_alone() -> None:
    assert not banned("X:1\nT:A b c d e f g")
    assert not banned("X:1\nM:none\nK:D\nabcdefgabcd")
    assert "A" not in banned(HEAD + "dfa gf{abcd}")


def test_what_is_open_is_closed() -> None:
    assert {"|", "2", " ", "["} <= banned(HEAD + "dfa [ce")
    assert not {"]", "A"} & banned(HEAD + "dfa [ce")
    assert "A" in banned(HEAD + "dfa [cega")
    assert "|" in banned(HEAD + "dfa gfe{ab")
    assert not {"}", "A"} & banned(HEAD + "dfa gfe{ab")


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_drawn_bars_come_out_full(seed: int) -> None:
    """Notes, lengths and bar lines drawn at random: all bars that are closed have the metre's length."""
    rng = random.Random(seed)
    signs = ["A", "B", "z", "2", "/", "3/2", "|", "(3", ">", " "]
    ids = [int(TOKENIZER.encode(sign)[0]) for sign in signs]
    guard = BarGuard(TOKENIZER, HEAD + "|")
    text = HEAD + "|"
    for _ in range(600):
        mask = guard.forbidden()
        token = rng.choice([i for i in ids if mask is None or not mask[i]])
        guard.push(token)
        text += TOKENIZER.token_text(token)
    whole = text[: text.rfind("|") + 1]
    report = judge(read_tune(whole + "\n"))
    assert whole.count("|") > 20
    assert report.bars_full > 0.97


def test_a_model_goes_on_only_with_what_may_come() -> None:
    """The sampler asks the guard at each step: what is written differs from the free text, and its bars are full."""
    config = ModelConfig(num_layers=1, hidden_size=8, embedding_size=8)
    model = Model(config, TOKENIZER.vocab_size, rng=torch.Generator().manual_seed(3))
    with torch.no_grad():
        bias = torch.full((TOKENIZER.vocab_size,), -30.0)
        bias[[int(TOKENIZER.encode(sign)[0]) for sign in ["A", "B", "2", "|"]]] = 0.0
        model.output_bias.copy_(bias)
    sampler = Sampler(model, TOKENIZER, documents=True)
    request = Request(seed=1, prime=HEAD + "|", length=300, config=SampleConfig(temperature=1.0))
    (free,) = sampler.write([request])
    (exact,) = sampler.write([replace(request, bars_exact=True)])
    shares = [
        judge(read_tune(HEAD + "|" + sample.text.rpartition("|")[0] + "|\n")).bars_full
        for sample in (free, exact)
    ]
    assert shares[0] < 0.5
    assert shares[1] > 0.97
