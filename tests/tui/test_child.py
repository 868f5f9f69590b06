"""The pipe to the playground's process: answers in order, stop, death."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator

import pytest

from tui.child import GONE, Answer, Child

ECHO = """
import json, sys, time
stopped = set()
for line in sys.stdin:
    body = json.loads(line)
    if body["op"] == "die":
        sys.exit(1)
    if body["op"] == "count":
        for i in range(3):
            print(json.dumps({"id": body["id"], "piece": i}), flush=True)
        print("no json", flush=True)
        print(json.dumps({"id": body["id"], "done": {"text": body["text"]}}), flush=True)
    if body["op"] == "fail":
        print(json.dumps({"id": body["id"], "error": "no", "hint": "yes"}), flush=True)
"""


class Heard:
    def __init__(self) -> None:
        self._answers: queue.Queue[Answer] = queue.Queue()

    def __call__(self, answer: Answer) -> None:
        self._answers.put(answer)

    def until_last(self, number: int) -> list[Answer]:
        out = []
        while True:
            answer = self._answers.get(timeout=60)
            if answer.id == number:
                out.append(answer)
                if answer.last:
                    return out


@pytest.fixture
def echo() -> Iterator[tuple[Child, Heard]]:
    heard = Heard()
    child = Child(heard, [sys.executable, "-c", ECHO])
    yield child, heard
    child.end()


def test_pieces_come_before_the_last_word(echo: tuple[Child, Heard]) -> None:
    child, heard = echo
    number = child.ask("count", text="\ud800é")
    *pieces, last = heard.until_last(number)
    assert [p.piece for p in pieces] == [0, 1, 2]
    assert last.done == {"text": "\ud800é"}
    *_, failed = heard.until_last(child.ask("fail"))
    assert (failed.error, failed.hint) == ("no", "yes")


def test_a_child_that_dies_is_told_and_started_again(echo: tuple[Child, Heard]) -> None:
    child, heard = echo
    (last,) = heard.until_last(child.ask("die"))
    assert last.error == GONE
    assert heard.until_last(child.ask("count", text="again"))[-1].done == {"text": "again"}


def test_ending_twice_and_stopping_nothing_are_harmless(echo: tuple[Child, Heard]) -> None:
    child, heard = echo
    heard.until_last(child.ask("fail"))
    child.stop(99)
    child.end()
    child.end()
