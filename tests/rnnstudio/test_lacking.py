"""A plain checkout on a machine that nothing can be installed on: torch, typer and rich are there, and little else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import TINY, Done, environment, rnnstudio, verse
from tests.corpora.genres.samples import C

LACKED = (
    "mido",
    "music21",
    "platformdirs",
    "pydivsufsort",
    "textual",
    "tree_sitter",
    "tree_sitter_c",
    "verovio",
)


@pytest.fixture
def lacking(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python without these packages."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        f"""import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LACKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
""",
        "utf-8",
    )
    return {
        "PYTHONPATH": f"{tmp_path / 'site'}:{environment()['PYTHONPATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def train(text: str, folder: Path, lacking: dict[str, str]) -> Done:
    (folder / "t.txt").write_text(text, "utf-8")
    words = ("t.txt", "--name", "r", "--steps", "20", "--sample-length", "60", *TINY, "--json")
    return rnnstudio("train", *words, cwd=folder, **lacking)


def test_a_run_is_trained_judged_measured_and_writes(
    tmp_path: Path, lacking: dict[str, str]
) -> None:
    lines = train(verse(), tmp_path, lacking).lines
    (figures,) = (line for line in lines if line["type"] == "figures")
    assert {"valid", "copied", "longest_copy"} <= set(figures["model"])
    assert not [line for line in lines if line["type"] == "warning"]
    assert rnnstudio("resume", "r", "--steps", "24", cwd=tmp_path, **lacking).code == 0
    (measured,) = rnnstudio("eval", "r", "--json", cwd=tmp_path, **lacking).lines
    assert 0 < measured["nats_per_char"] < 5
    wrote = rnnstudio("sample", "r", "--best-of", "3", "--json", cwd=tmp_path, **lacking)
    assert wrote.lines[0]["text"]
    assert (tmp_path / "cache" / "rnnstudio").is_dir()


def test_what_cannot_be_judged_is_said(tmp_path: Path, lacking: dict[str, str]) -> None:
    lines = train(C * 40, tmp_path, lacking).lines
    (warning,) = (line for line in lines if line["type"] == "warning")
    assert warning["text"] == "C cannot be judged: this Python lacks the package tree_sitter"
    assert warning["hint"] == "pip install tree_sitter"
    (figures,) = (line for line in lines if line["type"] == "figures")
    assert "copied" in figures["model"]
    assert "valid" not in figures["model"]
    asked = ("sample", "r", "--best-of", "3", "--length", "40")
    told = rnnstudio(*asked, cwd=tmp_path, expect=(2,), **lacking).err
    assert "this needs the package tree_sitter, which this Python lacks" in told


def test_what_needs_a_package_names_it(tmp_path: Path, lacking: dict[str, str]) -> None:
    told = rnnstudio("corpora", "get", "abc-tunes", cwd=tmp_path, expect=(2,), **lacking).err
    assert "music21" in told
