"""What several commands share: where runs are, and how a run's events reach the person who started it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from checkpoints.errors import RunError
from checkpoints.jsontext import finite
from checkpoints.runs import RunFolder, default_runs, find_run
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


def say_json(body: Any) -> None:
    """A value as a line of JSON on standard output: readable in a file or a pipe, and ASCII where a terminal obeys."""
    typer.echo(json.dumps(finite(body), ensure_ascii=sys.stdout.isatty(), allow_nan=False))


def listener(as_json: bool, run: RunFolder | None = None) -> Narrator | JsonLines:
    """Who hears the events of a run, that one if it began before: a script (`--json`) or a person."""
    return JsonLines(sys.stdout) if as_json else Narrator(run=run)


def whole_run(
    text: str, runs: Path, *, hint: str = "leave out the @ and what follows it"
) -> RunFolder:
    """The run that a person means, for what is done with all of it.

    Raises RunError if there is none, or if one of its checkpoints is named; `hint` may name it as {checkpoint}.
    """
    run, spec = find_run(text, runs)
    if spec:
        raise RunError(
            f"{text} is one checkpoint, and this is about all of run {run.name}",
            hint=hint.format(checkpoint=f"{run.called}@{spec}"),
        )
    return run
