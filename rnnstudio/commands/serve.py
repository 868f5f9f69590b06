"""`rnnstudio serve`: the studio in a web browser, through textual-serve."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from checkpoints.errors import UserError
from rnnstudio.common import RunsDir, runs_dir

EXAMPLE = "Example:  rnnstudio serve --port 8000    then open http://127.0.0.1:8000"

LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    *,
    host: Annotated[str, typer.Option(help="Where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on")] = 8000,
    runs: RunsDir = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve a recording of a real run")] = False,
) -> None:
    """Show the studio in a web browser."""
    try:
        from textual_serve.server import Server
    except ModuleNotFoundError:
        raise UserError(
            "the studio in a browser needs the package textual-serve, which is not installed",
            hint="install rnnstudio with it: pip install 'rnnstudio[web]'",
        ) from None
    if host not in LOCAL:
        typer.echo(
            f"warning: everyone who reaches {host}:{port} can start and delete runs here: there is no password.\n"
            f"  → safer: rnnstudio serve, and  ssh -L {port}:127.0.0.1:{port} THIS_MACHINE  from the other one",
            err=True,
        )
    # Each browser window gets a studio of its own: a process that textual-serve starts.
    here = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([here, known] if known else [here])
    words = ["--demo"] if demo else ["--runs", str(runs_dir(runs).absolute())]
    command = shlex.join([sys.executable, "-P", "-m", "rnnstudio", "tui", *words])
    Server(command, host=host, port=port, title="rnnstudio").serve()
