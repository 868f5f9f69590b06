"""The command line: which commands there are, each a module of `rnnstudio.commands` and none heavy to import."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rnnstudio import __version__
from rnnstudio.commands import (
    corpora,
    doctor,
    export,
    resume,
    runs,
    sample,
    samples,
    serve,
    train,
    tui,
    tune,
    watch,
)
from rnnstudio.commands import eval as evaluate
from rnnstudio.pages import GroupPage, Page

app = typer.Typer(
    name="rnnstudio",
    cls=GroupPage,
    help="Train recurrent networks on your own text and watch the writing evolve.",
    epilog="Example:  rnnstudio train YOUR.txt    (`rnnstudio` alone opens the studio)",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"rnnstudio {__version__}")
        raise typer.Exit


@app.callback()
def rnnstudio(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    demo: tui.Demo = False,
    ascii_only: tui.Ascii = False,
) -> None:
    """Train recurrent networks on your own text and watch the writing evolve."""
    del version
    if context.invoked_subcommand is not None:
        return
    if demo or (sys.stdin.isatty() and sys.stdout.isatty()):
        tui.tui(demo=demo, ascii_only=ascii_only)
    else:
        typer.echo(context.get_help())


app.command("train", epilog=train.EXAMPLE, cls=Page)(train.train)
app.command("resume", epilog=resume.EXAMPLE, cls=Page)(resume.resume)
app.command("sample", epilog=sample.EXAMPLE, cls=Page)(sample.sample)
app.command("samples", epilog=samples.EXAMPLE, cls=Page)(samples.samples)
app.command("eval", epilog=evaluate.EXAMPLE, cls=Page)(evaluate.evaluate)
app.add_typer(runs.app, name="runs")
app.add_typer(corpora.app, name="corpora")
app.command("export", epilog=export.EXAMPLE, cls=Page)(export.export)
app.command("tune", epilog=tune.EXAMPLE, cls=Page)(tune.tune)
app.command("watch", epilog=watch.EXAMPLE, cls=Page)(watch.watch)
app.command("tui", epilog=tui.EXAMPLE, cls=Page)(tui.tui)
app.command("serve", epilog=serve.EXAMPLE, cls=Page)(serve.serve)
app.command("doctor", epilog=doctor.EXAMPLE, cls=Page)(doctor.doctor)
