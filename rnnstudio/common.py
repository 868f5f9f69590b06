"""What several commands share: where runs are, and how a run's events reach the person who started it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from checkpoints.runs import default_runs
from rnnstudio import completion
from rnnstudio.narration import JsonLines, Narrator

RunsDir = Annotated[
    Path | None,
    typer.Option("--runs", metavar="DIR", help="Where runs live [$RNNSTUDIO_RUNS or ./runs]"),
]
RunName = Annotated[
    str,
    typer.Argument(
        help="The run's name or folder [the newest run]", autocompletion=completion.run_names
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts")]


def runs_dir(given: Path | None) -> Path:
    """The folder of runs that a command means."""
    return given if given is not None else default_runs()


def listener(as_json: bool) -> Narrator | JsonLines:
    """Who hears a run's events: a script (`--json`) or a person."""
    return JsonLines(sys.stdout) if as_json else Narrator()
