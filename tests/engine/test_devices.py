"""The choice of device and threads, on machines made up for the purpose."""

from __future__ import annotations

import os

import pytest
import torch

from checkpoints.errors import ConfigError
from engine import devices


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without GPUs, whatever the real one has."""
    monkeypatch.setattr(devices, "_available", lambda _: False)
    monkeypatch.setattr(devices.shutil, "which", lambda _: None)
    for name in ("OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_gpu_it_is_the_cpu() -> None:
    assert devices.choose("auto") == (torch.device("cpu"), "no GPU found")
    assert devices.choose("cpu") == (torch.device("cpu"), "as asked")


def test_a_working_gpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_available", lambda name: name == "mps")
    monkeypatch.setattr(devices, "_fault", lambda _: None)
    assert devices.choose("auto") == (torch.device("mps"), "found Apple's GPU")
    assert devices.choose("mps") == (torch.device("mps"), "as asked: Apple's GPU")


@pytest.mark.skipif(torch.backends.mps.is_built(), reason="this torch has the device")
def test_a_gpu_that_cannot_compute_is_passed_over_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe really runs: this torch has no such device, so it fails as a broken driver does."""
    monkeypatch.setattr(devices, "_available", lambda name: name == "mps")
    device, why = devices.choose("auto")
    assert device == torch.device("cpu")
    assert why.startswith("mps failed: ")
    assert len(why) > len("mps failed: ")
    with pytest.raises(ConfigError, match="mps cannot be used"):
        devices.choose("mps")


def test_the_probe_passes_where_a_network_learns() -> None:
    before = torch.random.get_rng_state()
    assert devices._fault("cpu") is None
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_gpu_that_torch_was_not_built_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(torch.version, "cuda", None)
    _, why = devices.choose("auto")
    assert "built without CUDA" in why


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_asked_for_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} cannot be used") as caught:
        devices.choose(name)
    assert "--device auto" in caught.value.hint


@pytest.mark.parametrize(
    ("cores", "expected"),
    [(1, 1), (2, 2), (64, 8)],
)
def test_threads_fit_the_machine(
    monkeypatch: pytest.MonkeyPatch, cores: int, expected: int
) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: cores)
    count, why = devices.choose_threads(0)
    assert count == expected
    assert why


def test_threads_that_were_asked_for_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: 2)
    assert devices.choose_threads(2) == (2, "as asked")
    assert devices.choose_threads(9) == (9, "as asked, more than the 2 usable here")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert devices.choose_threads(0) == (3, "OMP_NUM_THREADS says so")
    assert devices.choose_threads(1)[0] == 1
    with pytest.raises(ConfigError, match="threads is -1"):
        devices.choose_threads(-1)


def test_processes_beside_each_other_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: 6)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert devices.choose_threads(0)[0] == 1


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 6), ("150000 100000", 2), ("50000 100000", 1), ("900000 100000", 6), ("", 6)],
)
def test_a_container_that_may_use_few_cores_has_few(
    monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(devices.Path, "read_text", lambda *_, **__: f"{quota}\n")
    assert devices.usable_cores() == expected


def test_usable_cores_are_some_of_the_machines() -> None:
    assert 1 <= devices.usable_cores() <= (os.cpu_count() or 1)
