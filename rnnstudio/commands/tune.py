"""`rnnstudio tune`: look at tunes, hear them, and read what is right and wrong about them."""

from __future__ import annotations

import itertools
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from checkpoints.errors import UserError
from rnnstudio.common import Json, RunsDir, runs_dir, say_json
from rnnstudio.tunes import NO_TUNE, learnt, source, tunes
from tui.literal import literal

if TYPE_CHECKING:
    from rich.text import Text

    from corpora.abc import Tune
    from corpora.abc.nearest import Nearest

EXAMPLE = "Example:  rnnstudio tune tunes.abc --number 3 --play"

_STYLES = {
    "field": "cyan", "inline": "cyan", "comment": "dim", "bar": "bold", "ending": "bold magenta", "note": "green",
    "rest": "dim", "length": "yellow", "tuplet": "magenta", "broken": "magenta", "symbol": "blue", "decoration": "blue",
    "grace": "dim green", "grace_end": "dim green", "other": "red",
}  # fmt: skip


def tune(
    where: Annotated[
        str, typer.Argument(metavar="FILE.abc|RUN|-", help="Also RUN@STEP; - is standard input")
    ],
    *,
    number: Annotated[
        int,
        typer.Option(
            "--number", "-n", metavar="N", help="Only the tune with this X:", show_default=False
        ),
    ] = 0,
    most: Annotated[
        int, typer.Option("--most", metavar="N", min=1, help="Tunes to show at most")
    ] = 3,
    width: Annotated[
        int, typer.Option(metavar="N", min=12, help="Columns of the piano roll")
    ] = 100,
    near: Annotated[
        str,
        typer.Option(
            "--near",
            metavar="RUN",
            help="Name the nearest tune it learned [RUN]",
            show_default=False,
        ),
    ] = "",
    play: Annotated[bool, typer.Option("--play", help="Play each tune aloud")] = False,
    runs: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Show tunes: their ABC in colour, a piano roll, and a report."""
    from corpora.abc import perform
    from corpora.abc.judging import judge
    from corpora.abc.play import play as aloud

    found = tunes(source(where, runs_dir(runs)).text)
    chosen = (
        [t for t in found if t.number == number] if number else list(itertools.islice(found, most))
    )
    if not chosen:
        if number:
            raise UserError(
                f"{where} holds no tune with X:{number}",
                hint="without --number the first are shown",
            )
        raise UserError(f"{where} holds no tune", hint=NO_TUNE)
    index = learnt(near or where, runs_dir(runs))
    if (near and index is None) or (index is not None and not index.titles):
        typer.echo(
            f"! {literal(near or where)} learned no tunes, so none can be the nearest", err=True
        )
    for one in chosen:
        nearest = index.nearest(one.source) if index is not None else None
        if as_json:
            say_json({"number": one.number, "title": one.title, **asdict(judge(one)),
                      "nearest": nearest and asdict(nearest),
                      "findings": [asdict(f) for f in one.findings]})  # fmt: skip
        else:
            _show(one, width, nearest)
        if play:
            aloud(perform(one))


def _show(one: Tune, width: int, nearest: Nearest | None) -> None:
    from rich.text import Text

    from corpora.abc import perform
    from corpora.abc.judging import judge
    from corpora.abc.pianoroll import piano_roll
    from corpora.abc.reporting import sentences
    from rnnstudio.console import Console

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    console.print(coloured(one.source.strip("\n")))
    console.print()
    for row in piano_roll(perform(one, repeats="once"), width=width, fifths=one.key.fifths):
        console.print(Text(row, "green"))
    console.print()
    for name, text, good in sentences(one, judge(one), nearest=nearest):
        console.print(
            Text.assemble(
                ("✓ " if good else "· ", "green" if good else "yellow"),
                (f"{name:<8} ", "dim"),
                literal(text),
            )
        )
    for finding in one.findings[:12]:
        console.print(Text(f"  {literal(str(finding))}", "yellow"))
    console.print()


def coloured(source: str) -> Text:
    """ABC in colour, with nothing in it that a terminal would obey."""
    from rich.text import Text

    from corpora.abc.lexer import tokens

    text = Text()
    for token in tokens(source):
        text.append(literal(token.text), _STYLES.get(token.kind, ""))
    return text
