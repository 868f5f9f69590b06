"""Whether TeX takes a piece of LaTeX, where a TeX is installed.

What a model wrote is a program to TeX, so it runs as little as it can: no shell escape, no file read or written outside
its own empty folder, no more than ten seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

TIMEOUT_S = 10.0

_PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath,amssymb,amsthm}
\newtheorem{theorem}{Theorem}
"""
_STATEMENTS = (
    "lemma proposition corollary definition remark example exercise conjecture situation".split()
)
_SAFE = {"openin_any": "p", "openout_any": "p", "shell_escape": "f", "TEXMFHOME": os.devnull}
"""kpathsea's switches: p(aranoid) allows files below the current folder and those of TeX itself alone."""


def compiles(text: str) -> bool | None:
    """Whether pdflatex takes a piece of a document's body without an error; None where there is no pdflatex."""
    program = shutil.which("pdflatex")
    if program is None:
        return None
    theorems = "".join(f"\\newtheorem{{{name}}}{{{name.title()}}}\n" for name in _STATEMENTS)
    document = f"{_PREAMBLE}{theorems}\\begin{{document}}\n{text}\n\\end{{document}}\n"
    with tempfile.TemporaryDirectory(prefix="rnnstudio-tex-") as name:
        folder = Path(name)
        (folder / "piece.tex").write_text(document, encoding="utf-8", errors="replace")
        command = [
            program,
            "-interaction=batchmode",
            "-halt-on-error",
            "-no-shell-escape",
            "-draftmode",
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TEX")}
        try:
            done = subprocess.run(
                [*command, "piece.tex"],
                cwd=folder,
                env={**environment, **_SAFE, "TEXMFOUTPUT": name},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0
