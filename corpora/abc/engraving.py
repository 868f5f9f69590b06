"""A tune as a score to look at: SVG by verovio, from our MusicXML."""

from __future__ import annotations

import re
import shutil
import subprocess

from checkpoints.errors import UserError
from corpora.abc.musicxml import write_musicxml
from corpora.abc.tune import Tune


def write_svg(tune: Tune) -> str:
    """The score as one SVG picture, as wide as a page and as high as the tune needs.

    Raises UserError where verovio is not installed or cannot set the tune.
    """
    try:
        import verovio
    except ImportError as error:
        raise UserError(
            "a score needs verovio, which is not installed", hint='pip install "rnnstudio[score]"'
        ) from error
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "adjustPageHeight": True,
            "pageWidth": 2100,
            "pageHeight": 60_000,
            "scale": 40,
            "svgViewBox": True,
            "header": "auto",
            "footer": "none",
            "breaks": "auto",
        }
    )
    if not toolkit.loadData(write_musicxml(tune).decode("utf-8")):
        raise UserError(
            f"verovio could not set {tune.title or 'the tune'!r} as a score",
            hint="--to musicxml writes what another program may set",
        )
    picture: str = toolkit.renderToSVG(1)
    return picture


_MUSIC_TEXT = re.compile(r'<tspan font-family="Leipzig"[^>]*>([^<]*)</tspan>')


def _plain(svg: str) -> str:
    """The picture without text in verovio's own font, which is embedded so that only browsers find it.

    Notes and signs are outlines; text is only the note of the tempo (SMuFL's metronome quarter), in Unicode too.
    """
    return _MUSIC_TEXT.sub(
        lambda match: f'<tspan font-size="405px">{match[1].replace(chr(0xECA5), "♩")}</tspan>', svg
    )


def write_pdf(svg: str) -> bytes:
    """The SVG as PDF, by a converter that the machine has. Raises UserError where it has none that can."""
    why = "no program here turns SVG into PDF"
    for command in (
        ["rsvg-convert", "-f", "pdf"],
        ["inkscape", "--pipe", "--export-type=pdf", "-o", "-"],
    ):
        if shutil.which(command[0]):
            done = subprocess.run(
                command, input=_plain(svg).encode(), capture_output=True, check=False
            )
            if done.returncode == 0 and done.stdout.startswith(b"%PDF"):
                return done.stdout
            said = done.stderr.decode(errors="replace").strip().split("\n")[-1][:200]
            why = f"{command[0]} made no PDF: {said or f'exit code {done.returncode}'}"
    raise UserError(
        why,
        hint="export --to svg and print it to PDF, or install librsvg2-bin (rsvg-convert) or Inkscape",
    )
