"""`bars_exact`: whatever the model would have written, bars come out full."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from corpora.abc import read_tune
from corpora.abc.filling import may_end, step
from corpora.abc.filling_state import State
from corpora.abc.judging import judge
from engine import tokenizers
from engine.config import ModelConfig, SampleConfig
from engine.model import Model
from engine.sampling.bars import BarGuard, BarMasks
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Request
from engine.tokenizers.abc import AbcTokenizer
from engine.tokenizers.base import Tokenizer

CORPUS = (
    "X:1\nT:a\nM:6/8\nL:1/8\nK:D\nA|:dfa g2e|(3Bcd e3/2f/2 g3|A>B c>d e<f|[ce]2A {b}a3/2b/ c:|\n"
    "|:f3 z3|a/b/c/d/ e2|1 A4 B2:|2 A6|]\n"
)
TOKENIZER = AbcTokenizer.learn([CORPUS] * 4)
MASKS = BarMasks(TOKENIZER)
HEAD = "X:1\nM:6/8\nL:1/8\nK:D\n"
SIGNS = list("ABCDEFGabcdefg" * 3 + "zxZ|||:::[[]]12345678/(3)<>{}\"!^_=,'- ~TM\n.  %XyK")


def state_of(text: str) -> State | None:
    state: State | None = State()
    for character in text:
        state = state and step(state, character)
    return state


def banned(text: str) -> set[str]:
    mask = BarGuard(MASKS, text).forbidden()
    return set() if mask is None else {TOKENIZER.token_text(int(i)) for i in mask.nonzero()}


def test_a_bar_is_neither_left_nor_overfilled() -> None:
    assert "|" in banned(HEAD + "A|dfa g")
    assert "A" not in banned(HEAD + "A|dfa g")
    full = banned(HEAD + "A|dfa g2e")
    assert {"A", "z", "2", "(3"} <= full
    assert not {"|", ":|", "/"} & full
    longer = banned(HEAD + "A|dfa ge")
    assert {"4", "(3"} <= longer
    assert not {"2", "3/2"} & longer


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("dfa g2e|", True),
        ("dfa g2|", True),  # a pickup
        ("A|dfa g|", False),
        ("A|dfa g2|d", False),
        ("A|dfa g2:|", True),  # makes one bar with the pickup
        ("A|dfa g2|]", True),
        ("A|dfa g2||A|dfa gfe|", True),
        ("A|dfa g2||dfa gfe|", False),  # the pickup must follow a double bar that lacks it
        ("A|dfa g2:|dfa gfe|", True),
        ("A|dfa g2:|A|dfa gfe|", True),
        ("dfa gfe:|A|", False),
        ("A|dfa gfea", False),
        ("A|dfa g7/2", False),
        ("A|dfa g3/2f/2e|", True),
        ("A|dfa g3/2f/4e|", False),
        ("A|(3dfa g2 (3gfe|", True),
        ("A|(3dfa g2 (3gf|", False),
        ("A|d>fa g<ed|", True),
        ("A|d>|", False),
        ("A|[dfa]3 {gf}e3|", True),
        ("A|[dfa", True),
        ("A|[dfa|", False),
        ("A|{gf|", False),
        ("A|Z|", True),
        ("A|dZ", False),
        ('A|"G"dfa !fermata!.gfe|', True),
        ("A|dfa\nM:9/8\n", False),
        ("A|dfa gfe|\nM:9/8\ndfa gfe dfa|", True),
        ("A|dfa gfe|[M:2/4]dfga|1 dfga:|2 g4|", True),
        ("A|dfa\n gfe|", True),
        ("A|dfa\n\n", False),
        ("A|dfa gfe|\n\nX:2\nM:2/4\nK:D\nABcd|", True),
        ("A|dfa gfe|\n\nX:2\nM:2/4\n\nABcd|", False),  # music before its key
        ("A|dfa gfe|\n yy\nXA", False),
        ("A|dfa gfe" + 20 * "(", False),
        ("M:none\nabcdefgabcd|a|", True),
        ("V:1\nabcdefgabcd|a|", True),
    ],
)
def test_what_keeps_the_metre_may_come_and_what_breaks_it_not(text: str, fits: bool) -> None:
    assert (state_of(HEAD + text) is not None) == fits


def test_a_tune_ends_with_a_bar() -> None:
    assert TOKENIZER.token_text(TOKENIZER.document_end) == ""
    for text, ends in (("A|dfa g", False), ("A|dfa g2", True), ("A|dfa gfe|", True)):
        mask = BarGuard(MASKS, HEAD + text).forbidden()
        assert mask is not None
        assert bool(mask[TOKENIZER.document_end]) != ends


def test_titles_and_headers_are_left_alone() -> None:
    assert not banned("X:1\nT:A b c d e f g")
    assert not banned(HEAD + "A|dfa gfe|\nT:")


def test_a_prime_that_breaks_bars_turns_the_guard_off_until_the_next_tune() -> None:
    assert not banned(HEAD + "A|dfa gfedfa|")
    assert "|" in banned(HEAD + "A|dfa gfedfa|\n\n" + HEAD + "A|dfa")


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_drawn_bars_come_out_full_and_there_is_always_a_way_on(seed: int) -> None:
    """Characters drawn at random: the judge, who reads the tune anew, finds every bar full."""
    rng = random.Random(seed)
    meter = rng.choice(
        ["M:6/8\nL:1/8\n", "M:C\nL:1/8\n", "M:3/4\nL:1/4\n", "M:9/8\n", "M:7/16\nL:1/4\n"]
    )
    text = whole = f"X:1\nT:x\n{meter}K:D\n"
    state = state_of(text)
    while len(text) < 500:
        assert state is not None
        open_ways = [c for c in SIGNS if step(state, c) is not None]
        assert open_ways, text
        text += rng.choice(open_ways)
        state = step(state, text[-1])
        if state is None or state.mode in ("ended", "lost", "header"):
            break
        whole = text if may_end(state) else whole
    report = judge(read_tune(whole + "\n"))
    assert report.odd_bars == ()


@pytest.mark.parametrize("name", tokenizers.names())
def test_a_model_of_any_tokenizer_writes_full_bars(name: str) -> None:
    """The sampler asks the guard at each step: what is written differs from the free text, and its bars are full."""
    tokenizer: Tokenizer = tokenizers.find(name).learn([CORPUS * 40])
    config = ModelConfig(num_layers=1, hidden_size=8, embedding_size=8)
    model = Model(config, tokenizer.vocab_size, rng=torch.Generator().manual_seed(3))
    with torch.no_grad():
        bias = torch.full((tokenizer.vocab_size,), -30.0)
        likely = [i for i in range(tokenizer.vocab_size) if tokenizer.decode([i]) in tuple("AB2| ")]
        bias[likely] = 0.0
        model.output_bias.copy_(bias)
    sampler = Sampler(model, tokenizer, documents=True)
    request = Request(seed=1, prime=HEAD + "|", length=300, config=SampleConfig(temperature=1.0))
    (free,) = sampler.write([request])
    (exact,) = sampler.write([replace(request, bars_exact=True)])
    shares = [
        judge(read_tune(HEAD + "|" + sample.text.rpartition("|")[0] + "|\n")).bars_full
        for sample in (free, exact)
    ]
    assert shares[0] < 0.6
    assert shares[1] == 1
