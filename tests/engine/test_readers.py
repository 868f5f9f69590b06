"""Who reads: the library by weights in int8 nearly as well as the model, in every protocol."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine import compiler, readers
from engine.config import ModelConfig
from engine.evaluation import Protocol, evaluate
from engine.model import Model
from engine.sampling.compiled import Compiled
from engine.sampling.prime import prime_ids
from tests.engine import tiny
from tests.engine.test_evaluation import END, LETTERS, MODEL, NEWLINE, letters

compiles = pytest.mark.skipif(not compiler.command(), reason="no compiler")


@compiles
@pytest.mark.parametrize("lanes", [1, 7])
@pytest.mark.parametrize("protocol", ["carried", "windows", "documents"])
def test_a_library_reads_every_protocol_as_the_model_does(
    protocol: Protocol, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = letters(np.random.default_rng(5), 3000)
    tokens[[40, 41, 700, 2999]] = END
    before = [END] if protocol == "documents" else prime_ids(LETTERS, "abc\nde", documents=False)
    asked = {"chars": 3000, "before": before, "protocol": protocol, "lanes": lanes}
    exact = evaluate(MODEL, tokens, **asked)  # type: ignore[arg-type]
    near = evaluate(MODEL, tokens, **asked, rounded=True)  # type: ignore[arg-type]
    assert 1e-6 < abs(near.nats_per_token - exact.nats_per_token) < 2e-3
    assert (near.protocol, near.tokens) == (exact.protocol, exact.tokens)
    monkeypatch.setattr(readers, "Compiled", lambda model, **_: Compiled(model, in_int8=False))
    same = evaluate(MODEL, tokens, **asked, rounded=True)  # type: ignore[arg-type]
    assert same.nats_per_token == pytest.approx(exact.nats_per_token, rel=1e-6)


@compiles
def test_what_training_computes_in_does_not_touch_a_reading_in_int8() -> None:
    tokens = letters(np.random.default_rng(5), 900)

    def read() -> float:
        return evaluate(
            MODEL, tokens, chars=900, before=NEWLINE, lanes=3, rounded=True
        ).nats_per_char

    with torch.autocast("cpu", torch.bfloat16):
        within = read()
    assert within == read()


@compiles
def test_a_network_that_is_broken_has_no_loss_in_int8_either() -> None:
    broken = copy.deepcopy(MODEL)
    with torch.no_grad():
        broken.output_bias[3] = math.nan
    tokens = letters(np.random.default_rng(5), 300)
    found = evaluate(broken, tokens, chars=300, before=NEWLINE, rounded=True)
    assert math.isnan(found.nats_per_char)


def test_looks_are_read_in_int8_by_cpus_without_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers, "can_compile", lambda model: not isinstance(model, Other))

    def pays(made: Model, *has: str, dots: bool = True, threads: int = 2) -> bool:
        known = dict.fromkeys([*has, "avx2", "fma3"], True) if has != ("nothing",) else {}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        monkeypatch.setattr(readers, "library", lambda: SimpleNamespace(dots=dots))
        return readers.rounding_pays(made)

    class Other(Model): ...

    def lstm(units: int) -> Model:
        return tiny.model(20, hidden=units)

    bare = Model(ModelConfig(hidden_size=64, embedding_size=0), 20, rng=torch.Generator())
    other = Other(ModelConfig(hidden_size=64), 20, rng=torch.Generator())
    assert pays(lstm(64))
    assert not pays(lstm(63))
    assert pays(tiny.model(20, cell="rnn", hidden=256))
    assert not pays(tiny.model(20, cell="rnn", hidden=255))
    assert pays(lstm(64), "avx512_bf16")
    assert not pays(lstm(64), "avx512_bf16", "amx_bf16")
    assert not pays(lstm(64), "nothing")
    assert not pays(lstm(64), dots=False)
    assert not pays(lstm(64), threads=3)
    assert not pays(lstm(64).to("meta"))
    assert not pays(tiny.model(20, cell="mut1", hidden=512))
    assert not pays(other)
    assert not pays(bare)
