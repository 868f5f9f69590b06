"""The command line: which commands there are, each a module of `rnnstudio.commands` and none heavy to import."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnstudio import __version__
from rnnstudio.commands import doctor, resume, runs, train, watch

app = typer.Typer(
    name="rnnstudio",
    help="Train recurrent networks on your own text and watch the writing evolve.",
    epilog="Begin with:  rnnstudio train YOUR.txt",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"rnnstudio {__version__}")
        raise typer.Exit


@app.callback()
def rnnstudio(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train recurrent networks on your own text and watch the writing evolve."""
    del version


app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("resume", epilog=resume.EXAMPLE)(resume.resume)
app.add_typer(runs.app, name="runs")
app.command("watch", epilog=watch.EXAMPLE)(watch.watch)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
