"""Compiled windows beside the cells' equations, and what becomes of them where they cannot be had."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine import compiler, windows
from engine.cells.base import Fused
from engine.windows import compiled
from engine.windows.products import library_for
from tests.engine.windows.layers import (
    HALVED,
    KINDS,
    NAMES,
    WHOLE,
    agree,
    every_kind,
    gradients,
    here,
    made,
    same_by_any_threads,
    use,
)

needs_library = here("avx512_bf16")


def library() -> compiled.Library:
    found = compiled.library(HALVED)
    assert found is not None
    return found


def by_library(
    name: str, units: int, lanes: int, steps: int, *, kind: torch.dtype = HALVED
) -> list[Tensor]:
    cell, x, state = made(name, 24, units, lanes, steps)
    assert isinstance(cell, Fused)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == HALVED):
        found = getattr(windows, name)(x, *state, cell.weights)
    if name == "lstm":
        return gradients(cell, found[0], (found[0][-1], found[1]), (x, *state))
    return gradients(cell, found, (found[-1],), (x, *state))


def by_equations(name: str, units: int, lanes: int, steps: int) -> list[Tensor]:
    cell, x, state = made(name, 24, units, lanes, steps)
    cell, x = cell.double(), x.double()
    first = after = tuple(part.double() for part in state)
    outs = []
    for row in x:
        out, after = cell.step(row, after)
        outs.append(out)
    return gradients(cell, torch.stack(outs), after, (x, *first))


@every_kind
@pytest.mark.parametrize("name", NAMES)
@given(units=st.sampled_from([32, 64, 96, 224]), lanes=st.integers(1, 40), steps=st.integers(1, 9))
def test_they_are_near_the_equations(
    name: str, unit: str, units: int, lanes: int, steps: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kind = use(unit, patch)
        found = by_library(name, units, lanes, steps, kind=kind)
    agree(found, by_equations(name, units, lanes, steps), kind)


@every_kind
@pytest.mark.parametrize("name", NAMES)
def test_as_many_threads_as_you_like_give_the_same_bits(
    name: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use(unit, monkeypatch)
    same_by_any_threads(lambda: by_library(name, 256, 21, 5, kind=kind), monkeypatch)


@every_kind
@pytest.mark.parametrize("name", NAMES)
def test_gates_that_are_wide_open_or_shut_stay_numbers(
    name: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use(unit, monkeypatch)
    cell, x, state = made(name, 32, 256, 3, 4)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == HALVED):
        out, after = cell(1e4 * x, state)
    assert all(part.isfinite().all() for part in gradients(cell, out, after, (x, *state)))


@needs_library
def test_products_of_torch_go_on_as_before_after_a_window() -> None:
    """Both set up the processor's tiles."""
    a, b = (torch.randn(96, 96).to(torch.bfloat16) for _ in range(2))
    before = a @ b
    for _ in range(3):
        by_library("lstm", 64, 7, 2)
        torch.testing.assert_close(a @ b, before, rtol=0, atol=0)


@pytest.mark.usefixtures("unasked")
def test_a_cpu_without_the_units_keeps_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"sse4_2": True})
    for kind, lacks in ((HALVED, "no units for bf16"), (WHOLE, "no AVX2")):
        assert compiled.library(kind) is None
        assert lacks in compiled.why("gru", 32, kind)
    assert compiled.library(torch.float64) is None


