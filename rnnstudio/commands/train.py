"""`rnnstudio train`: learn from a text, from the first character to the last checkpoint."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from engine.config import DataConfig, ModelConfig, TrainConfig
from rnnstudio.common import Json, RunsDir, listener, runs_dir
from rnnstudio.options import with_settings

EXAMPLE = "Example:  rnnstudio train shakespeare.txt --minutes 10"

SHOWN = frozenset(
    {
        "minutes",
        "epochs",
        "steps",
        "tokenizer",
        "cell",
        "num_layers",
        "hidden_size",
        "lr",
        "seed",
        "prime",
    }
)


def _show_all(context: typer.Context, asked: bool) -> None:
    if asked:
        for parameter in context.command.params:
            if hasattr(parameter, "hidden"):
                parameter.hidden = False
        typer.echo(context.get_help())
        raise typer.Exit


@with_settings((DataConfig, ModelConfig, TrainConfig), shown=SHOWN)
def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, archives, - (stdin), or names of `corpora list`"),
    ] = None,
    *,
    name: Annotated[str, typer.Option(help="The run's name [the corpus' name]")] = "",
    runs: RunsDir = None,
    preset: Annotated[str, typer.Option(help="quick (2 minutes), standard (10), deep (60)")] = "",
    like: Annotated[
        str,
        typer.Option(help="A peer's recipe: char-rnn, torch-rnn, folk-rnn, …"),
    ] = "",
    parent: Annotated[
        str, typer.Option("--from", metavar="RUN[@STEP]", help="Fork or fine-tune this run's model")
    ] = "",
    genre: Annotated[str, typer.Option(help="The kind of text [detected]", hidden=True)] = "",
    encoding: Annotated[str, typer.Option(help="The files' encoding [detected]", hidden=True)] = "",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps", show_default=False)
    ] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads", show_default=False)] = 0,
    as_json: Json = False,
    help_all: Annotated[
        bool,
        typer.Option(
            "--help-all", callback=_show_all, is_eager=True, help="Show all other settings too"
        ),
    ] = False,
    settings: dict[str, Any],
) -> None:
    """Train a network on text; samples appear as it learns."""
    del help_all
    voice = listener(as_json)
    try:
        from engine.training.launch import launch
        from engine.training.prepare import Request

        request = Request(
            corpus=tuple(corpus or ()),
            name=name,
            runs=runs_dir(runs),
            given=settings,
            preset=preset,
            like=like,
            parent=parent,
            genre=genre,
            encoding=encoding or None,
            device=device,
            threads=threads,
        )
        outcome = launch(request, hear=voice.event, note=voice.note, progress=voice.progress)
    finally:
        voice.close()
    raise typer.Exit(outcome.exit_code)
