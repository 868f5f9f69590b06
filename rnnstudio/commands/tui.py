"""`rnnstudio tui`: the studio."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from checkpoints.errors import UserError
from rnnstudio.common import RunsDir, runs_dir, whole_run
from rnnstudio.completion import run_names

EXAMPLE = "Example:  rnnstudio tui plays    (no name: opens on all runs)"

Ascii = Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only")]
Demo = Annotated[bool, typer.Option("--demo", help="Open on a recording of a real run")]


def tui(
    run: Annotated[
        str, typer.Argument(help="A run to open [none: all of them]", autocompletion=run_names)
    ] = "",
    *,
    runs: RunsDir = None,
    demo: Demo = False,
    ascii_only: Ascii = False,
) -> None:
    """Open the studio: watch runs learn, steer them, read what they wrote."""
    if demo:
        from tui.demo import runs_folder

        with runs_folder(_tell_kept) as folder:
            _open(folder, None, ascii_only=ascii_only, demo=True)
        return
    folder = runs_dir(runs)
    _open(folder, whole_run(run, folder).path if run else None, ascii_only=ascii_only)


def _tell_kept(runs: Path) -> None:
    # Not on standard output: in a browser's studio that is the wire.
    text = f"What you made in the demo is kept: rnnstudio tui --runs {shlex.quote(str(runs))}"
    typer.echo(text, err=True)


def _open(folder: Path, run: Path | None, *, ascii_only: bool, demo: bool = False) -> None:
    # A browser's studio has a driver of its own; in a terminal Textual reads the one and draws on the other.
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(
            "the studio needs a terminal to draw on and keys to read",
            hint="a run as plain lines: rnnstudio watch RUN",
        )
    # Textual costs 0.4 s of CPU to import; a wrong name of a run is told before that.
    from tui.app import Studio

    Studio(folder, open_run=run, ascii_only=ascii_only, demo=demo).run()
