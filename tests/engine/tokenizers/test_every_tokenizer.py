"""What holds for each tokenizer, whatever the text: lossless, never failing, the same in pieces as whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from checkpoints.errors import CheckpointError, ConfigError
from engine.tokenizers import find, load, names
from engine.tokenizers.base import Tokenizer

from .texts import CORPUS, HARD, any_text, cut_somewhere, learned

FIRST_PARTS = st.lists(st.integers(0, 10_000), max_size=6)
# Five times over: a word needs three occurrences for a token, and what has no token cannot be cut in two.
LEARNED = {name: learned(name, CORPUS * 5) for name in names()}

each = pytest.mark.parametrize("tokenizer", LEARNED.values(), ids=LEARNED)
each_name = pytest.mark.parametrize("name", names())
thorough = settings(deadline=None)


def incrementally(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    decoder = tokenizer.decoder()
    return "".join([*(decoder.push(int(i)) for i in ids), decoder.flush()])


def check_lossless(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids.dtype == np.uint32
    assert ids.ndim == 1
    assert (ids < tokenizer.document_end).all()
    assert tokenizer.decode(ids) == text
    assert incrementally(tokenizer, ids.tolist()) == text


@each
def test_its_own_corpus_comes_back(tokenizer: Tokenizer) -> None:
    check_lossless(tokenizer, CORPUS)


@each
@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_hard_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    check_lossless(tokenizer, text)


@each
@given(text=any_text)
@thorough
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    check_lossless(tokenizer, text)


@each
@given(data=st.data())
@thorough
def test_any_ids_decode_to_text_the_same_one_by_one_as_at_once(
    tokenizer: Tokenizer, data: st.DataObject
) -> None:
    # Few of the ids are bytes, most of what can go wrong is in them: draw the low ones often.
    last = tokenizer.document_end
    token = st.one_of(st.integers(0, last), st.integers(0, min(last, 260)), st.just(last))
    ids = data.draw(st.lists(token, max_size=60))
    assert tokenizer.decode(ids) == incrementally(tokenizer, ids)
    assert tokenizer.decode(np.array(ids, np.uint16)) == incrementally(tokenizer, ids)


@each
@given(data=st.data())
@thorough
def test_a_text_spelled_token_by_token_survives_a_cut_anywhere(
    tokenizer: Tokenizer, data: st.DataObject
) -> None:
    text = data.draw(any_text)
    ids = tokenizer.encode(text).tolist()
    cut = data.draw(st.integers(0, len(ids)))
    decoder = tokenizer.decoder()
    shown = "".join(decoder.push(i) for i in ids[:cut])
    # What is shown early is never taken back.
    assert text.startswith(shown)
    assert shown + "".join(decoder.push(i) for i in ids[cut:]) + decoder.flush() == text


@each
@given(text=any_text, places=FIRST_PARTS)
@thorough
def test_pieces_encode_like_the_whole(tokenizer: Tokenizer, text: str, places: list[int]) -> None:
    pieces = cut_somewhere(text, places)
    got = [i for part in tokenizer.encode_pieces(pieces) for i in part.tolist()]
    assert got == tokenizer.encode(text).tolist()


@each
@pytest.mark.parametrize("size", [1, 7, 100, 4096])
def test_long_texts_in_pieces_encode_like_the_whole(tokenizer: Tokenizer, size: int) -> None:
    for text in [*(t for t in HARD if len(t) > 1000), CORPUS]:
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        got = [i for part in tokenizer.encode_pieces(pieces) for i in part.tolist()]
        assert got == tokenizer.encode(text).tolist()


@each
def test_little_is_held_back_however_long_a_line_is(tokenizer: Tokenizer) -> None:
    for unit in ("x", "漢", "the mill ", " ", "'", "don'"):
        text = unit * 20_000
        assert len(text) - tokenizer.safe_cut(text) <= 5000


@each_name
@given(text=any_text, places=FIRST_PARTS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_learning_does_not_depend_on_how_the_corpus_is_cut(
    name: str, text: str, places: list[int]
) -> None:
    corpus = CORPUS * 3 + text
    pieces = cut_somewhere(corpus, places)
    assert find(name).learn(pieces).to_files() == learned(name, corpus).to_files()


def test_learning_does_not_depend_on_the_process() -> None:
    # Sets and dicts of strings are ordered by a hash that each process draws anew.
    code = (
        "import hashlib, sys; from engine.tokenizers import find, names; text = sys.stdin.read()\n"
        "files = [find(name).learn([text]).to_files()['tokenizer.json'] for name in names()]\n"
        "print(hashlib.sha256(b'|'.join(files)).hexdigest())\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=CORPUS.encode(),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


@each
def test_a_stored_tokenizer_is_the_same(tokenizer: Tokenizer) -> None:
    files = tokenizer.to_files()
    again = load(files)
    assert type(again) is type(tokenizer)
    assert again.to_files() == files
    assert again.vocab_size == tokenizer.vocab_size
    for text in [CORPUS, *HARD]:
        assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    every = range(tokenizer.vocab_size)
    assert [again.token_text(i) for i in every] == [tokenizer.token_text(i) for i in every]


@each
def test_the_documents_end_decodes_to_nothing_and_parts_what_it_stands_between(
    tokenizer: Tokenizer,
) -> None:
    end = tokenizer.document_end
    ids = [*tokenizer.encode("mill").tolist(), end, *tokenizer.encode("wheel").tolist(), end]
    assert tokenizer.decode(ids) == "millwheel"
    assert tokenizer.token_text(end) == ""
    # A character cut in two by a document's end is two broken ones.
    spelled = tokenizer.encode("\u2602").tolist()
    assert len(spelled) >= 3, "the corpus has no umbrella, so it is spelled"
    assert "\u2602" not in tokenizer.decode([*spelled[:2], end, *spelled[2:]])


@each
def test_every_token_shows_as_something_printable(tokenizer: Tokenizer) -> None:
    for token in range(tokenizer.document_end):
        assert tokenizer.token_text(token)


@each_name
@pytest.mark.parametrize(
    "corpus", [[], [""], ["a"], ["\n"], ["aaaa"], ["\x00"], ["\u2581"], ["\ud800"]]
)
def test_a_corpus_of_nearly_nothing_is_learned(name: str, corpus: list[str]) -> None:
    tokenizer = find(name).learn(corpus)
    check_lossless(tokenizer, CORPUS)
    assert load(tokenizer.to_files()).to_files() == tokenizer.to_files()


@each_name
def test_the_vocabulary_stays_below_what_was_asked_for(name: str) -> None:
    for size in (300, 320, 400):
        tokenizer = learned(name, CORPUS * 3, vocab_size=size)
        assert tokenizer.vocab_size <= size
        check_lossless(tokenizer, CORPUS)


@pytest.mark.parametrize("name", [n for n in names() if n != "byte"])
def test_a_vocabulary_too_small_for_any_text_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="too small") as caught:
        learned(name, vocab_size=5)
    assert "or more" in caught.value.hint


@each
@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
@thorough
def test_a_file_with_anything_else_in_it_is_a_checkpoint_error(
    tokenizer: Tokenizer, junk: object
) -> None:
    body = json.loads(tokenizer.to_files()["tokenizer.json"])
    for key in body:
        changed = {"tokenizer.json": json.dumps({**body, key: junk}).encode()}
        try:
            other = load(changed)
        except CheckpointError:
            continue
        # What it does accept must be whole.
        check_lossless(other, CORPUS)
