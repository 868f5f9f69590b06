"""Asking TeX, by a program of that name that stands in for it: what it is told, and what it may do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from corpora import genres
from corpora.judging import Judge
from corpora.syntax import tex
from tests.corpora.genres.samples import LATEX

FAKE = """#!{python}
import os, sys, pathlib, time
told = [*sys.argv[1:], os.getcwd(), *map("=".join, os.environ.items())]
pathlib.Path({log!r}).write_text("\\n".join(told))
text = pathlib.Path("piece.tex").read_text()
if "sleep" in text:
    time.sleep(60)
sys.exit(1 if "\\\\wrong" in text else 0)
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in writes what it was told; it takes all but `\\wrong`."""
    log = tmp_path / "told"
    program = tmp_path / "pdflatex"
    program.write_text(FAKE.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TEXINPUTS", "/somewhere")
    return log


def test_tex_says_whether_a_piece_compiles_and_may_do_nothing_else(told: Path) -> None:
    assert tex.compiles("All is well.") is True
    assert tex.compiles("\\wrong") is False
    said = told.read_text().split("\n")
    assert "-no-shell-escape" in said
    assert "openin_any=p" in said
    assert "openout_any=p" in said
    assert not any(line.startswith("TEXINPUTS=") for line in said)
    folder = next(line for line in said if "rnnstudio-tex-" in line and "=" not in line)
    assert not Path(folder).exists()


@pytest.mark.usefixtures("told")
def test_a_piece_that_never_ends_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tex, "TIMEOUT_S", 0.5)
    assert tex.compiles("sleep") is False


def test_without_tex_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert tex.compiles("All is well.") is None
    assert genres.find("latex").accepted(LATEX) is None
    assert genres.find("plays").accepted("A:\nb\n") is None


@pytest.mark.usefixtures("told")
def test_what_compiles_ranks_higher_and_a_cut_end_does_not_count() -> None:
    judge = Judge.build(genres.find("latex"), [LATEX], "")
    cut_off = LATEX[: LATEX.index(r"\item The number")]
    assert genres.find("latex").accepted(cut_off + r" \wrong") is True
    ranked = judge.rank([LATEX.replace(r"\noindent", r"\wrong"), LATEX], [None, None])
    assert [(r.index, r.figures["accepted"]) for r in ranked] == [(1, 1.0), (0, 0.0)]
    assert "it compiles" in ranked[0].why


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX")
def test_a_real_tex_takes_the_sample_and_refuses_a_broken_one() -> None:
    assert tex.compiles(LATEX) is True
    assert tex.compiles(LATEX.replace(r"\end{proof}", "")) is False
    assert tex.compiles(r"\input{/etc/hostname}") is False
