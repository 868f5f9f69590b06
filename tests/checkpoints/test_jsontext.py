"""JSON from outside: limits hold before anything is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import jsontext
from checkpoints.errors import CheckpointError
from checkpoints.jsontext import load_json, load_object
from tests.faults.memory import at_most

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Brackets, quotes and backslashes inside strings are what a careless scan trips over.
    | st.text(st.sampled_from('[]{}"\\, aé')),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.sampled_from('[{"\\a')), inner, max_size=4)
    ),
    max_leaves=12,
)


def naive_depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(naive_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(naive_depth, value), default=0)
    return 0


@given(values, st.booleans())
def test_any_value_is_read_at_just_its_depth(value: Any, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    depth = naive_depth(value)
    assert load_json(data, max_depth=depth) == value
    if depth:
        with pytest.raises(CheckpointError, match="nested"):
            load_json(data, max_depth=depth - 1)


@given(st.binary(max_size=40) | st.text(st.sampled_from('[]{}":,\\1eu-')).map(str.encode))
def test_any_bytes_are_a_value_or_a_checkpoint_error(data: bytes) -> None:
    try:
        value = load_json(data)
    except CheckpointError:
        return
    assert json.loads(data) == value


@pytest.mark.parametrize("pair", [b"[]", b'{"a":'])
def test_a_hundred_thousand_brackets_are_refused_before_they_are_parsed(pair: bytes) -> None:
    data = pair[:-1] * 100_000 if pair == b"[]" else pair * 100_000
    with at_most(100_000), pytest.raises(CheckpointError, match="nested deeper than 64"):
        load_json(data)


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'\\"' * 4_000_000,
        b'"' + b"\\" * 7_999_999,
        b'""' * 1_000_000 + b"\\",
        b'"a' * 999_999,
    ],
)
def test_a_text_made_to_be_slow_is_scanned_once(data: bytes) -> None:
    with pytest.raises(
        CheckpointError
    ):  # quadratic work here would outlast the suite's time limit by hours
        load_json(data)


def test_size_and_number_of_parts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"11 bytes are over the limit of 10"):
        load_json(b"[1,2,3,4,5]", max_bytes=10)
    monkeypatch.setattr(jsontext, "MAX_CONTAINERS", 100)
    assert load_json(b"[" + b"[]," * 98 + b"[]]") == [[]] * 99
    with pytest.raises(CheckpointError, match="too many parts"):
        load_json(b"[" + b"[]," * 99 + b"[]]")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"\xff", "UTF-8"),
        (b"", "Expecting value"),
        (b"1" * 5000, "digits"),
        (b'{"lr":1' + b"0" * 400 + b"}", "401 digits"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(CheckpointError, match=why) as caught:
        load_json(data, what="tokenizer.json")
    assert caught.value.message.startswith("tokenizer.json cannot be read: ")


def test_an_object_must_be_one() -> None:
    assert load_object(b'{"a": 1}') == {"a": 1}
    with pytest.raises(CheckpointError, match="a list, not an object"):
        load_object(b"[]")
