"""A benchmark's findings: a table for people, JSON for machines, and on what machine they were found."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from checkpoints.errors import ConfigError
from checkpoints.files import write_atomic
from engine import devices

Row = Mapping[str, Any]


def arguments(about: str | None, name: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(benchmark=name)
    parser.add_argument(
        "--json",
        type=_in_a_folder,
        default=Path(f"benchmark-{name}.json"),
        help="where the figures go",
    )
    return parser


SAME = ("cpu", "gpu", "torch", "commit")
"""What of a machine rows of one contest must have in common."""


def publish(args: argparse.Namespace, rows: Sequence[Row], **found: Any) -> None:
    """Print the rows as a table and write them, with the machine and the settings, as JSON."""
    print(table(rows))
    write(args, rows, **found)
    print(f"written to {args.json}")


def write(args: argparse.Namespace, rows: Sequence[Row], **found: Any) -> None:
    """Write the rows as JSON, with the machine, what was asked for and what else was `found`."""
    about = {
        "benchmark": args.benchmark,
        "machine": machine(),
        "settings": {**_asked(args), **found},
        "rows": [*rows],
    }
    write_atomic(args.json, json.dumps(about, indent=2, default=str) + "\n")


def kept(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows that an earlier run wrote there, if any.

    Raises ConfigError for another benchmark, machine or setting.
    """
    hint = "give another --json"
    try:
        found = json.loads(args.json.read_text(encoding="utf-8"))
        there = [found["benchmark"], found["settings"]]
        there += [found["machine"][name] for name in SAME]
        rows: list[dict[str, Any]] = found["rows"]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{args.json} holds no benchmark", hint=hint) from error
    here = machine()
    if there != [args.benchmark, _asked(args), *(here[name] for name in SAME)]:
        raise ConfigError(
            f"{args.json} is of another benchmark, machine, program or setting", hint=hint
        )
    return rows


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """The settings as JSON has them; not those that change no figure."""
    aside = ("benchmark", "json", "only", "go_on")
    asked = {name: value for name, value in vars(args).items() if name not in aside}
    settings: dict[str, Any] = json.loads(json.dumps(asked, default=str))
    return settings


def _in_a_folder(text: str) -> Path:
    """A path that can be written to. Raises ArgumentTypeError: better now than after hours."""
    path = Path(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written")
    return path


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
    """What was measured on, when, how loaded it was, and which program."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "usable_cores": devices.usable_cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": _commit(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _commit() -> str:
    """This checkout's, with `-dirty` where files differ from it; nothing without git."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(
            describe, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


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
