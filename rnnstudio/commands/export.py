"""`rnnstudio export`: tunes to MIDI, MusicXML, ABC, sound and score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from checkpoints.errors import ConfigError, RunStopped, UserError
from checkpoints.files import FREE_SPACE
from rnnstudio.common import Json, RunsDir, runs_dir, say_json
from rnnstudio.tunes import NO_TUNE, source, tunes, written
from tui.literal import literal

if TYPE_CHECKING:
    from corpora.abc.exporting import Exported

EXAMPLE = "Example:  rnnstudio export tunes.abc --to mid,wav --out tunes"


def export(
    where: Annotated[
        str, typer.Argument(metavar="FILE.abc|RUN|-", help="Also RUN@STEP; - is standard input")
    ],
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="LIST", help="Of mid, musicxml, abc, wav, svg, pdf")
    ] = "mid",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go")] = Path(),
    best_of: Annotated[
        int,
        typer.Option(
            "--best-of",
            metavar="N",
            min=0,
            help="From a run: the best of N fresh tunes",
            show_default=False,
            rich_help_panel="front fresh",
        ),
    ] = 0,
    keep: Annotated[
        int,
        typer.Option(
            "--keep",
            metavar="N",
            min=1,
            help="How many of --best-of to keep",
            rich_help_panel="fresh",
        ),
    ] = 5,
    temperature: Annotated[
        float, typer.Option(help="Of the fresh tunes", rich_help_panel="fresh")
    ] = 0.8,
    seed: Annotated[int, typer.Option(help="Of the first fresh tune", rich_help_panel="fresh")] = 1,
    meter: Annotated[
        str,
        typer.Option(
            "--meter",
            help="Fresh tunes in this metre: 6/8",
            show_default=False,
            rich_help_panel="fresh",
        ),
    ] = "",
    key: Annotated[
        str, typer.Option("--key", help="Bring every tune to this tonic: D", show_default=False)
    ] = "",
    rhythm: Annotated[
        str,
        typer.Option(
            "--rhythm",
            help="Fresh tunes of this kind: jig",
            show_default=False,
            rich_help_panel="fresh",
        ),
    ] = "",
    bars_exact: Annotated[
        bool,
        typer.Option(
            "--bars-exact",
            help="Fresh tunes: no bar that breaks the metre",
            rich_help_panel="fresh",
        ),
    ] = False,
    transpose: Annotated[int, typer.Option(help="Semitones up, or down below 0")] = 0,
    repeats: Annotated[
        Literal["written", "once"],
        typer.Option(help="Play repeats, or each bar once", rich_help_panel="playing"),
    ] = "written",
    swing: Annotated[
        bool, typer.Option("--swing", help="Swing the eighths", rich_help_panel="playing")
    ] = False,
    graces: Annotated[
        bool, typer.Option("--graces", help="Play the grace notes", rich_help_panel="playing")
    ] = False,
    chords: Annotated[
        bool,
        typer.Option(
            "--chords", help="Accompany with the chord symbols", rich_help_panel="playing"
        ),
    ] = False,
    tempo: Annotated[
        float,
        typer.Option(
            metavar="QPM",
            help="Quarters a minute [the tune's]",
            show_default=False,
            rich_help_panel="playing",
        ),
    ] = 0.0,
    instrument: Annotated[
        str,
        typer.Option(
            help="A name (fiddle, flute ...) or a MIDI program", rich_help_panel="playing"
        ),
    ] = "fiddle",
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist")] = False,
    runs: RunsDir = None,
    as_json: Json = False,
) -> None:
    """Turn tunes into files, one a tune and format; what had to be repaired is said."""
    from corpora.abc.exporting import ExportOptions
    from corpora.abc.exporting import export as write

    options = ExportOptions(
        formats=_formats(to), repeats=repeats, graces=graces, swing=swing, chords=chords,
        tempo=_tempo(tempo), program=_program(instrument), transpose=_transpose(transpose), key=_key(key), force=force,
    )  # fmt: skip
    if best_of:
        found = written(
            where, runs_dir(runs), count=best_of, keep=keep, temperature=temperature, seed=seed, bars_exact=bars_exact,
            fields={"meter": meter, "rhythm": rhythm},
        )  # fmt: skip
    elif meter or rhythm or bars_exact:
        raise UserError(
            "--meter, --rhythm and --bars-exact are for fresh tunes",
            hint="add --best-of 20, for example",
        )
    else:
        found = tunes(source(where, runs_dir(runs)).text)
    good = bad = refused = left = files = repaired = 0
    for done in write(found, out, options):
        bad += done.playing is None
        made = done.playing is not None and bool(done.files)
        good += made
        refused += done.playing is not None and not done.files
        left += len(done.left)
        files += len(done.files)
        repaired += made and any(f.action != "kept" for f in done.findings)
        if as_json:
            say_json(as_object(done))
        else:
            _tell(done)
        if done.disk_full:
            raise RunStopped(
                f"no space is left on the disk of {out}; {_counted(good)} exported before",
                hint=f"{FREE_SPACE}, with --force over what is there",
            )
    if not good:
        if not (bad or refused):
            raise UserError(f"{where} holds no tune", hint=NO_TUNE)
        why = "nothing was exported" if refused else f"none of {bad} tunes has a note in it"
        if refused and left:
            there = "1 file is" if left == 1 else f"{left:,} files are"
            raise UserError(
                f"{why}: {there} there already",
                hint="--force writes over them; --out DIR writes elsewhere",
            )
        if refused:
            raise UserError(why, hint="what stood in the way is said with each tune, above")
        raise UserError(why, hint="rnnstudio tune FILE shows the tunes and their faults")
    spoiled = f"; {bad} could not be and lie beside them as .bad.abc" if bad else ""
    mended = f", {repaired} of them repaired" if repaired else ""
    typer.echo(
        f"{_counted(good)} exported{mended} to {literal(str(out))} ({files:,} files){spoiled}",
        err=True,
    )


def _counted(tunes: int) -> str:
    return "1 tune" if tunes == 1 else f"{tunes:,} tunes"


def as_object(done: Exported) -> dict[str, Any]:
    """One tune for `--json`."""
    tune = done.tune
    playing = done.playing
    return {
        "number": tune.number,
        "title": tune.title,
        "line": tune.line,
        "files": [str(path) for path in done.files],
        "problems": done.problems,
        "findings": [
            {"line": f.line, "column": f.column, "text": f.text, "action": f.action}
            for f in tune.findings
        ],
        "findings_left_out": tune.findings_left_out,
        "notes": sum(len(p.notes) for p in playing.parts) if playing else 0,
        "seconds": round(playing.seconds, 3) if playing else 0.0,
    }


def _tell(done: Exported) -> None:
    """A tune's files on standard output; what was repaired, and why something is missing, on standard error."""
    for path in done.files:
        typer.echo(literal(str(path)))
    name = literal(f"{done.tune.number or ''} {done.tune.title or 'untitled'}".strip())
    for problem in done.problems:
        typer.echo(f"! {name}: {literal(problem)}", err=True)
    mended = [f for f in done.findings if f.action != "kept"]
    for finding in mended[:3]:
        typer.echo(f"  {name}: {literal(str(finding))}", err=True)
    if len(mended) > 3:
        typer.echo(f"  {name}: and {len(mended) - 3} more; --json lists them all", err=True)


