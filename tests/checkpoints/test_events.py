"""Events as lines of JSON: nothing is lost, nothing damaged gets through, and a resumed log reads like a whole one."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.events import (
    TYPES,
    CheckpointWritten,
    Ended,
    Event,
    Failed,
    Note,
    Resumed,
    Step,
    Unknown,
    Validation,
    decode,
    effective,
    encode,
)

# Any code point, lone surrogates, line separators and controls too.
texts = st.text(st.characters(exclude_categories=()), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    "Any": json_values,
    "str": texts,
    "int": st.integers(),
    "bool": st.booleans(),
    "float": floats,
    "float | None": st.none() | floats,
    "Mapping[str, float]": st.dictionaries(texts, floats, max_size=3),
    "Mapping[str, Any]": st.dictionaries(texts, json_values, max_size=3),
    "Mapping[str, Any] | None": st.none() | st.dictionaries(texts, json_values, max_size=3),
}


@st.composite
def events(draw: st.DrawFn) -> Event:
    cls = draw(st.sampled_from(list(TYPES.values())))
    values = {f.name: draw(FIELDS[str(f.type)]) for f in dataclasses.fields(cls)}
    values["time"] = draw(st.floats(0, 253_402_300_799))
    return cls(**values)


def a_step(step: int, **values: Any) -> Step:
    figures = dict.fromkeys(
        ("loss_nats", "loss_min", "loss_max", "lr", "grad_norm", "epoch", "progress"), 1.0
    )
    rest = {"steps": 1, "tokens": 1, "tokens_per_s": 1.0, "chars_per_s": 1.0}
    return Step(step=step, **{**figures, **rest, **values})


@given(events())
def test_an_event_comes_back_from_its_line(event: Event) -> None:
    line = encode(event)
    assert "\n" not in line
    line.encode("utf-8")  # also with half a surrogate pair in its text
    assert decode(line) == event


@given(events(), st.integers(0, 10_000))
def test_a_line_cut_anywhere_is_no_event(event: Event, at: int) -> None:
    line = encode(event)
    assert decode(line[: at % len(line)]) is None


@given(json_values, st.sampled_from([*TYPES, "new"]), st.data())
def test_values_of_other_types_never_raise(value: Any, name: str, data: st.DataObject) -> None:
    keys = [f.name for f in dataclasses.fields(TYPES.get(name, Unknown))]
    body = {"type": name, **dict.fromkeys(data.draw(st.lists(st.sampled_from(keys))), value)}
    event = decode(json.dumps(body))
    if event is not None:
        for f in dataclasses.fields(event):
            found = getattr(event, f.name)
            expected = {"str": str, "int": int, "bool": bool, "float": float}.get(str(f.type))
            assert expected is None or type(found) is expected
            assert (
                not str(f.type).startswith("Mapping") or found is None or isinstance(found, Mapping)
            )


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null_on_disk_and_nan_again(number: float) -> None:
    line = encode(a_step(3, loss_nats=number))
    assert json.loads(line, parse_constant=pytest.fail)["loss_nats"] is None
    event = decode(line)
    assert isinstance(event, Step)
    assert math.isnan(event.loss_nats)


def test_a_newer_version_adds_fields_and_events() -> None:
    newer = json.loads(encode(Note(step=4, time=5.0, text="hello")))
    newer["v"], newer["colour"] = 99, "red"
    assert decode(json.dumps(newer)) == Note(step=4, time=5.0, text="hello")
    body = {"type": "dream", "v": 99, "step": 7, "time": 8.0, "depth": [1, 2]}
    event = decode(json.dumps(body))
    assert isinstance(event, Unknown)
    assert (event.name, event.step, event.time, event.data["depth"]) == ("dream", 7, 8.0, [1, 2])
    assert json.loads(encode(event)) == body


def test_an_older_version_lacks_a_field_that_has_a_default() -> None:
    body = json.loads(encode(CheckpointWritten(step=1, path="p", reason="time", seconds=3.0)))
    del body["seconds"]
    event = decode(json.dumps(body))
    assert isinstance(event, CheckpointWritten)
    assert event.seconds == 0.0
    del body["path"]
    assert decode(json.dumps(body)) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type":3}',
        '{"type":"note","text":null}',
        '{"type":"note","text":"a","step":"1"}',
        '{"type":"note","text":"a","step":true}',
        '{"type":"note","text":"a","time":1e300}',
        '{"type":"note","text":"a","time":1' + "0" * 400 + "}",
        '{"type":"note","text":"a","step":1' + "0" * 5000 + "}",
        "[" * 100_000,
        '{"type":"note","text":' + "[" * 100_000,
    ],
)
def test_what_is_no_event_is_none(line: str) -> None:
    assert decode(line) is None


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=5),
)
def test_a_resumed_log_reads_like_an_uninterrupted_one(
    every: list[int], crashes: list[tuple[int, int]]
) -> None:
    last = 60
    marks = {sum(every[:i]) * 3 for i in range(1, len(every) + 1)}

    def at(step: int) -> list[Event]:
        logged: list[Event] = [a_step(step)]
        if step in marks:
            logged.append(CheckpointWritten(step=step, path=f"step-{step}", reason="schedule"))
        return logged

    whole: list[Event] = [Note(text="begin"), *(e for s in range(1, last + 1) for e in at(s))]
    log: list[Event] = [Note(text="begin")]
    step, saved = 0, 0
    for length, back in crashes:
        for _ in range(min(length, last - step)):
            step += 1
            log += at(step)
            saved = step if step in marks else saved
        if back % 3 == 0:  # not every run that dies can still say so
            log += [Failed(step=step, text="no"), Ended(step=step, run="r", reason="failed")]
        step = saved
        log.append(Resumed(step=saved, checkpoint=f"step-{saved}"))
    log += [e for s in range(step + 1, last + 1) for e in at(s)]
    assert list(effective(log)) == whole


def test_a_number_beyond_any_float_is_no_event() -> None:
    assert decode('{"type":"note","step":7,"text":""}') is not None
    assert decode('{"type":"note","step":1' + "0" * 400 + ',"text":""}') is None


def test_a_validation_that_was_done_again_stands_once() -> None:
    figures = {"bits_per_char": 1.0, "chars": 1, "tokens": 1, "protocol": "p", "best": True}
    first = Validation(step=20, nats_per_token=2.0, nats_per_char=2.0, **figures)
    again = Validation(step=20, nats_per_token=1.9, nats_per_char=1.9, **figures)
    assert list(effective([first, Resumed(step=10, checkpoint="c"), again])) == [again]
