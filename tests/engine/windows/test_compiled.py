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

from engine import cells, compiler, windows
from engine.cells.base import Cell, LayerState
from engine.windows import compiled
from engine.windows.products import library_for

NAMES = ("gru", "lstm", "rnn")
needs_library = pytest.mark.skipif(
    not (
        platform.system() == "Linux"
        and torch.cpu.get_capabilities().get("avx512_bf16")
        and compiler.command()
    ),
    reason="no CPU with units for bf16, or no compiler",
)


def library() -> compiled.Library:
    found = compiled.library()
    assert found is not None
    return found


def made(
    name: str, inputs: int, units: int, lanes: int, steps: int
) -> tuple[Cell, Tensor, LayerState]:
    """A cell with every weight at work, and a window for it."""
    rng = torch.Generator().manual_seed(units + lanes)
    cell = cells.find(name)(inputs, units)
    cell.initialise(rng)
    with torch.no_grad():
        for weight in cell.parameters():
            weight.add_(torch.empty_like(weight).uniform_(-0.1, 0.1, generator=rng))
    x = torch.randn(steps, lanes, inputs, generator=rng).requires_grad_()
    state = tuple(
        torch.randn(lanes, units, generator=rng).requires_grad_() for _ in range(cell.state_tensors)
    )
    return cell, x, state


def gradients(
    cell: Cell, out: Tensor, after: LayerState, given: tuple[Tensor, ...]
) -> list[Tensor]:
    loss = (out.float() ** 3).sum() + sum((part.float() ** 2).sum() for part in after)
    return [out, *after, *torch.autograd.grad(loss, [*given, *cell.parameters()])]


def halved(name: str, units: int, lanes: int, steps: int) -> list[Tensor]:
    cell, x, state = made(name, 24, units, lanes, steps)
    with torch.autocast("cpu", torch.bfloat16):
        out, after = cell(x, state)
    return gradients(cell, out, after, (x, *state))


def by_equations(name: str, units: int, lanes: int, steps: int) -> list[Tensor]:
    cell, x, state = made(name, 24, units, lanes, steps)
    cell, x = cell.double(), x.double()
    first = after = tuple(part.double() for part in state)
    outs = []
    for row in x:
        out, after = cell.step(row, after)
        outs.append(out)
    return gradients(cell, torch.stack(outs), after, (x, *first))


@needs_library
@pytest.mark.parametrize("tiles", [True, False])
@pytest.mark.parametrize("name", NAMES)
@given(units=st.sampled_from([32, 64, 96, 224]), lanes=st.integers(1, 40), steps=st.integers(1, 9))
def test_they_are_near_the_equations(
    name: str, tiles: bool, units: int, lanes: int, steps: int
) -> None:
    """To a hundredth of each tensor's size: every product rounds its factors to three digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library(), "_tiles", tiles and library()._tiles)
        found = halved(name, units, lanes, steps)
    for ours, exact in zip(found, by_equations(name, units, lanes, steps), strict=True):
        assert float(((ours - exact).norm() / exact.norm()).detach()) < 0.015


@needs_library
@pytest.mark.parametrize("name", NAMES)
def test_as_many_threads_as_you_like_give_the_same_bits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = halved(name, 256, 21, 5)
    for threads in (2, 3, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        torch.testing.assert_close(halved(name, 256, 21, 5), alone, rtol=0, atol=0)


@needs_library
@pytest.mark.parametrize("name", NAMES)
def test_gates_that_are_wide_open_or_shut_stay_numbers(name: str) -> None:
    cell, x, state = made(name, 32, 32, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        out, after = cell(1e4 * x, state)
    assert all(part.isfinite().all() for part in gradients(cell, out, after, (x, *state)))


@needs_library
def test_products_of_torch_go_on_as_before_after_a_window() -> None:
    """Both set up the processor's tiles."""
    a, b = (torch.randn(96, 96).to(torch.bfloat16) for _ in range(2))
    before = a @ b
    for _ in range(3):
        halved("lstm", 64, 7, 2)
        torch.testing.assert_close(a @ b, before, rtol=0, atol=0)


@pytest.mark.usefixtures("unasked")
def test_a_cpu_without_units_for_bf16_keeps_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert compiled.library() is None
    assert "no units for bf16" in compiled.why()


