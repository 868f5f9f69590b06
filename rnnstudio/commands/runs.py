"""`rnnstudio runs`: list them, look at one, remove some."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len, set_cell_size

from checkpoints.errors import RunError, UserError
from checkpoints.events import Event, SampleFinished, Step, Validation
from checkpoints.paths import expanded
from checkpoints.runs import RunFolder, find_run, list_runs, remove
from checkpoints.spent import Spent, spent
from rnnstudio.common import Json, RunName, RunsDir, runs_dir, say, say_json, whole_run
from rnnstudio.completion import run_names
from rnnstudio.curve import svg_curves
from rnnstudio.narration import shares
from rnnstudio.pages import GroupPage, Page
from tui.curve import Axes, Line, draw
from tui.literal import literal, one_line
from tui.words import duration, size

app = typer.Typer(
    cls=GroupPage,
    help="List runs, look at one, remove some.",
    epilog="Example:  rnnstudio runs list",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.command(cls=Page, name="list", epilog="Example:  rnnstudio runs list --json")
def list_(*, runs: RunsDir = None, as_json: Json = False) -> None:
    """List all runs, the newest first."""
    rows = [_row(run) for run in list_runs(runs_dir(runs))]
    if as_json:
        say_json(rows)
        return
    if not rows:
        say(f"no runs in {runs_dir(runs)} yet; make one: rnnstudio train corpus.txt")
        return
    names = [one_line(row["name"]) for row in rows]
    read = [one_line((row["best"] and row["best"]["protocol"]) or "-") for row in rows]
    width, wide = max(map(cell_len, ["name", *names])), max(map(len, ["read", *read]))
    columns = _columns()
    width = min(width, columns // 4) if columns else width

    def show(line: str, *, err: bool = False) -> None:
        cut = columns and cell_len(line) > columns
        typer.echo(set_cell_size(line, columns - 1) + "…" if cut else line, err=err)

    show(
        f"{'name':<{width}}  {'state':<8} {'step':>9}  {'bits/char':>9}  {'age':>7}  {'nats/char':>9}  "
        f"{'read':<{wide}}  corpus",
        err=True,
    )
    for row, name, how in zip(rows, names, read, strict=True):
        best = row["best"]
        nats = f"{best['nats_per_char']:.3f}" if best else "-"
        bits = f"{best['bits_per_char']:.3f}" if best else "-"
        age = duration(max(0.0, time.time() - row["time"])) if row["time"] else "-"
        shown = name if cell_len(name) <= width else set_cell_size(name, width - 1) + "…"
        show(
            f"{set_cell_size(shown, width)}  {row['state']:<8} {row['step']:>9,}  {bits:>9}  {age:>7}  {nats:>9}  "
            f"{how:<{wide}}  {one_line(', '.join(row['corpus']))}"
        )


@app.command(cls=Page, name="show", epilog="Example:  rnnstudio runs show plays")
def show(
    run: RunName = "",
    *,
    runs: RunsDir = None,
    samples: Annotated[int, typer.Option(min=0, help="How many of the last samples to show")] = 3,
    csv: Annotated[bool, typer.Option("--csv", help="The curve as comma-separated values")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="The curve as a picture")] = False,
    as_json: Json = False,
) -> None:
    """Show a run: settings, curve, checkpoints, last samples, as plain text."""
    folder = whole_run(run, runs_dir(runs))
    if csv + svg + as_json > 1:
        raise UserError("--csv, --svg and --json are three answers", hint="ask for one of them")
    events = list(folder.events(steps=not as_json))
    if csv:
        _print_csv(events)
        return
    if svg:
        typer.echo(_picture(folder.name, events))
        return
    validations = [e for e in events if isinstance(e, Validation)]
    written = [e for e in events if isinstance(e, SampleFinished)][-samples:] if samples else []
    row, damaged, took = _row(folder), folder.damaged(), spent(events)
    read = {e.step: e.protocol for e in validations}
    checkpoints = [
        {
            "step": c.step,
            **_figures(c.nats_per_char, read.get(c.step)),
            "path": str(c.path),
            "size_bytes": c.size_bytes,
        }
        for c in folder.checkpoints()
    ]
    if as_json:
        body = {
            **row,
            "record": folder.record(),
            "checkpoints": checkpoints,
            "damaged": [{"path": str(path), "why": e.message} for path, e in damaged.items()],
            "validation": [
                {
                    "step": e.step,
                    "nats_per_char": e.nats_per_char,
                    "bits_per_char": e.bits_per_char,
                    "protocol": e.protocol,
                    "dead_memory": e.dead_memory,
                }
                for e in validations
            ],
            "size_bytes": folder.size_bytes(),
            "seconds": took and {**dataclasses.asdict(took), "learning": took.learning},
        }
        say_json(body)
        return
    _describe(row, folder, took)
    losses = [(float(e.step), e.loss_nats) for e in events if isinstance(e, Step)]
    if losses:
        typer.echo("\ntraining loss, nats per token")
        # Plain characters, for pipes and for who has the screen read out.
        drawn = draw(
            [Line("loss", [(x, y, y, y) for x, y in losses])], 72, 12, Axes(ascii_only=True)
        )
        for spans in drawn.rows:
            typer.echo("".join(text for text, _ in spans).rstrip())
    if validations:
        typer.echo(
            "\nheld-out, nats and bits per character, and the share of units whose memory is dead"
        )
        for e in validations:
            dead = f"{e.dead_memory:>6.1%}" if e.dead_memory is not None else "     -"
            typer.echo(
                f"  {e.step:>9,}  {e.nats_per_char:.4f}  {e.bits_per_char:.3f}  {dead}  "
                f"[{literal(e.protocol)}]{'  best' if e.best else ''}"
            )
    steps = ", ".join(str(c["step"]) for c in checkpoints)
    typer.echo(f"\ncheckpoints: {steps or ('none whole' if damaged else 'none yet')}")
    for error in damaged.values():
        typer.echo(f"  ! {literal(error.message)}")
    for sample in written:
        typer.echo(
            f"\n── sample at step {sample.step:,}, temperature {sample.temperature:g}, seed {sample.seed}"
        )
        typer.echo(literal(sample.prime + sample.text))


@app.command(cls=Page, name="rm", epilog="Example:  rnnstudio runs rm plays")
def rm(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN", help="A run's whole name, or its folder", autocompletion=run_names
        ),
    ],
    *,
    runs: RunsDir = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
) -> None:
    """Remove runs with all their checkpoints and samples (asks first)."""
    # All are found before the first is removed, and each but once.
    folders = {run.path.resolve(): run for run in [_meant(name, runs_dir(runs)) for name in names]}
    if not yes:
        for run in folders.values():
            count = len(run.checkpoints())
            held = f"{count} checkpoint{'s' * (count != 1)} ({size(run.size_bytes())})"
            print(literal(f"{run.path} with {held}"), file=sys.stderr)
        if not _agrees("Remove it?" if len(folders) == 1 else f"Remove all {len(folders)}?"):
            raise RunError("nothing was removed", hint="to remove it without being asked: --yes")
    for run in folders.values():
        remove(run)
        say(f"removed {run.name}")


def _meant(text: str, runs: Path) -> RunFolder:
    """The run that is named in full: what is removed for good is never guessed. Raises RunError."""
    found = find_run(text, runs)
    if text == found.run.name or os.path.realpath(expanded(text)) == os.path.realpath(
        found.run.path
    ):
        return found.run
    raise RunError(
        f"{text!r} is not the whole name of a run, and runs are removed whole",
        hint=f"if you mean all of run {found.run.name}: rnnstudio runs rm {found.run.path}",
    )


def _agrees(question: str) -> bool:
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to ask
        print(file=sys.stderr)
        return False


def _print_csv(events: list[Event]) -> None:
    typer.echo(
        "step,train_nats_per_token,lr,grad_norm,tokens_per_s,valid_nats_per_char,protocol,valid_bits_per_char"
    )
    for e in events:
        if isinstance(e, Step):
            typer.echo(f"{e.step},{e.loss_nats},{e.lr},{e.grad_norm},{e.tokens_per_s},,,")
        elif isinstance(e, Validation):
            read = literal(e.protocol).replace('"', '""')
            typer.echo(f'{e.step},,,,,{e.nats_per_char},"{read}",{e.bits_per_char}')


def _picture(name: str, events: list[Event]) -> str:
    """Both losses per character, as a model of larger tokens has them too."""
    looks = [e for e in events if isinstance(e, Validation)]
    ratios = [e.nats_per_char / e.nats_per_token for e in looks if e.nats_per_token > 0]
    per_char = ratios[-1] if ratios else 1.0
    steps = [(float(e.step), e.loss_nats * per_char) for e in events if isinstance(e, Step)]
    lines = {"training": steps, "held-out": [(float(e.step), e.nats_per_char) for e in looks]}
    return svg_curves(name, lines, unit="nats/char" if ratios else "nats/token")


def _row(run: RunFolder) -> dict[str, Any]:
    summary = run.summary()
    try:
        record = run.record()
    except RunError:
        record = {}
    corpus, best, looked = _part(record, "corpus"), run.best(), summary.validation
    paths = corpus.get("paths")
    return {
        "name": run.name,
        "path": str(run.path),
        "state": summary.state,
        "step": summary.step,
        "time": summary.updated,
        "best": None
        if best is None or best.nats_per_char is None
        else {
            "step": best.step,
            # A run reads its held-out text in one way from beginning to end.
            **_figures(best.nats_per_char, looked.protocol if looked else None),
        },
        "corpus": list(map(str, paths)) if isinstance(paths, list) else [],
        "genre": str(corpus.get("genre", "")),
        "cell": str(_part(record, "model").get("cell", "")),
        "tokenizer": str(_part(record, "data").get("tokenizer", "")),
    }


def _figures(nats_per_char: float | None, protocol: str | None) -> dict[str, Any]:
    """A held-out loss in both units, and how it was read."""
    return {
        "nats_per_char": nats_per_char,
        "bits_per_char": None if nats_per_char is None else nats_per_char / math.log(2),
        "protocol": protocol,
    }


def _part(record: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of a run's record; nothing where somebody wrote something else there."""
    part = record.get(name)
    return part if isinstance(part, dict) else {}


def _describe(row: dict[str, Any], folder: RunFolder, took: Spent | None) -> None:
    record = folder.record()
    model, training = _part(record, "model"), _part(record, "training")
    typer.echo(f"{literal(row['name'])}: {row['state']} at step {row['step']:,}")
    typer.echo(
        literal(
            f"  corpus     {', '.join(row['corpus'])} ({row['genre']})\n"
            f"  model      {model.get('cell')} {model.get('num_layers')} x {model.get('hidden_size')}, "
            f"{row['tokenizer']} tokens\n"
            f"  learning   {training.get('optimizer')}, {training.get('lanes')} lanes x {training.get('bptt')}, "
            f"seed {training.get('seed')}"
        )
    )
    if took is not None:
        typer.echo(f"  time       {duration(took.all)}: {shares(took)}")
    if row["best"]:
        best = row["best"]
        typer.echo(
            f"  best       {best['nats_per_char']:.4f} nats/char = {best['bits_per_char']:.3f} bits/char "
            f"at step {best['step']:,}  [{literal(best['protocol'] or 'protocol unknown')}]"
        )


def _columns() -> int:
    """Of the terminal that lines go to; 0 where they go elsewhere, and are never cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
