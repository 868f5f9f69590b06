"""`rnnstudio eval`: how well a model knows a text."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, get_args

import typer

from checkpoints.errors import ConfigError, UserError
from rnnstudio.common import Json, RunsDir, runs_dir, say, say_json
from rnnstudio.completion import run_names

EXAMPLE = "Example:  rnnstudio eval plays other.txt"

PartName = Literal["train", "valid", "test"]
ProtocolName = Literal["carried", "windows", "documents"]


def evaluate(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Also RUN@best, RUN@last, RUN@STEP [the newest]",
            autocompletion=run_names,
        ),
    ] = "",
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Any text [the run's own held-out text]"),
    ] = None,
    *,
    part: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the run's own text: valid, test or train [valid]",
            show_default=False,
        ),
    ] = "",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="carried, windows (of 256 tokens), documents [as it was trained]"
        ),
    ] = "",
    lanes: Annotated[
        int,
        typer.Option(
            metavar="N", help="Parts read side by side: faster, less exact [1]", show_default=False
        ),
    ] = 1,
    dynamic: Annotated[
        bool,
        typer.Option("--dynamic", help="Go on learning from the text while it is read"),
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps", show_default=False)
    ] = "auto",
    threads: Annotated[
        int, typer.Option(metavar="N", help="CPU threads [chosen]", show_default=False)
    ] = 0,
    runs: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Measure a model: nats and bits per character, perplexity, under a named protocol."""
    if part and files:
        raise ConfigError("--part is of the run's own text", hint="leave it out, or the file")
    chosen = _one_of("part", part or "valid", get_args(PartName))
    how = _one_of("protocol", protocol, get_args(ProtocolName)) if protocol else None
    if lanes < 1:
        raise ConfigError(f"lanes is {lanes}", hint="use 1 or more")

    import torch

    from engine import devices
    from engine.load import open_run
    from engine.measure import measure_files, measure_part
    from rnnstudio.narration import Narrator

    where, _ = devices.choose(device)
    torch.set_num_threads(devices.choose_threads(threads)[0])
    loaded = open_run(run, runs_dir(runs), note=say)
    loaded.model.to(where)
    if files:
        name = ", ".join(files)
        voice = Narrator()
        try:
            found = measure_files(
                loaded, files, protocol=how, lanes=lanes, dynamic=dynamic, note=voice.note, progress=voice.progress
            )  # fmt: skip
        finally:
            voice.close()
    else:
        name = f"its own text for {chosen}"
        found = measure_part(loaded, chosen, protocol=how, lanes=lanes, dynamic=dynamic)
    if as_json:
        body = {
            **dataclasses.asdict(found),
            "run": loaded.run,
            "step": loaded.step,
            "checkpoint": loaded.path.name,
            "text": files or chosen,
            "dynamic": dynamic,
        }
        say_json(body)
        return
    from tui.literal import literal

    words = found.perplexity_per_word
    typer.echo(
        literal(
            f"{loaded.run} at step {loaded.step:,} on {name}\n"
            f"  {found.nats_per_char:.4f} nats/char = {found.bits_per_char:.4f} bits/char\n"
            f"  {found.nats_per_token:.4f} nats/token\n"
            f"  perplexity {found.perplexity_per_token:.4g} per token"
            + (f", {words:.4g} per word" if words else "")
            + f"\n  {found.chars:,} characters, {found.tokens:,} tokens, read {found.protocol}, "
            f"{found.seconds:.1f} s"
        )
    )


def _one_of(name: str, value: str, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise UserError(f"--{name} is {value!r}", hint=f"use one of {', '.join(allowed)}")
    return value
