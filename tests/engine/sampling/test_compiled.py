"""Networks that write in C++: near the equations, drawn as in NumPy, and the same bits alone and beside others."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.errors import CheckpointError
from engine import compiler
from engine.config import ModelConfig, SampleConfig
from engine.devices import cpu_has
from engine.model import Model
from engine.sampling import compiled, layers, plain
from engine.sampling.compiled import Compiled
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request
from tests.engine import tiny
from tests.engine.sampling.networks import SHAPES, VOCAB, Begin, agree, beside_others, model, noise

pytestmark = pytest.mark.skipif(not compiler.command(), reason="no compiler")
CELLS = ["rnn", "gru", "lstm"]
UNITS = [*compiled.UNITS, "none"]
"""Of the CPUs that networks are compiled for."""
LETTERS = tiny.tokenizer()


MINE = [unit for unit in UNITS if unit == "none" or cpu_has(unit)]
AVX2 = "avx2+fma3"


def stand_for(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have networks compiled for a CPU that has such units and all that are slower."""
    known = "+".join(UNITS[UNITS.index(unit) :]).split("+")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(known, True))
    compiled._found.cache_clear()


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """Whoever comes next has a library for this very CPU."""
    yield
    compiled._found.cache_clear()


@pytest.fixture(params=UNITS)
def units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library for a CPU that has such units, of those that this one can stand for."""
    request.getfixturevalue("asked_anew")
    if request.param not in MINE:
        pytest.skip(f"this CPU has no {request.param}")
    stand_for(request.param, monkeypatch)


def begin(network: Model, *, in_int8: bool) -> Begin:
    return Compiled(network, in_int8=in_int8).begin


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("how", ["float32", "int8"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_goes_on_as_its_equations_do_on_every_cpu(cell: str, how: str) -> None:
    for settings in ({"num_layers": 3}, {"hidden_size": 37, "grams": 3}):
        network = model(cell=cell, **settings)
        agree(network, begin(network, in_int8=how == "int8"), how)


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("size", [-60.0, 60.0])
def test_memory_and_gates_of_any_size_are_as_the_equations_have_them(size: float) -> None:
    network = model(cell="lstm", hidden_size=24)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "bias_ih" in name:
                weight[: 24 * 3].add_(size / 40)
    state = tuple((h, torch.full_like(c, size)) for h, c in network.initial_state(1))
    text = begin(network, in_int8=False)([state])
    with torch.inference_mode():
        expected, _ = network.step(torch.tensor([3]), state)
    torch.testing.assert_close(text.step([3]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["float32", "int8"])
@pytest.mark.parametrize("settings", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("table", [True, False])
def test_every_shape_of_network_does(
    cell: str,
    settings: dict[str, object],
    how: str,
    table: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not table:  # as if the vocabulary were large
        monkeypatch.setattr(layers, "MOST_LOOKED_UP", 0)
    network = model(**{"cell": cell, **settings})
    agree(network, begin(network, in_int8=how == "int8"), how)


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.skipif(AVX2 not in MINE, reason="no CPU that adds up whole numbers")
def test_cpus_that_add_up_whole_numbers_add_up_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of bytes or of pairs; in float32 the inputs would not have been rounded."""
    network = model(cell="lstm", hidden_size=37, residual=True)
    found = {}
    for unit in MINE:
        stand_for(unit, monkeypatch)
        there = compiled.library()
        assert there is not None
        assert there.dots or unit == "none"
        text = begin(network, in_int8=True)([noise(network)])
        found[unit] = torch.stack([text.step([token])[0].clone() for token in range(VOCAB)])
    for unit in MINE[:-1]:
        assert float((found[unit] - found[AVX2]).abs().max()) < 1e-5


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("in_int8", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_text_has_the_same_bits_alone_and_beside_others(cell: str, in_int8: bool) -> None:
    for settings in ({"hidden_size": 37, "grams": 5}, {"residual": True, "layer_norm": True}):
        network = model(**{"cell": cell, "hidden_size": 24, **settings})
        beside_others(begin(network, in_int8=in_int8), network, count=97)


@pytest.mark.parametrize("in_int8", [False, True])
def test_as_many_threads_as_you_like_give_the_same_bits(
    in_int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = model(cell="gru", grams=3)
    uniform = np.random.default_rng(4).random((90, 6)).tolist()

    def written(threads: int) -> object:
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        texts = Compiled(network, in_int8=in_int8).begin([noise(network, i) for i in range(90)])
        return texts.write([i % VOCAB for i in range(90)], uniform, 0.8, None)

    assert written(1) == written(2) == written(5)


@given(
    vocab=st.sampled_from([17, 33, 300]),
    temperature=st.sampled_from([1e-300, 0.01, 0.5, 1.0, 3.0, 1e300]),
    spread=st.sampled_from([1e-3, 1.0, 30.0, 3e4]),
    seed=st.integers(0, 99),
    banned=st.booleans(),
)
def test_tokens_are_drawn_as_in_numpy(
    vocab: int, temperature: float, spread: float, seed: int, banned: bool
) -> None:
    """To the rounding of float32: a number nearer than that to a token's edge may be its neighbour's."""
    network = model_of(vocab, seed, spread)
    never = vocab - 1 if banned else None
    state = network.initial_state(1)
    uniform = np.random.default_rng(seed).random(40).tolist()
    whole = Compiled(network, in_int8=False)
    drawn, nats = whole.begin([state] * 40).write(
        [3] * 40, [[u] for u in uniform], temperature, never
    )
    logits = whole.begin([state] * 40).step([3] * 40).numpy()
    below, above = (
        plain.draw(logits, temperature, never, [min(max(u + by, 0), 1 - 1e-9) for u in uniform])
        for by in (-1e-6, 1e-6)
    )
    assert below is not None
    assert above is not None
    for row in range(40):
        token = drawn[row][0]
        assert below[0][row] <= token <= above[0][row]
        assert token != never
        exact = -torch.from_numpy(logits[row]).double().log_softmax(0)[token].item()
        assert nats[row][0] == pytest.approx(exact, rel=1e-5, abs=1e-5)


def model_of(vocab: int, seed: int, spread: float) -> Model:
    network = tiny.model(vocab, cell="rnn", seed=seed)
    with torch.no_grad():
        assert network.output_weight is not None
        network.output_weight.mul_(spread)
        network.output_bias.zero_()
    return network


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("how", ["float32", "int8"])
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_read_surprises_as_the_logits_of_its_steps_say(cell: str, how: str) -> None:
    network = model(cell=cell, grams=3, hidden_size=19)
    states = [noise(network, seed) for seed in range(70)]  # two blocks
    begun = begin(network, in_int8=how == "int8")
    text = np.random.default_rng(1).integers(VOCAB, size=(70, 12))
    expected, stepped = [], begun(states)
    for now, next_ in itertools.pairwise(text.T):
        logs = stepped.step(now.tolist()).double().log_softmax(-1)
        expected.append(-logs[range(70), next_].numpy())
    reading = begun(states)
    assert isinstance(reading, compiled.Texts)
    found = [
        reading.read(text[:, a].tolist(), text[:, a + 1 : b + 1]) for a, b in ((0, 4), (4, 11))
    ]
    np.testing.assert_allclose(np.concatenate(found, axis=1), np.array(expected).T, rtol=1e-5)


@pytest.mark.parametrize("token", [-1, VOCAB])
def test_a_token_that_is_not_of_the_vocabulary_is_not_read(token: int) -> None:
    texts = Compiled(model(), in_int8=False).begin([model().initial_state(1)])
    for last, following in ((3, [2, token]), (token, [2, 3])):
        with pytest.raises(IndexError, match=f"not of {VOCAB}"):
            texts.read([last], np.array([following]))


def test_a_token_that_is_banned_never_comes_and_still_counts() -> None:
    """However likely the model has it."""
    network = model_of(20, 1, 1.0)
    with torch.no_grad():
        network.output_bias[19] = 200.0
    texts = Compiled(network, in_int8=False).begin([network.initial_state(1)])
    drawn, nats = texts.write([3], [[i / 40 for i in range(40)]], 1.0, 19)
    assert 19 not in drawn[0]
    assert min(nats[0]) > 150


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("documents", [False, True])
def test_a_sampler_writes_what_steps_write(
    cell: str, documents: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the texts, and however many steps one call takes."""
    network = tiny.model(LETTERS.vocab_size, cell=cell, end_bias=1.0)
    config = SampleConfig(temperature=1.0)
    requests = [
        *Request(seed=3, length=70, config=config).copies(2),
        Request(seed=8, length=33, prime="abba\nhe", config=config),
        *Request(seed=4, length=50, config=config, stop="a").copies(3),
        Request(seed=9, length=1, config=config),
        Request(seed=10, length=45, config=SampleConfig(temperature=0.5, top_k=3)),
    ]
    sampler = Sampler(network, LETTERS, documents=documents)
    found = sampler.write(requests)
    by_steps = Sampler(network, LETTERS, documents=documents, lanes=1).write(requests)
    for ours, theirs in zip(found, by_steps, strict=True):
        assert (ours.text, ours.reason, ours.tokens) == (theirs.text, theirs.reason, theirs.tokens)
        assert ours.nats == pytest.approx(theirs.nats, rel=1e-4)
    monkeypatch.setattr(compiled, "MOST_STEPS", 3)
    assert sampler.write(requests) == found
    pieces = list(sampler.stream(requests, side_by_side=True))
    for index, sample in enumerate(found):
        own = [p.text for p in pieces if isinstance(p, Piece) and p.index == index]
        assert "".join(own) == sample.text


def test_a_text_takes_no_more_steps_than_it_may_need(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    write = compiled.Texts.write

    def counted(texts, tokens, uniform, *rest):  # type: ignore[no-untyped-def]
        steps.append(len(uniform[0]))
        return write(texts, tokens, uniform, *rest)

    monkeypatch.setattr(compiled.Texts, "write", counted)
    network = tiny.model(LETTERS.vocab_size)
    Sampler(network, LETTERS, documents=False).write([Request(seed=1, length=70)])
    assert steps == [compiled.MOST_STEPS, compiled.MOST_STEPS, 70 - 2 * compiled.MOST_STEPS]


def test_steps_of_many_texts_of_a_large_network_are_taken_one_by_one() -> None:
    small = Compiled(model(), in_int8=False)
    assert small.steps(1) == compiled.MOST_STEPS
    assert small.steps(10**9) == 1


@pytest.mark.parametrize("in_int8", [False, True])
def test_weights_that_are_no_numbers_are_told(in_int8: bool) -> None:
    network = model()
    with torch.no_grad():
        network.output_bias[2] = math.nan
    with pytest.raises(CheckpointError, match="not a number"):
        Compiled(network, in_int8=in_int8)


def test_logits_that_are_no_numbers_are_told() -> None:
    network = model_of(20, 1, 1.0)
    with torch.no_grad():
        assert network.output_weight is not None
        network.output_bias[2:4] = 3.4e38  # which is nearly all that a float holds
        network.output_weight[2], network.output_weight[3] = 3e37, -3e37
    texts = Compiled(network, in_int8=False).begin([network.initial_state(1)])
    with pytest.raises(CheckpointError, match="not a number"):
        texts.write([3], [[0.5] * 9], 1.0, None)
    assert not np.isfinite(texts.read([3], np.array([[1] * 9]))).all()


def test_memory_that_runs_out_is_an_error_of_pythons() -> None:
    functions = SimpleNamespace(
        width=lambda: 4,
        has_dots=lambda: 1,
        new_network=lambda *_: 0,
        go_on=lambda *_: compiled.NO_MEMORY,
    )
    library = compiled.Library(functions)  # type: ignore[arg-type]
    with pytest.raises(MemoryError, match="not enough memory"):
        library.new_network(object(), 1)
    with pytest.raises(MemoryError, match="not enough memory"):
        library.call("go_on")


def test_networks_of_other_cells_and_classes_are_left_to_numpy() -> None:
    class Other(Model): ...

    other = Other(model().config, VOCAB, rng=torch.Generator().manual_seed(5))
    assert compiled.can_compile(model())
    assert not compiled.can_compile(model(cell="mut1"))
    assert not compiled.can_compile(other)


def test_the_environment_can_turn_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.why() == compiler.COMPILED
    monkeypatch.setenv(compiler.OFF, "0")
    assert compiled.library() is None
    assert compiled.why() == f"by NumPy: {compiler.OFF}=0"
    assert not compiled.can_compile(model())


def test_a_thread_may_be_writing_while_the_interpreter_ends() -> None:
    script = """
import threading, time, torch
from engine.config import ModelConfig
from engine.model import Model
from engine.sampling.compiled import Compiled
torch.set_num_threads(1)
model = Model(ModelConfig(num_layers=3, hidden_size=1024), 100, rng=torch.Generator())
begun = threading.Event()
def write():
    texts = Compiled(model, in_int8=False).begin([model.initial_state(1)])
    while True:
        texts.write([5], [[.5] * 32], 0.8, None)
        begun.set()
threading.Thread(target=write, daemon=True).start()
begun.wait(60)
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_one_hot_tokens_are_columns_of_the_weights_and_no_matrix_of_their_own() -> None:
    config = ModelConfig(embedding_size=0, hidden_size=8)
    network = Model(config, 5_000, rng=torch.Generator().manual_seed(1))
    own = layers.Own.of(network)
    w_x = np.arange(8 * 5_003, dtype=np.float32).reshape(8, 5_003)
    known, rest = layers.looked_up(w_x, np.ones(8, np.float32), own)
    np.testing.assert_array_equal(known, w_x[:, :5_000].T + 1)
    np.testing.assert_array_equal(rest, w_x[:, 5_000:])
    np.testing.assert_array_equal(own.rows(np.array([4, 0])), np.eye(5_000)[[4, 0]])
    tracemalloc.start()
    begin(network, in_int8=False)([network.initial_state(1)]).step([4_999])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 4 * sum(weight.numel() for weight in network.parameters())
