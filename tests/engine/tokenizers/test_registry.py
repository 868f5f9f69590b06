"""Tokenizers are found by name, from their file, and nothing is imported before its time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from checkpoints.errors import CheckpointError, ConfigError
from engine.config import TOKENIZERS
from engine.tokenizers import find, load, names

from .texts import learned


def test_each_name_of_the_configuration_is_found_and_no_other() -> None:
    assert sorted(TOKENIZERS) == list(names())
    for name in TOKENIZERS:
        assert find(name).name == name


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("chars", "char"),
        ("Byte", "byte"),
        ("words", "word"),
        ("BPE", "bpe"),
        ("unigrams", "unigram"),
    ],
)
def test_a_mistyped_name_says_what_was_meant(typed: str, meant: str) -> None:
    with pytest.raises(ConfigError, match="no tokenizer") as caught:
        find(typed)
    assert f"did you mean {meant}?" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["base", "_spelling", "..base", "engine.tokenizers.char", "", "os"]
)
def test_a_module_that_is_no_tokenizer_is_never_imported(name: str) -> None:
    with pytest.raises(ConfigError, match="no tokenizer"):
        find(name)
    files = {"tokenizer.json": json.dumps({"name": name, "version": 1}).encode()}
    with pytest.raises(CheckpointError, match="which this version does not have"):
        load(files)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"name": "char", "version": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b" " * (17 << 20), "over the limit"),
        (b"[]", "not an object"),
        (b'{"name": 3, "version": 1}', "which tokenizer"),
        (b'{"name": "char"}', "its version"),
        (b'{"name": "char", "version": true}', "its version"),
        (b'{"name": "char", "version": 2, "characters": ""}', "version 2"),
        (b'{"name": "char", "version": 1}', "no text"),
        (b'{"name": "char", "version": 1, "characters": ["a"]}', "no text"),
        (b'{"name": "char", "version": 1, "characters": "aba"}', "twice"),
        (b'{"name": "char", "version": 1, "characters": "\\ud800"}', "surrogate"),
        (
            json.dumps(
                {
                    "name": "char",
                    "version": 1,
                    "characters": "".join(map(chr, range(0x10000, 0x10000 + 60_001))),
                }
            ).encode(),
            "at most 60,000",
        ),
    ],
    ids=range(15),
)
def test_a_damaged_description_is_refused_in_a_sentence(data: bytes, says: str) -> None:
    with pytest.raises(CheckpointError, match=says) as caught:
        load({"tokenizer.json": data})
    assert caught.value.hint


def test_a_missing_description_and_anothers_are_refused() -> None:
    with pytest.raises(CheckpointError, match="missing"):
        load({})
    with pytest.raises(CheckpointError, match="'byte', not char"):
        find("char").from_files(learned("byte").to_files())


def test_only_the_subword_tokenizers_import_sentencepiece() -> None:
    code = (
        "import sys; from engine import tokenizers; tokenizers.names()\n"
        "assert 'numpy' not in sys.modules\n"
        "from engine.tokenizers import find\n"
        "for name in ('char', 'byte', 'word'): find(name).learn(['a b']).encode('a c')\n"
        "assert 'sentencepiece' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
