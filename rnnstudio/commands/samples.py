"""`rnnstudio samples`: what a run wrote at each checkpoint, from noise to style."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from rnnstudio.common import Json, RunName, RunsDir, passed_over, runs_dir, say_json
from tui.literal import literal

EXAMPLE = "Example:  rnnstudio samples plays --temperature 0.8"


def samples(
    run: RunName = "",
    *,
    runs: RunsDir = None,
    step: Annotated[int | None, typer.Option(help="Only those written at this step")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Only those at this temperature")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what a run wrote at each checkpoint, in the order in which it learned."""
    from checkpoints.checkpoint import step_of
    from checkpoints.errors import RunError
    from checkpoints.events import SampleFinished
    from checkpoints.runs import find_run

    folder, spec = find_run(run, runs_dir(runs))
    if spec:
        step = step_of(folder.checkpoint(spec, skipped=passed_over))
    every = [e for e in folder.events(steps=False) if isinstance(e, SampleFinished)]
    found = [e for e in every if step in (None, e.step) and temperature in (None, e.temperature)]
    if not found:
        steps, degrees = {e.step for e in every}, {e.temperature for e in every}
        raise RunError(
            f"run {folder.name} has no such samples",
            hint=f"it wrote at the steps {_listed(steps)} and at the temperatures {_listed(degrees)}"
            if every
            else f"write some: rnnstudio sample {folder.called}",
        )
    for e in found:
        if as_json:
            body = {
                "step": e.step,
                "temperature": e.temperature,
                "seed": e.seed,
                "prime": e.prime,
                "text": e.text,
                "nats_per_char": e.nats_per_char,
                "figures": dict(e.metrics),
            }
            say_json(body)
        else:
            typer.echo(f"── step {e.step:,}, temperature {e.temperature:g}", err=True)
            typer.echo(literal(e.prime + e.text))


def _listed(numbers: Iterable[float]) -> str:
    """The first and last few of them, in order."""
    told = [f"{number:,}" for number in sorted(numbers)]
    return ", ".join([*told[:4], "…", *told[-4:]] if len(told) > 9 else told)
