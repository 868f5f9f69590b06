"""Lanes of text: the windows (T, B) that truncated back-propagation reads, one after the other.

Each lane reads on where it stopped, so the network's state is carried from window to window. A lane says `fresh` where
its text really starts again, and only there is its state set to zero.

Positions are plain numbers: a run that stored them goes on with the very next token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from checkpoints.errors import CheckpointError, CorpusError
from engine.ids import IGNORE, Tokens

# The shortest window that is worth a step.
SHORTEST_BPTT = 16


@dataclass(frozen=True, slots=True)
class Window:
    """What one optimizer step reads."""

    inputs: npt.NDArray[np.int64]  # (T, B)
    targets: npt.NDArray[np.int64]  # (T, B), IGNORE where there is nothing to predict
    fresh: npt.NDArray[np.bool_]  # (B,): these lanes start a text, their state must be zero

    @property
    def count(self) -> int:
        """Targets that count."""
        return int(np.count_nonzero(self.targets != IGNORE))


def fits(tokens: int, lanes: int, bptt: int) -> tuple[int, int, str]:
    """Lanes and BPTT length that leave a text of `tokens` at least two steps a pass; and what to say of it, or "".

    Raises CorpusError where there is not even one short window.
    """
    if tokens <= SHORTEST_BPTT:
        raise CorpusError(
            f"{tokens:,} tokens are left to train on, less than one window of {SHORTEST_BPTT} and its next token",
            hint="give more text (500 characters at least), or hold out less: --valid-fraction 0 --test-fraction 0",
        )
    asked = lanes, bptt
    while lanes * bptt > tokens // 2 and (lanes > 1 or bptt > SHORTEST_BPTT):
        if lanes > 4 or bptt <= SHORTEST_BPTT:
            lanes = max(1, lanes // 2)
        else:
            bptt = max(SHORTEST_BPTT, bptt // 2)
    if (lanes, bptt) == asked:
        return lanes, bptt, ""
    said = f"the training text has only {tokens:,} tokens: {lanes} lanes of {bptt} instead of {asked[0]} of {asked[1]}"
    return lanes, bptt, said


class Lanes(ABC):
    """A source of windows that knows its place."""

    lanes: int
    bptt: int

    @abstractmethod
    def next(self) -> Window:
        """The next window; it never ends, for text is read round and round."""

    @abstractmethod
    def position(self) -> dict[str, Any]:
        """Where the lanes stand, as JSON."""

    @abstractmethod
    def seek(self, position: dict[str, Any]) -> None:
        """Go where `position` says. Raises CheckpointError if it fits other lanes or another text."""


class ContinuousLanes(Lanes):
    """One long text of N tokens. Lane b starts at token b·N/B, and every lane reads the whole text round and round.

    So no lane is ever cut off in the middle (its state stays true when it enters the next lane's part), and a window
    that reaches the text's end is padded; the lane then starts again at the beginning, fresh.
    """

    def __init__(self, tokens: Tokens, *, lanes: int, bptt: int) -> None:
        self.tokens, self.lanes, self.bptt = tokens, lanes, bptt
        self._at = [lane * len(tokens) // lanes for lane in range(lanes)]
        self._fresh = [True] * lanes

    def next(self) -> Window:
        fresh = np.array(self._fresh)
        last = len(self.tokens) - 1  # the last token is a target only
        if max(self._at) + self.bptt < last:  # as nearly always: no lane reaches the end
            taken = np.arange(self.bptt + 1)[:, None] + np.array(self._at)  # (T + 1, B)
            window = np.asarray(self.tokens[taken], np.int64)
            self._at = [at + self.bptt for at in self._at]
            self._fresh = [False] * self.lanes
            return Window(window[:-1], window[1:], fresh)
        shape = (self.bptt, self.lanes)
        inputs, targets = np.zeros(shape, np.int64), np.full(shape, IGNORE, np.int64)
        for lane, at in enumerate(self._at):
            piece = self.tokens[at : at + self.bptt + 1]
            n = len(piece) - 1
            inputs[:n, lane] = piece[:-1]
            targets[:n, lane] = piece[1:]
            ended = at + n >= last
            self._at[lane], self._fresh[lane] = (0, True) if ended else (at + n, False)
        return Window(inputs, targets, fresh)

    def position(self) -> dict[str, Any]:
        return {
            "kind": "continuous",
            "tokens": len(self.tokens),
            "at": self._at,
            "fresh": self._fresh,
        }

    def seek(self, position: dict[str, Any]) -> None:
        at, fresh = position.get("at"), position.get("fresh")
        if (
            position.get("kind") != "continuous"
            or position.get("tokens") != len(self.tokens)
            or not _numbers(at, self.lanes, len(self.tokens))
            or not (isinstance(fresh, list) and len(fresh) == self.lanes)
        ):
            raise _misfit()
        self._at, self._fresh = list(at), [bool(f) for f in fresh]  # type: ignore[arg-type]


class DocumentLanes(Lanes):
    """Many short documents. A lane reads one from its beginning, fresh, to its end, then takes the next one.

    Documents come in a new order at each pass, drawn from the seed and the pass alone. A window never holds two: what
    is left of it behind a document's end is padding. The first input of a document is the document-end token, as in
    sampling; its last target is the document-end token that the token file holds there.
    """

    def __init__(
        self,
        tokens: Tokens,
        starts: npt.NDArray[np.integer[Any]],
        *,
        document_end: int,
        lanes: int,
        bptt: int,
        seed: int,
    ) -> None:
        self.tokens, self.lanes, self.bptt = tokens, lanes, bptt
        self.document_end, self.seed = document_end, seed
        self._bounds = np.append(np.asarray(starts, np.int64), len(tokens))
        self._pass, self._taken = 0, 0
        self._order = self._shuffled(0)
        self._document = [self._take() for _ in range(lanes)]
        self._offset = [0] * lanes

    def next(self) -> Window:
        shape = (self.bptt, self.lanes)
        inputs, targets = np.zeros(shape, np.int64), np.full(shape, IGNORE, np.int64)
        fresh = np.array([offset == 0 for offset in self._offset])
        for lane, (document, offset) in enumerate(zip(self._document, self._offset, strict=True)):
            start, stop = int(self._bounds[document]), int(self._bounds[document + 1])
            piece = self.tokens[start + offset : min(start + offset + self.bptt, stop)]
            n = len(piece)
            targets[:n, lane] = piece
            inputs[0, lane] = self.tokens[start + offset - 1] if offset else self.document_end
            inputs[1:n, lane] = piece[:-1]
            if start + offset + n >= stop:
                self._document[lane], self._offset[lane] = self._take(), 0
            else:
                self._offset[lane] = offset + n
        return Window(inputs, targets, fresh)

    def _take(self) -> int:
        if self._taken == len(self._order):
            self._pass, self._taken = self._pass + 1, 0
            self._order = self._shuffled(self._pass)
        self._taken += 1
        return int(self._order[self._taken - 1])

    def _shuffled(self, number: int) -> npt.NDArray[np.int64]:
        lengths = np.diff(self._bounds)
        filled = np.flatnonzero(lengths > 0)
        return np.random.default_rng([self.seed, number]).permutation(filled)

    def position(self) -> dict[str, Any]:
        return {
            "kind": "documents",
            "tokens": len(self.tokens),
            "pass": self._pass,
            "taken": self._taken,
            "document": self._document,
            "offset": self._offset,
        }

    def seek(self, position: dict[str, Any]) -> None:
        documents, offsets = position.get("document"), position.get("offset")
        number, taken = position.get("pass"), position.get("taken")
        if (
            position.get("kind") != "documents"
            or position.get("tokens") != len(self.tokens)
            or not _numbers(documents, self.lanes, len(self._bounds) - 1)
            or not _numbers(offsets, self.lanes, len(self.tokens))
            or not (isinstance(number, int) and 0 <= number < 2**31)
            or not (isinstance(taken, int) and 0 <= taken <= len(self._order))
        ):
            raise _misfit()
        self._document, self._offset = list(documents), list(offsets)  # type: ignore[arg-type]
        self._pass, self._taken = number, taken
        self._order = self._shuffled(number)


def _numbers(values: object, count: int, below: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == count
        and all(isinstance(v, int) and 0 <= v < below for v in values)
    )


def _misfit() -> CheckpointError:
    return CheckpointError(
        "the checkpoint's place in the text does not fit this run's tokens and lanes",
        hint="resume from another checkpoint, or start anew from its weights: rnnstudio train --from RUN",
    )
