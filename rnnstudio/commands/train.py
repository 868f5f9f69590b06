"""`rnnstudio train`: learn from a text, from the first character to the last checkpoint."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from engine.config import DataConfig, ModelConfig, TrainConfig
from engine.training.presets import LIKE, PRESETS
from rnnstudio.common import Json, RunsDir, listener, runs_dir
from rnnstudio.completion import one_of
from rnnstudio.options import with_settings

EXAMPLE = "Example:  rnnstudio train shakespeare.txt --minutes 10"


@with_settings(
    {DataConfig: "text", ModelConfig: "model", TrainConfig: "learning"},
    front=("minutes", "epochs", "steps", "tokenizer", "cell", "num_layers", "hidden_size"),
    pages={
        "vectors": (
            "embedding_size",
            "tied",
            "grams",
            "gram_size",
            "gram_rows",
            "gram_dropout",
        ),
        "schedule": (
            "steps",
            "epochs",
            "minutes",
            "patience",
            "schedule",
            "warmup",
            "lr_final",
            "lr_decay",
            "lr_decay_after",
            "lr_decay_every",
        ),
        "checkpoints": (
            "checkpoint_every",
            "checkpoint_seconds",
            "keep",
            "sample_length",
            "temperatures",
            "prime",
        ),
        "machine": ("precision",),
    },
)
def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT", help="Files, folders, archives, -, or names of `corpora list`"
        ),
    ] = None,
    *,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The run's name [the corpus' name]")
    ] = "",
    runs: RunsDir = None,
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="quick (2 minutes), standard (10), deep (60)",
            autocompletion=one_of([*PRESETS]),
        ),
    ] = "",
    like: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A peer's recipe: char-rnn, torch-rnn, folk-rnn, …",
            autocompletion=one_of([*LIKE]),
        ),
    ] = "",
    parent: Annotated[
        str, typer.Option("--from", metavar="RUN[@STEP]", help="Fork or fine-tune this run's model")
    ] = "",
    genre: Annotated[
        str,
        typer.Option(metavar="NAME", help="The kind of text [detected]", rich_help_panel="text"),
    ] = "",
    encoding: Annotated[
        str,
        typer.Option(metavar="NAME", help="The files' encoding [detected]", rich_help_panel="text"),
    ] = "",
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, cpu, cuda or mps",
            show_default=False,
            rich_help_panel="machine",
        ),
    ] = "auto",
    threads: Annotated[
        int,
        typer.Option(
            metavar="N", help="CPU threads [chosen]", show_default=False, rich_help_panel="machine"
        ),
    ] = 0,
    retry: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Resume up to N times after an error of the GPU's, or out of memory [0]",
            show_default=False,
            rich_help_panel="machine",
        ),
    ] = 0,
    as_json: Json = False,
    settings: dict[str, Any],
) -> None:
    """Train a network on text; samples appear as it learns."""
    voice = listener(as_json)
    try:
        from engine.training.launch import launch
        from engine.training.prepare import Request
        from rnnstudio.retrying import retrying

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
        outcome = retrying(
            lambda hear: launch(request, hear=hear, note=voice.note, progress=voice.progress),
            hear=voice.event,
            times=retry,
            options=["--json"] * as_json,
        )
    finally:
        voice.close()
    raise typer.Exit(outcome.exit_code)
