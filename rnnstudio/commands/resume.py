"""`rnnstudio resume`: go on exactly where a run stopped."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from rnnstudio.common import Json, RunName, RunsDir, listener, runs_dir, whole_run

EXAMPLE = "Example:  rnnstudio resume plays    (no name: the newest run)"


def resume(
    run: RunName = "",
    *,
    runs: RunsDir = None,
    steps: Annotated[
        int | None, typer.Option(help="A new budget in optimizer steps, all told")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="A new budget in passes over the text, all told")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="A new budget in minutes, all told")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps [as before]")] = "",
    threads: Annotated[int, typer.Option(help="CPU threads [as before]", show_default=False)] = 0,
    as_json: Json = False,
) -> None:
    """Go on exactly where a run stopped: weights, optimizer, place in the text, random numbers."""
    from checkpoints.lock import refuse_live

    folder = whole_run(
        run,
        runs_dir(runs),
        hint="resume goes on from the newest; to go on from this one: rnnstudio train --from {checkpoint}",
    )
    if os.environ.get("RANK", "0") == "0":  # before torch is loaded: at once
        refuse_live(folder.path)
    voice = listener(as_json, folder)
    try:
        from engine.training.run import train_run

        given: dict[str, Any] = {"steps": steps, "epochs": epochs, "minutes": minutes}
        budget = {k: v for k, v in given.items() if v is not None}
        outcome = train_run(
            folder,
            hear=voice.event,
            resuming=True,
            budget=budget,
            device=device,
            threads=threads,
        )
    finally:
        voice.close()
    raise typer.Exit(outcome.exit_code)
