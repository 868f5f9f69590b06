"""Corpora by name: what the catalogue says, what is made offline, what the user adds."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints.errors import CorpusError
from checkpoints.files import FileSystem
from corpora import catalogue, genres
from corpora.catalogue import docstrings, tunes

# Making all of latex-docstrings takes 10 s; a part of it is made below.
MADE = ["abc-tunes", "c-headers"]


def test_every_entry_says_what_it_is() -> None:
    for name, entry in catalogue.builtin().items():
        assert entry.title, name
        assert entry.licence, name
        assert entry.provenance, name
        assert entry.size > 0, name
        assert entry.genre in genres.names(), name
        assert bool(entry.sources) == (entry.how in ("wheel", "url")), name
        assert bool(entry.needs) == (entry.how == "made"), name
        assert bool(entry.package) == (entry.how == "wheel"), name
        for source in entry.sources:
            kind, _, digest = source.digest.partition(":")
            assert len(digest) == {"sha256": 64, "git": 40}[kind], source.name
        if entry.maker:
            assert callable(importlib.import_module(f"corpora.catalogue.{entry.maker}").make)


@pytest.mark.parametrize("name", MADE)
def test_a_corpus_made_offline_is_of_its_size_and_genre_and_made_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalogue.find(name)
    path = catalogue.get(name, tmp_path)
    text = path.read_text("utf-8")
    assert len(text.encode()) == pytest.approx(entry.size, rel=0.3)
    assert genres.detect(text)[0].name == entry.genre
    assert "\r" not in text
    # The same versions give the same bytes.
    assert importlib.import_module(f"corpora.catalogue.{entry.maker}").make() == text

    monkeypatch.setattr(catalogue, "_make", lambda *_: pytest.fail("it was made again"))
    assert catalogue.get(name, tmp_path) == path


def test_docstrings_become_a_corpus_of_latex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docstrings, "PACKAGES", ("mpmath",))
    text = docstrings.make()
    assert text.count("\\section{mpmath.") > 50
    assert genres.detect(text)[0].name == "latex"
    assert genres.find("latex").validator([text])(text).figures["balanced"] == 1.0
    assert docstrings.make() == text


def test_another_text_than_others_got_from_the_same_versions_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    versions = f"music21 {importlib.metadata.version('music21')}"
    catalogue.get("abc-tunes", tmp_path / "a", note=notes.append)
    if versions in catalogue.find("abc-tunes").known:
        assert not any("elsewhere" in note for note in notes)
    entry = replace(catalogue.find("abc-tunes"), known={versions: "0" * 64})
    monkeypatch.setattr(catalogue, "builtin", lambda: {"abc-tunes": entry})
    catalogue.get("abc-tunes", tmp_path / "b", note=notes.append)
    assert any(f"is not what {versions} gave elsewhere" in note for note in notes)


def test_a_damaged_or_older_cached_corpus_is_made_anew(tmp_path: Path) -> None:
    path = catalogue.get("abc-tunes", tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert catalogue.get("abc-tunes", tmp_path).read_bytes() == whole

    record = path.with_suffix(".json")
    facts = json.loads(record.read_text())
    facts["recipe"]["installed"]["music21"] = "0.1"
    record.write_text(json.dumps(facts))
    path.write_bytes(b"of another version")
    facts["sha256"] = hashlib.sha256(b"of another version").hexdigest()
    record.write_text(json.dumps(facts))
    assert catalogue.get("abc-tunes", tmp_path).read_bytes() == whole
    assert not list(path.parent.glob("*.part"))


def test_tunes_keep_six_header_fields_and_lose_comments_and_doubles() -> None:
    book = (
        "% A book\n\nX:0007\nT:First\nT:Second name\nC:Somebody\nM:6/8 % jig\nL:1/8\nQ:120\nK:G\n"
        "GAB  c``de|% end\nM:9/8\nG3 B3 d3|]\nW:words\n\nnot a tune\n\nX:8\nT:No key\nGAB|\n\n"
        "X:9\nK:D\nV:1\nd|\n"
    )
    assert list(tunes.cut(book)) == ["T:First\nM:6/8\nL:1/8\nK:G\nGAB cde|\nM:9/8\nG3 B3 d3|]\n"]


def test_a_full_disk_is_a_sentence_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: FileSystem, path: Path, data: bytes) -> None:
        path.write_bytes(data[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystem, "write", full)
    with pytest.raises(CorpusError, match="no space left"):
        catalogue.get("abc-tunes", tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_resolve_takes_names_and_leaves_paths_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert catalogue.resolve("no/such/file.txt", tmp_path) is None
    found = catalogue.resolve("abc-tunes", tmp_path)
    assert found is not None
    assert found.is_file()
    Path("abc-tunes").write_text("a file of the user's")
    assert catalogue.resolve("abc-tunes", tmp_path) is None


def test_a_name_that_is_not_there_is_a_sentence_that_names_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="'abc-tune'") as caught:
        catalogue.get("abc-tune", tmp_path)
    assert "did you mean abc-tunes" in caught.value.hint


def test_what_the_user_adds_is_found_by_name_and_stays_where_it_is(tmp_path: Path) -> None:
    text = tmp_path / "diary.txt"
    text.write_text("Dear diary")
    entry = catalogue.add(text, name="diary", genre="prose", cache=tmp_path / "cache")
    assert (entry.how, entry.genre, entry.size) == ("yours", "prose", 10)
    assert catalogue.get("diary", tmp_path / "cache") == text
    (tmp_path / "letters" / "old").mkdir(parents=True)
    (tmp_path / "letters" / "old" / "one.txt").write_text("Dear you")
    folder = catalogue.add(
        tmp_path / "letters", name="letters", genre="prose", cache=tmp_path / "cache"
    )
    assert folder.size == 8
    with pytest.raises(CorpusError, match="could not be written"):
        catalogue.add(text, name="diary", genre="prose", cache=text)
    text.unlink()
    with pytest.raises(CorpusError, match="no longer there"):
        catalogue.get("diary", tmp_path / "cache")


@pytest.mark.parametrize("name", ["abc-tunes", "", "a/b", "..", "a b", ".hidden"])
def test_names_that_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    text = tmp_path / "diary.txt"
    text.write_text("Dear diary")
    with pytest.raises(CorpusError):
        catalogue.add(text, name=name, genre="prose", cache=tmp_path)


def test_a_damaged_register_loses_the_names_but_nothing_fails(tmp_path: Path) -> None:
    register = tmp_path / "corpora" / "yours.json"
    register.parent.mkdir()
    for damage in (b"\xff{", b"[1, 2]", b'{"a": 7, "b": {"path": 3}}', b"[" * 100_000):
        register.write_bytes(damage)
        assert set(catalogue.entries(tmp_path)) == set(catalogue.builtin())


def test_names_are_not_written_over_by_who_cannot_read_them(tmp_path: Path) -> None:
    text = tmp_path / "diary.txt"
    text.write_text("Dear diary")
    register = tmp_path / "corpora" / "yours.json"
    register.parent.mkdir()
    for damage in (b'{"letters": {"path": "/home/a', b"\xff{", b"[1, 2]", b""):
        register.write_bytes(damage)
        with pytest.raises(CorpusError, match=r"yours\.json.*cannot be read") as caught:
            catalogue.add(text, name="diary", genre="prose", cache=tmp_path)
        assert "move it away" in caught.value.hint
        assert register.read_bytes() == damage


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
def test_a_path_that_is_no_utf8_is_added(tmp_path: Path) -> None:
    text = tmp_path / os.fsdecode(b"brief\xe9.txt")
    text.write_text("Dear diary")
    catalogue.add(text, name="letter", genre="prose", cache=tmp_path)
    assert catalogue.get("letter", tmp_path) == text


def test_paths_that_the_system_refuses_are_no_corpora(tmp_path: Path) -> None:
    long = "n" * 300
    assert catalogue.resolve(long, tmp_path) is None
    with pytest.raises(CorpusError, match="there is no file"):
        catalogue.add(Path(long), name="long", genre="prose", cache=tmp_path)
    register = tmp_path / "corpora" / "yours.json"
    register.parent.mkdir()
    register.write_text(json.dumps({"long": {"path": long, "size": 7}}))
    assert catalogue.entries(tmp_path)["long"].size == 7
    assert catalogue.cached("long", tmp_path) is None
