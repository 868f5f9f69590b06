"""A benchmark's findings: a table for people, JSON for machines, and on what machine they were found."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

Row = Mapping[str, Any]


def arguments(about: str | None, name: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json", type=Path, default=Path(f"benchmark-{name}.json"), help="where the figures go"
    )
    return parser


def publish(name: str, rows: Sequence[Row], path: Path, **settings: Any) -> None:
    """Print the rows as a table and write them, with the machine and the settings, as JSON."""
    print(table(rows))
    write(name, rows, path, **settings)
    print(f"written to {path}")


def write(name: str, rows: Sequence[Row], path: Path, **settings: Any) -> None:
    """Write the rows, with the machine and the settings, as JSON."""
    found = {"benchmark": name, "machine": machine(), "settings": settings, "rows": [*rows]}
    path.write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")


def kept(name: str, path: Path, **settings: Any) -> list[dict[str, Any]]:
    """The rows that an earlier run wrote there, if any. Raises SystemExit for another benchmark, machine or setting."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    here = (name, settings, machine()["cpu"], machine()["torch"])
    there = (
        found["benchmark"],
        found["settings"],
        *(found["machine"][k] for k in ("cpu", "torch")),
    )
    if here != there:
        raise SystemExit(f"{path} is of another benchmark, machine or setting: give another --json")
    rows: list[dict[str, Any]] = found["rows"]
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned text; a column for each key that any row has, in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    numeric = [any(isinstance(row.get(name), int | float) for row in rows) for name in names]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def machine() -> dict[str, Any]:
    """What was measured on, and how loaded it was."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
