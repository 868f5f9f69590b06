"""`rnnstudio doctor`: what this machine offers, and what stands in the way."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import typer

from checkpoints.paths import exists
from rnnstudio.common import Json, RunsDir, runs_dir, say_json

EXAMPLE = "Example:  rnnstudio doctor"


def doctor(*, runs: RunsDir = None, as_json: Json = False) -> None:
    """Say what was found here: versions, devices, threads, disk, where runs go."""
    from engine.training.settings import versions

    found: dict[str, Any] = {
        "versions": versions(),
        "platform": platform.platform(),
        "python": sys.executable,
        "cores": os.cpu_count(),
    }
    problems: list[str] = []
    try:
        import torch

        from engine.devices import CPU, choose, choose_threads
        from engine.precision import told
        from engine.sampling import compiled as writing

        device, why = choose("auto")
        count, why_threads = choose_threads(0)
        found["device"] = {"name": str(device), "why": why}
        found["threads"] = {"count": count, "why": why_threads}
        found["kernels"] = told(CPU, "auto", "gru", hidden_size=256)
        found["writing"] = writing.why()
        found["torch_cuda_build"] = torch.version.cuda or "none (CPU build)"
    except ImportError as error:
        problems.append(
            f"torch does not load ({error}); reinstall it: pip install --force-reinstall torch"
        )
    folder = Path(os.path.realpath(runs_dir(runs)))
    found["runs"] = str(folder)
    existing = next(p for p in (folder, *folder.parents) if exists(p))
    found["free_disk_gb"] = round(shutil.disk_usage(existing).free / 1e9, 1)
    if found["free_disk_gb"] < 1:
        problems.append(
            f"less than 1 GB is free where runs go ({folder}); a run of medium size needs that"
        )
    if not _writable(existing):
        problems.append(
            f"{existing} cannot be written; name another place with --runs or RNNSTUDIO_RUNS"
        )
    found["problems"] = problems
    if as_json:
        say_json(found)
    else:
        _print(found)
    raise typer.Exit(2 if problems else 0)


def _print(found: dict[str, Any]) -> None:
    for name, value in found["versions"].items():
        typer.echo(f"{name:<14} {value}")
    for name in ("platform", "cores", "runs", "free_disk_gb", "torch_cuda_build"):
        if name in found:
            typer.echo(f"{name.replace('_', ' '):<14} {found[name]}")
    if "device" in found:
        typer.echo(f"{'device':<14} {found['device']['name']}: {found['device']['why']}")
        typer.echo(f"{'threads':<14} {found['threads']['count']}: {found['threads']['why']}")
        typer.echo(f"{'kernels':<14} {found['kernels']}")
        typer.echo(f"{'writing':<14} {found['writing']}")
    for problem in found["problems"]:
        typer.echo(f"! {problem}")
    if not found["problems"]:
        typer.echo("nothing stands in the way")


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
