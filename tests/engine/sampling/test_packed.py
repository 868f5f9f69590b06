"""The packed network gives what the cells' own equations give, and a text has the same bits alone and beside others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from engine import cells
from engine.config import ModelConfig
from engine.model import Model
from engine.sampling import layers, packed, products
from engine.sampling.network import Padded
from tests.engine.sampling.networks import SHAPES, VOCAB, agree, beside_others, model

NEEDS_INT8 = pytest.mark.skipif(
    not products.has_int8(), reason="this torch has no int8 products for this machine"
)
NEEDS_INT16 = pytest.mark.skipif(
    not products.has_int16(), reason="this machine has no exact int8 products"
)
ARITHMETIC = [
    "float32",
    pytest.param("int16", marks=NEEDS_INT16),
    pytest.param("int8", marks=NEEDS_INT8),
]


def packed_agrees(network: Model, how: products.Arithmetic) -> None:
    agree(network, packed.Packed(network, how).begin, how)


PACKED_CELLS = [name for name in cells.names() if cells.find(name) in layers.LAYERS]


@pytest.mark.parametrize("how", ARITHMETIC)
@pytest.mark.parametrize("cell", PACKED_CELLS)
def test_every_packed_cell_goes_on_as_its_equations_do(cell: str, how: products.Arithmetic) -> None:
    packed_agrees(model(cell=cell, num_layers=3), how)


@pytest.mark.parametrize("how", ARITHMETIC)
@pytest.mark.parametrize(
    "settings",
    SHAPES,
)
@pytest.mark.parametrize("cell", ["lstm", "rnn_relu", "mut1", "mut2"])
def test_every_shape_of_network_does(
    cell: str, settings: dict[str, object], how: products.Arithmetic
) -> None:
    packed_agrees(model(**{"cell": cell, **settings}), how)


@pytest.mark.parametrize("how", ARITHMETIC)
@pytest.mark.parametrize("cell", PACKED_CELLS)
@pytest.mark.parametrize("grams", [0, 3])
def test_a_vocabulary_too_large_for_a_table_is_computed(
    cell: str, grams: int, how: products.Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "MOST_LOOKED_UP", 0)
    packed_agrees(model(cell=cell, grams=grams), how)


def test_a_model_of_another_class_has_a_step_of_its_own() -> None:
    class Other(Model): ...

    other = Other(ModelConfig(), VOCAB, rng=torch.Generator().manual_seed(5))
    assert packed.can_pack(model())
    assert not packed.can_pack(other)


@pytest.mark.parametrize("how", ARITHMETIC[1:])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tied": True},
        {"hidden_size": 37, "num_layers": 1},
        {"grams": 5},
        {"residual": True, "layer_norm": True},
    ],
)
@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("cell", PACKED_CELLS)
def test_a_text_has_the_same_bits_alone_and_beside_others(
    cell: str,
    table: bool,
    settings: dict[str, object],
    how: products.Arithmetic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not table:
        monkeypatch.setattr(layers, "MOST_LOOKED_UP", 0)
    network = model(**{"cell": cell, "hidden_size": 24, **settings})
    beside_others(packed.Packed(network, how).begin, network, count=33)


@NEEDS_INT16
def test_an_input_between_two_steps_leaves_its_neighbour_alone() -> None:
    rng = np.random.default_rng(0)
    weight, row, other = (
        rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((9, 8), (1, 8), (1, 8))
    )
    # 104.5 steps of 1/127 but for the last bit: what the first byte leaves is half a step and a little.
    other[0, 3] = 0.8228346705436707
    product = products.Int16(weight, bounded=True)
    together = product(np.concatenate([row, other]))
    assert np.array_equal(product(row)[0], together[0])
    np.testing.assert_allclose(together[1], weight @ other[0], atol=1e-4)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(products.Int8, marks=NEEDS_INT8),
        pytest.param(products.Int16, marks=NEEDS_INT16),
    ],
)
@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("vnni", [products.has_int16(), False])
def test_sums_in_float32_and_in_whole_numbers_are_the_same_bits(
    kind: type[products.Product], bounded: bool, vnni: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "has_int16", lambda: vnni)
    if kind is products.Int16 and not vnni:
        pytest.skip("takes 8 bits of each byte")
    rng = np.random.default_rng(0)
    # As many inputs as float32 can add up at most, each the largest there is: beyond them it would round.
    weight = rng.normal(size=(40, 1040)).astype(np.float32)
    weight[0], weight[1] = 1, -1
    x = rng.uniform(-1, 1, (3, 1040)).astype(np.float32) * (1 if bounded else 9)
    x[0] = 1
    floats = kind(weight, bounded=bounded)
    monkeypatch.setattr(products, "MOST_IN_FLOATS", 0)
    whole = kind(weight, bounded=bounded)
    for rows in (x[:1], x[1:2], x[2:]):
        assert np.array_equal(floats(rows), whole(rows))
    assert np.array_equal(whole(x)[0], floats(x[:1])[0])


@pytest.mark.parametrize("cell", ["mut1", "qrnn"])
def test_a_padded_text_has_the_same_bits_alone_and_beside_others(cell: str) -> None:
    network = model(cell=cell, hidden_size=24)
    beside_others(lambda states: Padded(network, states, 8), network, count=8)


def test_weights_are_as_narrow_as_the_network_is_large_and_the_machine_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def chosen(int8: bool, int16: bool, most: int, library: Any = None) -> list[str]:
        monkeypatch.setattr(packed, "has_int8", lambda: int8)
        monkeypatch.setattr(packed, "has_int16", lambda: int16)
        monkeypatch.setattr(packed, "MOST_IN_INT16", most)
        wanted = ("auto", "float32", "int16", "int8")
        return [packed.arithmetic(1000, w, library=library) for w in wanted]

    assert chosen(True, True, 10_000) == ["int16", "float32", "int16", "int8"]
    assert chosen(True, True, 100) == ["int8", "float32", "int16", "int8"]
    assert chosen(True, False, 10_000) == ["float32", "float32", "float32", "int8"]
    assert chosen(False, False, 100) == ["float32"] * 4
    for int8 in (True, False):  # of torch
        quick, slow = (SimpleNamespace(dots=dots) for dots in (True, False))
        assert chosen(int8, int8, 10_000, quick) == ["float32"] * 3 + ["int8"]
        assert chosen(int8, int8, 100, quick) == ["int8", "float32", "float32", "int8"]
        assert chosen(int8, int8, 100, slow) == ["float32"] * 3 + ["int8"]
