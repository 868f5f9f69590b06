"""`rnnstudio tui`: the studio."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnstudio.common import RunsDir, runs_dir

EXAMPLE = "Example:  rnnstudio tui plays    (no name: opens on all runs)"


def tui(
    run: Annotated[str, typer.Argument(help="A run to open [none: all of them]")] = "",
    *,
    runs: RunsDir = None,
    ascii_only: Annotated[
        bool, typer.Option("--ascii", help="Draw with ASCII characters only")
    ] = False,
) -> None:
    """Open the studio: watch runs learn, steer them, read what they wrote."""
    from checkpoints.runs import find_run

    folder = runs_dir(runs)
    found = find_run(run, folder).run.path if run else None
    # Textual costs 0.4 s of CPU to import; finding the run comes first, so that a wrong name is told at once.
    from tui.app import Studio

    Studio(folder, open_run=found, ascii_only=ascii_only).run()
