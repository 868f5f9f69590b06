"""Which pieces of LaTeX TeX takes, where a TeX is installed: one run for all of them.

What a model wrote is a program to TeX, so it runs as little as it can: no shell escape, no file read or written outside
its own empty folder, no more than ten seconds. Starting TeX and its packages takes 0.1 s of CPU, a piece hardly any.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TIMEOUT_S = 10.0
"""For all runs together."""

MOST_RUNS = 5
"""A piece that ends TeX (`\\stop`, a hundred errors) takes what stands behind it into a run of its own."""

_PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath,amssymb,amsthm}
\newtheorem{theorem}{Theorem}
"""
_STATEMENTS = (
    "lemma proposition corollary definition remark example exercise conjecture situation".split()
)
_ERROR = re.compile(r"^!", re.MULTILINE)
_SAFE = {"openin_any": "p", "openout_any": "p", "shell_escape": "f", "TEXMFHOME": os.devnull}
"""kpathsea's switches: p(aranoid) allows files below the current folder and those of TeX itself alone."""


def installed() -> bool:
    """Whether there is a pdflatex."""
    return shutil.which("pdflatex") is not None


def compiled(pieces: Sequence[str]) -> list[bool | None]:
    """Of each piece of a document's body whether pdflatex takes it without an error; each in a group of its own.

    None for those that it did not come to in time. Raises OSError where it does not start or its files have no room.
    """
    taken: list[bool | None] = [None] * len(pieces)
    first, until = 0, time.monotonic() + TIMEOUT_S
    for _ in range(MOST_RUNS):
        left = until - time.monotonic()
        if first >= len(pieces) or left <= 0:
            break
        found = _run(pieces[first:], left)
        if not found:
            break
        # The last one that was begun ended the run, if there are others behind it.
        taken[first : first + len(found)] = found
        first += len(found)
    return taken


def _run(pieces: Sequence[str], timeout_s: float) -> list[bool]:
    """Of the pieces that TeX came to in one run whether it took them."""
    # A name that no text can have, so that none can say that it was taken.
    mark = secrets.token_hex(8)
    theorems = "".join(f"\\newtheorem{{{name}}}{{{name.title()}}}\n" for name in _STATEMENTS)
    told = "".join(
        f"\\immediate\\write-1{{{mark}}}\n\\bgroup\n{piece}\n\n\\egroup\n" for piece in pieces
    )
    document = f"{_PREAMBLE}{theorems}\\begin{{document}}\n{told}\\immediate\\write-1{{{mark}}}\n"
    with tempfile.TemporaryDirectory(prefix="rnnstudio-tex-") as name:
        folder = Path(name)
        (folder / "piece.tex").write_text(
            f"{document}\\end{{document}}\n", encoding="utf-8", errors="replace"
        )
        command = ["pdflatex", "-interaction=batchmode", "-no-shell-escape", "-draftmode"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TEX")}
        # What it came to when its time is up is in the log.
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [*command, "piece.tex"],
                cwd=folder,
                env={**environment, **_SAFE, "TEXMFOUTPUT": name},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        try:
            log = (folder / "piece.log").read_text("utf-8", "replace")
        except OSError:
            return []
    _, *parts = re.split(rf"^{mark}$", log, flags=re.MULTILINE)
    if len(parts) > len(pieces):  # to the end: what follows the last mark is no piece
        return [_ERROR.search(part) is None for part in parts[: len(pieces)]]
    return [*(_ERROR.search(part) is None for part in parts[:-1]), False] if parts else []
