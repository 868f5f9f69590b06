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

app = typer.Typer(
    name="rnnstudio",
    help="Train recurrent networks on your own text and watch the writing evolve.",
    epilog="Alone, `rnnstudio` opens the studio.  Begin with:  rnnstudio train YOUR.txt",
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


app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("resume", epilog=resume.EXAMPLE)(resume.resume)
app.command("sample", epilog=sample.EXAMPLE)(sample.sample)
app.command("samples", epilog=samples.EXAMPLE)(samples.samples)
app.command("eval", epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.add_typer(runs.app, name="runs")
app.add_typer(corpora.app, name="corpora")
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("tune", epilog=tune.EXAMPLE)(tune.tune)
app.command("watch", epilog=watch.EXAMPLE)(watch.watch)
app.command("tui", epilog=tui.EXAMPLE)(tui.tui)
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
