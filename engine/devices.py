"""Where the arithmetic is done, and by how many threads, each with the reason in words."""

from __future__ import annotations

import math
import os
import shutil
from functools import cache
from pathlib import Path

import torch

from checkpoints.errors import ConfigError

# More threads than these wait for each other: the products of one time step are small.
MOST_THREADS = 8
# Beyond this no machine gains; thousands of threads bring the OpenMP library down.
MOST_PER_CORE = 32

CPU = torch.device("cpu")


def choose(device: str) -> tuple[torch.device, str]:
    """The device for `auto`, `cpu`, `cuda` or `mps`, and why, as the end of a sentence.

    A GPU counts only if a small recurrent network learns on it. `auto` falls back to the CPU; a device asked for by
    name that does not work raises ConfigError.
    """
    if device == "cpu":
        return CPU, "as asked"
    if device != "auto":
        fault = (
            _fault(device)
            if _available(device)
            else f"there is none that this torch ({torch.__version__}) can use"
        )
        if fault:
            raise ConfigError(
                f"the device {device} cannot be used: {fault}", hint="use --device auto, or cpu"
            )
        return torch.device(device), f"as asked: {_describe(device)}"
    notes = []
    for name in ("cuda", "mps"):
        if _available(name):
            fault = _fault(name)
            if fault is None:
                return torch.device(name), f"found {_describe(name)}"
            notes.append(f"{name} failed: {fault}")
    if shutil.which("nvidia-smi") and not _available("cuda"):
        built = torch.version.cuda
        notes.append(
            "there seems to be an NVIDIA GPU, but this torch is built without CUDA"
            if built is None
            else f"there seems to be an NVIDIA GPU, but CUDA {built} finds none: is its driver new enough?"
        )
    return CPU, "; ".join(notes) or "no GPU found"


def choose_threads(requested: int) -> tuple[int, str]:
    """How many CPU threads to compute with, and why; 0 requests a choice."""
    if requested < 0:
        raise ConfigError(f"threads is {requested}", hint="use 0 (chosen for you) or more")
    cores = usable_cores()
    most = MOST_PER_CORE * cores
    if requested > most:
        raise ConfigError(
            f"threads is {requested}, but {cores} cores are usable here: so many would only wait for each other",
            hint=f"use --threads {cores}, or leave it out",
        )
    if requested:
        over = f", more than the {cores} usable here" if requested > cores else ""
        return requested, f"as asked{over}"
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and 0 < int(told) <= most:
        return int(told), "OMP_NUM_THREADS says so"
    shared = os.environ.get("LOCAL_WORLD_SIZE", "")
    if shared.isdigit() and (beside := int(shared)) > 1:
        return max(1, cores // beside), f"{cores} usable cores for {beside} processes"
    if cores > MOST_THREADS:
        return MOST_THREADS, f"of {cores} usable cores; more would wait for each other"
    return cores, "all usable cores" if cores > 1 else "one usable core"


def usable_cores() -> int:
    """Cores that this process may keep busy: its affinity, and its container's quota where there is one."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return cores


def wait(device: torch.device) -> None:
    """Until the device has done what it was given: CUDA answers before it has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def has_bf16(device: torch.device) -> bool:
    """Whether the device has units for bf16, and so multiplies faster in it than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return _cpu_has_bf16()
    return False


def has_fp16(device: torch.device) -> bool:
    """Whether the device has units for fp16: NVIDIA's since Volta."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0)


@cache
def _cpu_has_bf16() -> bool:
    return cpu_has("avx512_bf16") or cpu_has("amx_bf16")


def cpu_has(units: str) -> bool:
    """Whether this CPU has all of these (`avx2+fma3`, as torch names them); older versions of torch do not tell."""
    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return all(told.get(unit) for unit in units.split("+"))


def _fault(name: str) -> str | None:
    """Why a small network does not learn on the device, or None: some drivers load and then cannot compute."""
    try:
        layer = torch.nn.LSTM(4, 4, device="meta").to_empty(device=name)
        for weight in layer.parameters():
            torch.nn.init.zeros_(weight)
        out, _ = layer(torch.zeros(2, 2, 4, device=name))
        out.sum().backward()
        return None if bool(torch.isfinite(out).all()) else "it computes no finite numbers"
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _available(name: str) -> bool:
    return torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()


def _describe(name: str) -> str:
    if name != "cuda":
        return "Apple's GPU"
    card = torch.cuda.get_device_properties(0)
    return f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