@needs_library
@pytest.mark.parametrize("tiles", [True, False])
@pytest.mark.parametrize(("name", "units"), [("gru", 33), ("gru", 100), ("rnn", 78), ("lstm", 200)])
def test_layers_that_fill_no_tile_have_silent_units(
    name: str, units: int, tiles: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the library, on whole tiles: the others neither hear nor learn of what was added."""
    shapes = []
    real = compiled.Library.call

    def call(
        self: compiled.Library, function: str, shape: tuple[int, int, int], *rest: Tensor
    ) -> None:
        shapes.append(shape)
        real(self, function, shape, *rest)

    monkeypatch.setattr(compiled.Library, "call", call)
    monkeypatch.setattr(library(), "_tiles", tiles and library()._tiles)
    found = halved(name, units, 5, 6)
    assert set(shapes) == {(6, 5, -(-units // 32) * 32)}
    for ours, exact in zip(found, by_equations(name, units, 5, 6), strict=True):
        assert ours.shape == exact.shape
        assert float(((ours - exact).norm() / exact.norm()).detach()) < 0.015


def test_few_units_that_fill_no_tile_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    there = object()
    monkeypatch.setattr(compiled, "library", lambda: there)
    assert compiled.serves("lstm", 96) is there
    assert compiled.serves("lstm", 100) is None
    assert compiled.serves("gru", 100) is there
    assert compiled.serves("gru", 20) is None
    assert "below 192 units" in compiled.why("lstm", 100)
    assert [compiled.missing(*layer) for layer in (("lstm", 200), ("lstm", 100), ("rnn", 64))] == [
        24,
        0,
        0,
    ]


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
@pytest.mark.parametrize("tiles", [(), compiled.TILES])
def test_they_compile_for_every_cpu_that_they_are_for(
    tmp_path: Path, tiles: tuple[str, ...]
) -> None:
    """Also on a machine that could not run them; and a mistake there is no reason to skip the others here."""
    how = [*compiler.command(), *compiler.FLAGS, *compiled.DOTS, *tiles]
    assert compiler._compile(how, compiled.MAIN, tmp_path, "it").stat().st_size


@pytest.mark.usefixtures("unasked")
def test_without_a_compiler_torch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setenv("CXX", "false")
    assert compiled.library() is None
    reason = compiled.why()
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
    monkeypatch.setattr(compiler.platformdirs, "user_cache_dir", lambda _name: str(tmp_path))
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": True}
    )
    assert not library()._tiles


@needs_library
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_stays_none(name: str) -> None:
    cell, x, state = made(name, 32, 32, 3, 4)
    with torch.no_grad():
        cell.weights[1].fill_(torch.nan)  # type: ignore[index]
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = cell(x, state)
    assert out.isnan().all()


@needs_library
def test_windows_that_do_not_fit_together_are_left_to_torch() -> None:
    x = torch.zeros(2, 3, 5, dtype=torch.bfloat16)
    w_h, h = torch.zeros(32, 32), torch.zeros(3, 32)
    assert library_for(x, w_h, h) is library()
    assert library_for(x, w_h, h[:1]) is None
    assert library_for(x[:, :0], w_h, h[:0]) is None
    assert library_for(x.float(), w_h, h) is None
    assert library_for(x, w_h.double(), h) is None


@needs_library
def test_an_lstm_reads_by_torch_and_learns_compiled() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert windows.pay_for_lstm(torch.zeros(1), 64)
        assert not windows.pay_for_lstm(torch.zeros(1), 100)
        with torch.no_grad():
            assert not windows.pay_for_lstm(torch.zeros(1), 64)


@needs_library
def test_memory_that_runs_out_is_an_error_of_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library(), "_functions", SimpleNamespace(it=lambda *_: 1))
    with pytest.raises(MemoryError, match="not enough memory"):
        library().call("it", (1, 1, 32), torch.zeros(1))


@needs_library
def test_the_environment_can_turn_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.why() == compiler.COMPILED
    monkeypatch.setenv(compiler.OFF, "0")
    assert compiled.library() is None
    assert compiler.OFF in compiled.why()
