"""Help in pages: what `--help` shows fits a screen, and it names the pages on which all else stands.

An option stands on the pages that its `rich_help_panel` names, and on the front page if it names none:
`typer.Option(..., rich_help_panel="text")` makes an option of `rnnstudio train --help text`. A group's front page
lists its commands, so that its own options stand on the page `options`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

FRONT = "front"
OPTIONS = "options"
ALL = "all"

_KINDS = re.compile(r"<(int|float|str)(?: range)?>")
_ASKED = "rnnstudio.pages.asked"  # in a context's `meta`: the page to show

Command = TyperCommand | TyperGroup


class Page(TyperCommand):
    """A command whose help comes in pages."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _turn_to_page(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_end(self, ctx, formatter)


class GroupPage(TyperGroup):
    """A group of commands whose help comes in pages."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `| head` is no error; typer would exit with 1
            raise typer.Exit(0) from None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _turn_to_page(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        if ctx.meta.get(_ASKED, FRONT) == FRONT:
            self.format_commands(ctx, formatter)
        else:
            _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_end(self, ctx, formatter)


def topics(command: Command, ctx: typer.Context) -> list[str]:
    """The pages of the command's help beside the front one, in the order in which its options name them."""
    named = dict.fromkeys(
        page for param in command.get_params(ctx) for page in _pages(param, command)
    )
    return [page for page in named if page != FRONT]


def _pages(param: Any, command: Command) -> Sequence[str]:
    if param.name == "help":  # whoever reads a page has found it; `all` has it
        return ()
    front = OPTIONS if isinstance(command, TyperGroup) else FRONT
    return (getattr(param, "rich_help_panel", None) or front).split()


def _turn_to_page(command: Command, ctx: Any, args: list[str]) -> None:
    """Remember which page `--help PAGE` asks for; any other word after `--help` leaves the front page."""
    known = {*topics(command, ctx), ALL}
    for flag, page in itertools.pairwise(args):
        if flag in ctx.help_option_names and page in known:
            ctx.meta[_ASKED] = page


def _write_options(command: Command, ctx: Any, formatter: Any) -> None:
    asked = ctx.meta.get(_ASKED, FRONT)
    rows = [
        (
            record[0].partition(" <")[0] if param.param_type_name == "argument" else record[0],
            record[1],
        )
        for param in command.get_params(ctx)
        if asked == ALL or asked in _pages(param, command)
        if (record := param.get_help_record(ctx)) is not None
    ]
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_dl([(_KINDS.sub(_kind, name), text) for name, text in rows])


def _kind(found: re.Match[str]) -> str:
    """A person's word for a type of typer's, where an option has none of its own."""
    return {"int": "N", "float": "X"}.get(found[1], "TEXT")


def _write_end(command: Command, ctx: Any, formatter: Any) -> None:
    """The example, and which other pages there are."""
    others = topics(command, ctx)
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(command.epilog or "")
        if others:
            formatter.write_text(f"More:  --help {'|'.join([*others, ALL])}")