def _formats(text: str) -> tuple[str, ...]:
    from corpora.abc.exporting import FORMATS

    names = tuple(
        dict.fromkeys(n.strip().lower().lstrip(".") for n in text.split(",") if n.strip())
    )
    names = tuple({"midi": "mid", "xml": "musicxml"}.get(n, n) for n in names)
    for name in names:
        if name not in FORMATS:
            raise ConfigError(
                f"--to {name!r} is no format", hint=f"use one or more of {','.join(FORMATS)}"
            )
    if not names:
        raise ConfigError("--to names no format", hint=f"use one or more of {','.join(FORMATS)}")
    return names


def _program(text: str) -> int:
    from corpora.abc.exporting import INSTRUMENTS

    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < 128:
        return int(text)
    if text.lower() in INSTRUMENTS:
        return INSTRUMENTS[text.lower()]
    raise ConfigError(
        f"there is no instrument {text!r}",
        hint=f"use a MIDI program from 0 to 127 or one of {', '.join(INSTRUMENTS)}",
    )


def _transpose(semitones: int) -> int:
    if not -36 <= semitones <= 36:
        raise ConfigError(f"--transpose is {semitones}", hint="use -36 to 36 semitones")
    return semitones


def _tempo(quarters: float) -> float:
    if quarters and not 10 <= quarters <= 1000:
        raise ConfigError(
            f"--tempo is {quarters:g}", hint="use 10 to 1,000 quarters a minute; 0 takes the tune's"
        )
    return quarters


def _key(text: str) -> str:
    from corpora.abc.fields import key_of

    key = key_of(text) if text else None
    if text and (key is None or not key.tonic):
        raise ConfigError(f"--key {text!r} names no key", hint="use a tonic such as D, Bb or F#")
    return text
