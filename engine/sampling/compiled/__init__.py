"""Networks of `rnn`, `gru` and `lstm` that write in C++, compiled once where they run.

Of one text a step takes less time than Python takes to say what is to be done, and so does drawing a token: here some
steps of all texts, network and drawing, are one call. Where there is no compiler there is `packed`; the numbers differ
in their last bits.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engine import compiler
from engine.carried import State
from engine.cells.base import Cell, Fused
from engine.cells.gru import GRU
from engine.cells.lstm import LSTM
from engine.cells.rnn import RNN
from engine.compiler import AVX2, AVX512
from engine.devices import cpu_has
from engine.model import Model, no_number
from engine.sampling.layers import Own, array, looked_up
from engine.sampling.products import Floats

MAIN = Path(__file__).parent / "writing.cpp"
UNITS = {
    "avx512_vnni": (*AVX512, "-mavx512vnni"),
    "avx_vnni": ("-mavxvnni", *AVX2),
    "avx2+fma3": AVX2,
    "dot": ("-march=armv8.2-a+dotprod",),
}
"""How a CPU is compiled for that has these, the fastest first; for any other it is as the compiler is set up."""
KINDS: dict[type[Cell], int] = {RNN: 0, GRU: 1, LSTM: 2}
"""As `layers.h` counts them."""
NO_MEMORY, NO_NUMBER = 1, 2
NO_TOKEN = -1
MOST_STEPS = 32
MOST_PRODUCTS = 1 << 30

Array = Floats | npt.NDArray[np.int64] | npt.NDArray[np.float64]


class Library:
    """The functions of `writing.cpp`."""

    def __init__(self, functions: ctypes.CDLL) -> None:
        """Raises AttributeError where it is another library."""
        self._functions = functions
        self.width = functions.width()
        self.dots = bool(functions.has_dots())
        """Whether weights in int8 are faster than in float32: the CPU adds up products of whole numbers."""
        functions.new_network.restype = ctypes.c_void_p

    def new_network(self, owner: object, *given: int) -> ctypes.c_void_p:
        """A network that goes with its owner. Raises MemoryError."""
        handle = ctypes.c_void_p(self._functions.new_network(*map(_passed, given)))
        if not handle:
            raise MemoryError("not enough memory for a network")
        # Not at the interpreter's end: a thread may still be writing with it, and the process frees all memory anyway.
        weakref.finalize(owner, self._functions.delete_network, handle).atexit = False
        return handle

    def call(self, name: str, *given: int | float | Array | ctypes.c_void_p | None) -> None:
        """The function `name`; whole numbers are int64, others double, arrays dense.

        Raises MemoryError, and CheckpointError where what it computes is no number.
        """
        passed = [_passed(one) for one in given]
        failed = getattr(self._functions, name)(*passed)
        if failed == NO_MEMORY:
            raise MemoryError(f"not enough memory for {name}")
        if failed == NO_NUMBER:
            raise no_number()


def _passed(given: int | float | Array | ctypes.c_void_p | None) -> Any:
    if isinstance(given, np.ndarray):
        assert given.flags.c_contiguous
        return given.ctypes.data_as(ctypes.c_void_p)  # which holds the array
    if isinstance(given, float):
        return ctypes.c_double(given)
    return ctypes.c_int64(given) if isinstance(given, int) else given


def library() -> Library | None:
    """The library, compiled if it is not there yet (three seconds); or None where it cannot be had."""
    return None if compiler.off() else _found()[0]


def why() -> str:
    """Who computes networks that write: these, or NumPy and what stands in the way."""
    if compiler.off():
        return f"by NumPy: {compiler.OFF}=0"
    found, reason = _found()
    return reason if found else f"by NumPy: {reason}"


@cache
def _found() -> tuple[Library | None, str]:
    flags = [flags for units, flags in UNITS.items() if cpu_has(units)]
    return compiler.library(MAIN, [*flags, ()], Library)


def can_compile(model: Model) -> bool:
    """Whether there is a step in C++ for this model, and a library that has it."""
    known = type(model) is Model and all(type(cell) in KINDS for cell in model.layers)
    return known and library() is not None


class Compiled:
    """A model's weights, laid out for steps of any number of rows; `can_compile` it.

    Raises CheckpointError where a weight is no number, MemoryError where there is no room for them.
    """

    most_texts = 256

    def __init__(self, model: Model, *, in_int8: bool) -> None:
        if not all(weight.isfinite().all() for weight in model.parameters()):
            raise no_number()
        found = library()
        assert found is not None
        config, grams = model.config, model.grams
        self.vocab_size, self.layers, self.units = (
            model.vocab_size,
            len(model.layers),
            config.hidden_size,
        )
        self.weights = sum(w.numel() for cell in model.layers for w in cell.parameters())
        self.seen = 0 if grams is None else grams.longest - 1
        self.library = found
        self.network = found.new_network(self, model.vocab_size, in_int8, config.residual)
        self._lent: list[Array] = []  # what the network reads where it lies
        # Only the tokens' own vectors can be of any length, unless the layers' outputs are added up or normed.
        bounded = not (config.residual or config.layer_norm)
        own = Own.of(model)
        for i, cell in enumerate(model.layers):
            norm = model.norms[i] if config.layer_norm else None
            self._add(cell, norm, None if i else own, bounded=bounded)
        if grams is not None:
            self._lent += [array(grams.weight), grams.codes.numpy()]
            rows, size = grams.weight.shape
            found.call("read_grams", self.network, grams.longest, size, rows, *self._lent[-2:])
        weight = model.output_weight
        out = own.vectors if weight is None else array(weight)
        assert out is not None  # only vectors can be tied
        narrow = array(model.narrow.weight) if isinstance(model.narrow, nn.Linear) else None
        self.weights += out.size
        bias = array(model.output_bias)
        shape = (self.units, out.shape[1], bounded)
        found.call("read_out", self.network, *shape, narrow, np.ascontiguousarray(out), bias)

    def begin(self, states: Sequence[State]) -> Texts:
        """Texts that go on from states (of one lane each)."""
        return Texts(self, states)

    def steps(self, texts: int) -> int:
        """How many steps of so many texts are one call: a hundredth of a second's work, on a slow core a tenth."""
        return max(1, min(MOST_STEPS, MOST_PRODUCTS // (self.weights * texts)))

    def _add(self, cell: Cell, norm: nn.Module | None, own: Own | None, *, bounded: bool) -> None:
        """The next layer; `own` is what it reads of the tokens where it is the first."""
        assert isinstance(cell, Fused)
        w_x, w_h, b_x, b_h = map(array, cell.weights)
        apart = isinstance(cell, GRU)  # the candidate's b_h acts behind a gate
        known, rest = looked_up(w_x, b_x if apart else b_x + b_h, own)
        if own is not None and own.vectors is not None and rest is w_x:  # no table
            self._lent.append(np.ascontiguousarray(own.vectors))
            self.library.call("read_vectors", self.network, own.vectors.shape[1], self._lent[-1])
        self.library.call(
            "add_layer",
            self.network,
            KINDS[type(cell)],
            self.units,
            len(known),
            known,
            rest.shape[1],
            bounded and own is None,
            np.ascontiguousarray(rest) if rest.size else None,
            w_h,
            b_h if apart else None,
            *map(array, norm.parameters() if norm is not None else ()),
            *([None, None] if norm is None else []),
        )


class Texts:
    """A network in the middle of some texts."""

    def __init__(self, compiled: Compiled, states: Sequence[State]) -> None:
        self._compiled = compiled
        width = compiled.library.width
        filled_up = -(-compiled.units // width) * width
        layers = [state[: compiled.layers] for state in states]
        self._parts: list[Floats] = []
        for of_each in zip(*layers, strict=True):
            for parts in zip(*of_each, strict=True):
                rows = np.zeros((len(states), filled_up), np.float32)
                np.concatenate([array(part) for part in parts], out=rows[:, : compiled.units])
                self._parts.append(rows)
        self._before = np.zeros((len(states), compiled.seen), np.int64)
        if compiled.seen:
            self._before = np.concatenate([state[-1][0].numpy() for state in states])

    def step(self, tokens: Sequence[int]) -> Tensor:
        logits = np.empty((len(tokens), self._compiled.vocab_size), np.float32)
        self._go_on(tokens, 1, 1.0, NO_TOKEN, None, None, None, None, logits)
        return torch.from_numpy(logits)

    def write(
        self,
        tokens: Sequence[int],
        uniform: Sequence[Sequence[float]],
        temperature: float,
        never: int | None,
    ) -> tuple[list[list[int]], list[list[float]]]:
        """What follows the last token of each text, as `plain.draw` draws it, a token for each of its numbers.

        For each text its tokens, and their surprises in nats. Raises CheckpointError if a logit is no number.
        """
        shape = len(tokens), len(uniform[0])
        drawn, nats = np.empty(shape, np.int64), np.empty(shape, np.float64)
        self._go_on(
            tokens,
            shape[1],
            temperature,
            NO_TOKEN if never is None else never,
            None,
            np.array(uniform, np.float64),
            drawn,
            nats,
            None,
        )
        return drawn.tolist(), nats.tolist()

    def read(
        self, tokens: Sequence[int], following: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """The surprises in nats (B, S) of what follows the last token of each text (B, S).

        They are no numbers where logits are none. Raises IndexError if a token is not of the vocabulary.
        """
        following = np.ascontiguousarray(following, np.int64)
        assert len(tokens) == len(following)
        everything = np.append(following, tokens)
        if everything.min() < 0 or everything.max() >= self._compiled.vocab_size:
            raise IndexError(f"a token that is not of {self._compiled.vocab_size:,}")
        nats = np.empty(following.shape, np.float64)
        self._go_on(tokens, following.shape[1], 1.0, NO_TOKEN, following, None, None, nats, None)
        return nats

    def keep(self, rows: Sequence[int]) -> None:
        self._before = self._before[rows]
        self._parts = [part[rows] for part in self._parts]

    def _go_on(
        self,
        tokens: Sequence[int],
        steps: int,
        temperature: float,
        never: int,
        *arrays: Array | None,
    ) -> None:
        compiled = self._compiled
        pointers = np.array([part.ctypes.data for part in self._parts], np.int64)
        last = np.array(tokens, np.int64)
        compiled.library.call(
            "go_on",
            compiled.network,
            len(last),
            torch.get_num_threads(),
            pointers,
            self._before,
            last,
            steps,
            float(temperature),
            never,
            *arrays,
        )
