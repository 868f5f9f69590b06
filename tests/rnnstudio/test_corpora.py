"""`rnnstudio corpora`: the list, a corpus's facts, getting it, adding one's own, checking and mending a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkpoints.errors import CorpusError, UserError
from corpora import catalogue
from rnnstudio.cli import app
from rnnstudio.narration import Narrator
from tests.corpora.genres.samples import RECIPE


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSTUDIO_CACHE", str(tmp_path / "cache"))


def run(*arguments: str) -> str:
    """What a command wrote to standard output; its errors come through."""
    result = CliRunner().invoke(app, ["corpora", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_names_all_corpora_and_whether_they_are_here() -> None:
    rows = json.loads(run("list", "--json"))
    assert [row["name"] for row in rows] == list(catalogue.builtin())
    assert not any(row["here"] for row in rows)
    path = run("get", "abc-tunes").strip()
    assert Path(path).is_file()
    here = {row["name"]: row["here"] for row in json.loads(run("list", "--json"))}
    assert here["abc-tunes"]
    assert not here["plays"]
    assert "abc-tunes" in run("list")


def test_info_tells_licence_provenance_and_hash() -> None:
    shown = run("info", "recipes")
    for part in ("CC BY-SA 4.0", "Wikibooks", "sha256:c1bda5cda6c1", "rnnstudio train recipes"):
        assert part in shown
    assert json.loads(run("info", "recipes", "--json"))["genre"] == "recipes"
    with pytest.raises(CorpusError, match="no corpus called 'recipe'"):
        run("info", "recipe")


def test_how_far_a_text_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(Narrator, "progress", lambda _, *numbers: told.append(numbers))
    (tmp_path / "own.mmf").write_text(RECIPE)
    run("check", str(tmp_path / "own.mmf"))
    assert told[-1] == (len(RECIPE), len(RECIPE))


def test_utf_8_with_stray_bytes_is_mended_into_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_bytes("müde\n".encode() * 20 + b"m\xfcde\n")
    with pytest.raises(CorpusError, match="FC is not UTF-8") as caught:
        run("check", str(tmp_path / "odd.txt"))
    assert "--encoding utf-8+cp1252" in caught.value.hint
    new = tmp_path / "new.txt"
    mend = ("--encoding", "utf-8+cp1252", "--fix", "utf8", "--out", str(new))
    run("check", str(tmp_path / "odd.txt"), *mend)
    assert new.read_text("utf-8") == "müde\n" * 21


def test_ones_own_text_gets_a_name(tmp_path: Path) -> None:
    book = tmp_path / "My Book.mmf"
    book.write_text(RECIPE * 20)
    row = json.loads(run("add", str(book), "--json"))
    assert (row["name"], row["genre"], row["how"]) == ("my-book", "recipes", "yours")
    assert "my-book" in run("list")
    assert json.loads(run("check", "my-book", "--json"))["documents"] == 20


def test_a_text_is_checked_and_mended_into_a_new_file(tmp_path: Path) -> None:
    book = tmp_path / "book.mmf"
    book.write_bytes((RECIPE * 20).replace("\n", "\r\n").encode())
    new = tmp_path / "new.txt"
    report = json.loads(
        run("check", str(book), "--fix", "utf8,doubles", "--out", str(new), "--json")
    )
    assert report["genre"] == "recipes"
    assert {finding["name"] for finding in report["findings"]} >= {"reading", "doubles", "leak"}
    assert report["written"] == {
        "path": str(new),
        "chars": len(RECIPE),
        "fixes": ["utf8", "doubles"],
    }
    assert new.read_text() == RECIPE
    shown = run("check", str(book))
    assert "[--fix doubles]" in shown
    assert "genre:       recipes" in shown


def test_looking_at_a_text_leaves_no_copy_of_it(tmp_path: Path) -> None:
    book = tmp_path / "book.mmf"
    book.write_text(RECIPE * 20)
    run("check", str(book))
    run("add", str(book))
    assert [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()] == ["yours.json"]


def test_a_fix_needs_a_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="go together"):
        run("check", str(tmp_path), "--fix", "utf8")
