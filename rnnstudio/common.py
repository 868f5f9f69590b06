"""What several commands share: where runs are, and how a run's events reach the person who started it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from checkpoints.errors import CheckpointError, RunError
from checkpoints.jsontext import json_line
from checkpoints.runs import RunFolder, default_runs, find_run
from rnnstudio import completion
from rnnstudio.narration import JsonLines, Narrator
from tui.literal import literal

RunsDir = Annotated[
    Path | None,
    typer.Option("--runs", metavar="DIR", help="Where runs live [$RNNSTUDIO_RUNS or ./runs]"),
]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run's name or folder [the newest run]",
        autocompletion=completion.run_names,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts")]


def runs_dir(given: Path | None) -> Path:
    """The folder of runs that a command means."""
    return given if given is not None else default_runs()


def say(text: str) -> None:
    """A line of narration, beside the data."""
    print(literal(text), file=sys.stderr, flush=True)


def say_json(body: Any) -> None:
    """A value as a line of JSON on standard output."""
    typer.echo(json_line(body))


def passed_over(path: Path, error: CheckpointError) -> None:
    """Says that a checkpoint cannot be used, and why."""
    del path
    say(f"{error.message}; it is passed over")


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