@every_kind
@pytest.mark.parametrize(("name", "units"), [("gru", 33), ("gru", 100), ("rnn", 78), ("lstm", 200)])
def test_layers_that_fill_no_tile_have_silent_units(
    name: str, units: int, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the library, on whole tiles: the others neither hear nor learn of what was added."""
    shapes = []
    real = compiled.Library.call

    def call(
        self: compiled.Library, function: str, sizes: tuple[int, ...], *rest: Tensor | None
    ) -> None:
        shapes.append(sizes[:3])
        real(self, function, sizes, *rest)

    monkeypatch.setattr(compiled.Library, "call", call)
    kind = use(unit, monkeypatch)
    found = by_library(name, units, 5, 6, kind=kind)
    alone = name == "lstm" and kind == WHOLE  # which torch computes as fast
    assert set(shapes) == (set() if alone else {(6, 5, -(-units // 32) * 32)})
    agree(found, by_equations(name, units, 5, 6), kind)


def test_layers_that_torch_computes_as_fast_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = object()
    monkeypatch.setattr(compiled, "library", lambda _products: there)

    def served(cell: str, *units: int, kind: torch.dtype) -> list[bool]:
        return [compiled.serves(cell, one, kind) is there for one in units]

    assert served("lstm", 96, 100, 200, 512, kind=HALVED) == [True, False, True, True]
    assert served("lstm", 20, 32, 200, 256, 300, kind=WHOLE) == [False, True, False, True, False]
    for kind in (HALVED, WHOLE):
        assert served("gru", 20, 32, 100, 512, kind=kind) == [False, True, True, True]
        assert served("rnn", 20, 32, 100, 512, kind=kind) == [False, True, True, True]
    assert served("gru", 64, kind=torch.float16) == [False]
    assert compiled.why("lstm", 100, HALVED).endswith("a multiple of 32 units, or 192 at least")
    assert compiled.why("lstm", 300, WHOLE).endswith("a multiple of 32 units")
    lacks = [
        compiled.missing(*layer, HALVED) for layer in (("lstm", 200), ("lstm", 100), ("rnn", 64))
    ]
    assert lacks == [24, 0, 0]


@pytest.fixture
def unasked() -> Iterator[None]:
    """A library that nobody has loaded yet."""
    compiled._found.cache_clear()
    yield
    compiled._found.cache_clear()


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64") or not compiler.command(),
    reason="no compiler for such machines",
)
@pytest.mark.parametrize("unit", KINDS)
def test_they_compile_for_every_cpu_that_they_are_for(tmp_path: Path, unit: str) -> None:
    """Also on a machine that could not run them; and a mistake there is no reason to skip the others here."""
    how = [*compiler.command(), *compiler.FLAGS, *KINDS[unit][1]]
    assert compiler._compile(how, compiled.MAIN, tmp_path, "it").stat().st_size


@pytest.mark.usefixtures("unasked")
def test_without_a_compiler_torch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setenv("CXX", "false")
    assert compiled.library(HALVED) is None
    reason = compiled.why("gru", 32, HALVED)
    assert reason.startswith("by torch: ")
    assert "could not compile" in reason or "Linux only" in reason


@needs_library
@pytest.mark.usefixtures("unasked")
def test_an_old_compiler_knows_no_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "old-c++"
    real = compiler.command()[0]
    old.write_text(f'#!/bin/sh\ncase "$*" in *-mamx*) exit 1;; esac\nexec {real} "$@"\n', "utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("CXX", str(old))
    monkeypatch.setattr(compiler, "user_cache", lambda: tmp_path)
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": True}
    )
    assert not library()._tiles


@every_kind
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_stays_none(
    name: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = use(unit, monkeypatch)
    cell, x, state = made(name, 32, 256, 3, 4)
    with torch.no_grad():
        cell.weights[1].fill_(torch.nan)  # type: ignore[index]
    with torch.autocast("cpu", torch.bfloat16, enabled=kind == HALVED):
        out, _ = cell(x, state)
    assert out.isnan().all()


@needs_library
def test_windows_that_do_not_fit_together_are_left_to_torch() -> None:
    x = torch.zeros(2, 3, 5, dtype=torch.bfloat16)
    w_h, h = torch.zeros(32, 32), torch.zeros(3, 32)
    assert library_for(x, w_h, h) is library()
    assert library_for(x, w_h, h[:1]) is None
    assert library_for(x[:, :0], w_h, h[:0]) is None
    assert library_for(x.float(), w_h, h) is compiled.library(WHOLE)
    assert library_for(x.half(), w_h, h) is None
    assert library_for(x, w_h.double(), h) is None
    assert library_for(x.double(), w_h.double(), h.double()) is None


@needs_library
def test_an_lstm_reads_by_torch_and_learns_compiled() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert windows.pay_for_lstm(torch.zeros(1), 64)
        assert not windows.pay_for_lstm(torch.zeros(1), 100)
        with torch.no_grad():
            assert not windows.pay_for_lstm(torch.zeros(1), 64)
    assert windows.pay_for_lstm(torch.zeros(1), 256)
    assert not windows.pay_for_lstm(torch.zeros(1), 300)
    assert not windows.pay_for_lstm(torch.zeros(1, dtype=torch.float64), 256)


@needs_library
def test_memory_that_runs_out_is_an_error_of_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library(), "_functions", SimpleNamespace(it=lambda *_: 1))
    with pytest.raises(MemoryError, match="not enough memory"):
        library().call("it", (1, 1, 32), torch.zeros(1))


@needs_library
def test_the_environment_can_turn_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (HALVED, WHOLE):
        monkeypatch.delenv(compiler.OFF, raising=False)
        assert compiled.why("gru", 32, kind) == compiler.COMPILED
        monkeypatch.setenv(compiler.OFF, "0")
        assert compiled.library(kind) is None
        assert compiler.OFF in compiled.why("gru", 32, kind)
