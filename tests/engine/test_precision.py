"""Where bf16 is chosen, on machines made up for the purpose."""

from __future__ import annotations

import pytest
import torch

from engine import compiler, devices, precision
from engine.windows import compiled

CPU = torch.device("cpu")


def product_type(wanted: str, cell: str, hidden_size: int) -> torch.dtype:
    with precision.autocast(CPU, wanted, cell, hidden_size=hidden_size):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize("units", [True, False])
def test_bf16_on_a_cpu_with_units_for_it_is_for_layers_that_it_makes_faster(
    units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: units)
    monkeypatch.setenv(compiler.OFF, "0")
    faster = torch.bfloat16 if units else torch.float32
    assert product_type("auto", "lstm", 64) == product_type("auto", "lstm", 1024) == faster
    assert product_type("auto", "gru", 128) == torch.float32
    assert product_type("auto", "gru", 512) == product_type("auto", "rnn", 512) == faster
    assert product_type("auto", "mut1", 512) == torch.float32
    assert product_type("float32", "lstm", 256) == torch.float32
    assert product_type("bf16", "gru", 128) == torch.bfloat16


def test_compiled_windows_make_it_pay_at_every_width_that_they_can_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: True)
    monkeypatch.setattr(compiled, "library", lambda _products: object())
    assert product_type("auto", "gru", 32) == product_type("auto", "rnn", 64) == torch.bfloat16
    assert product_type("auto", "gru", 100) == product_type("auto", "rnn", 33) == torch.bfloat16
    assert product_type("auto", "gru", 20) == product_type("auto", "mut1", 64) == torch.float32


def test_on_cuda_the_cells_of_cudnn_are_in_fp16_and_others_in_bf16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = torch.device("cuda")
    for fp16, bf16, cudnn_s, others in (
        (True, True, torch.float16, torch.bfloat16),
        (True, False, torch.float16, torch.float32),
        (False, False, torch.float32, torch.float32),
    ):
        monkeypatch.setattr(precision, "has_fp16", lambda _, fp16=fp16: fp16)
        monkeypatch.setattr(precision, "has_bf16", lambda _, bf16=bf16: bf16)
        found = {
            cell: precision.arithmetic(card, "auto", cell, hidden_size=64)
            for cell in ("lstm", "gru", "rnn", "mut1", "rnn_relu", "lstm_ln")
        }
        assert [*found.values()] == [cudnn_s] * 3 + [others] * 3
        for wanted, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
            assert precision.arithmetic(card, wanted, "lstm", hidden_size=64) == dtype


def test_the_context_can_be_entered_again_and_again() -> None:
    for wanted in ("auto", "bf16"):
        context = precision.autocast(CPU, wanted, "lstm", hidden_size=64)
        for _ in range(2):
            with context:
                pass
        assert not torch.is_autocast_enabled("cpu")


def test_a_person_is_told_what_computes_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(wanted: str, cell: str, hidden_size: int) -> str:
        return precision.told(CPU, wanted, cell, hidden_size=hidden_size)

    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: True)
    monkeypatch.setenv(compiler.OFF, "0")
    assert told("auto", "lstm", 64) == f"bf16, kernels by torch: {compiler.OFF}=0"
    assert told("auto", "gru", 64) == f"float32, kernels by torch: {compiler.OFF}=0"
    assert told("auto", "lstm", 100).endswith("a multiple of 32 units, or 192 at least")
    assert told("auto", "mut1", 64) == "float32"
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: False)
    assert told("auto", "lstm", 300).endswith("a multiple of 32 units")
    assert told("auto", "gru", 20).endswith("own ones want 32 units at least")
    for cell in ("gru", "lstm"):
        assert told("auto", cell, 64) == f"float32, kernels by torch: {compiler.OFF}=0"
    assert told("float32", "lstm", 64) == told("auto", "lstm", 64)
