"""Asking TeX, by a program of that name that stands in for it: what it is told, and what it may do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from corpora import genres
from corpora.judging import ASKED_CHARS, Judge
from corpora.syntax import tex
from tests.corpora.genres.samples import LATEX

FAKE = """#!{python}
import os, sys, pathlib, re, time
told = [*sys.argv[1:], os.getcwd(), *map("=".join, os.environ.items())]
with open({log!r}, "a") as log:
    log.write("\\n".join(told) + "\\nran\\n")
text = pathlib.Path("piece.tex").read_text()
log = open("piece.log", "w")
mark = re.search(r"write-1{{(.*?)}}", text)[1]
for piece in text.split("\\\\immediate\\\\write-1{{" + mark + "}}")[1:]:
    log.write("(" + mark[::-1] + ")\\n" + mark + "\\n")
    log.flush()
    if "sleep" in piece:
        time.sleep(60)
    if "\\\\wrong" in piece:
        log.write("! Undefined control sequence.\\n")
    if "\\\\stop" in piece:
        break
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


def test_tex_says_of_each_piece_whether_it_compiles_and_may_do_nothing_else(told: Path) -> None:
    assert tex.installed()
    assert tex.compiled(["All is well.", "\\wrong", "! is no error", ""]) == [
        True,
        False,
        True,
        True,
    ]
    said = told.read_text().split("\n")
    assert said.count("ran") == 1
    assert "-no-shell-escape" in said
    assert "openin_any=p" in said
    assert "openout_any=p" in said
    assert not any(line.startswith("TEXINPUTS=") for line in said)
    folder = next(line for line in said if "rnnstudio-tex-" in line and "=" not in line)
    assert not Path(folder).exists()


def test_pieces_behind_one_that_ends_tex_are_asked_for_again(told: Path) -> None:
    assert tex.compiled(["a", "\\stop", "b", "\\wrong", "\\stop"]) == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert told.read_text().count("\nran\n") == 2
    # Whoever ends it again and again is heard no more.
    assert tex.compiled(["\\stop"] * 9 + ["a"]) == [False] * tex.MOST_RUNS + [None] * 5
    assert told.read_text().count("\nran\n") == 2 + tex.MOST_RUNS


@pytest.mark.usefixtures("told")
def test_a_piece_that_never_ends_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tex, "TIMEOUT_S", 0.5)
    assert not any(tex.compiled(["sleep", "a"]))


@pytest.mark.usefixtures("told")
def test_pieces_that_tex_did_not_come_to_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    genre = genres.find("latex")
    rest = "\n\nSome words of it.\n" * 4
    monkeypatch.setattr(tex, "MOST_RUNS", 1)
    assert genre.accepted(["A piece.\n\n\\stop" + rest]) == [0.5]
    monkeypatch.setattr(tex, "TIMEOUT_S", 0)
    assert genre.accepted(["A piece." + rest]) == [None]


@pytest.mark.usefixtures("told")
def test_a_full_disk_leaves_the_figure_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    judge = Judge(genres.find("latex"), [LATEX], LATEX)
    assert "accepted" not in judge.human
    assert judge.accepted([LATEX] * 20) == {}


def test_without_tex_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not tex.installed()
    assert genres.find("latex").accepted([LATEX]) is None
    assert genres.find("plays").accepted(["A:\nb\n"]) is None
    judge = Judge(genres.find("latex"), [LATEX], LATEX)
    assert "accepted" not in judge.human
    assert judge.accepted([LATEX] * 20) == {}


@pytest.mark.usefixtures("told")
def test_what_compiles_ranks_higher_and_a_cut_end_does_not_count() -> None:
    judge = Judge(genres.find("latex"), [LATEX], "")
    cut_off = LATEX[: LATEX.index(r"\item The number")]
    unbalanced = LATEX.replace("$n < 10$", "$n < 10", 1)
    pieces = LATEX.strip().count("\n\n")
    assert genres.find("latex").accepted([cut_off + r" \wrong", "no piece", unbalanced]) == [
        1.0,
        None,
        pytest.approx(1 - 1 / pieces),
    ]
    ranked = judge.rank([LATEX.replace(r"\noindent", r"\wrong"), LATEX], [None, None])
    assert [(r.index, r.figures["accepted"]) for r in ranked] == [
        (1, 1.0),
        (0, pytest.approx(1 - 1 / pieces)),
    ]
    assert "it compiles" in ranked[0].why


def test_a_run_asks_once_in_some_thousand_characters_and_of_human_text_once(told: Path) -> None:
    judge = Judge(genres.find("latex"), [LATEX], LATEX)
    assert 0.8 < judge.human["accepted"] <= 1.0
    assert told.read_text().count("\nran\n") == 1
    wrong = LATEX.replace(r"\noindent", r"\wrong")
    looks = [judge.accepted([LATEX, wrong]) for _ in range(2 * ASKED_CHARS // len(LATEX) + 2)]
    assert 2 <= sum(map(bool, looks)) < len(looks)
    assert looks[0] == {}
    found = next(filter(None, looks))["accepted"]
    assert 0.5 < found < 1.0
    assert told.read_text().count("\nran\n") == 1 + sum(map(bool, looks))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a TeX")
def test_a_real_tex_takes_the_sample_and_refuses_broken_ones() -> None:
    pieces = [
        LATEX,
        "\\wrong",
        "\\end{document}",
        LATEX.replace(r"\end{proof}", ""),
        "$a$",
        r"\input{/etc/hostname}",
        "\\typeout{!}",
        "\\gdef\\egroup{}",
        "$b$",
    ]
    assert tex.compiled(pieces)[:7] == [True, False, False, False, True, False, False]
