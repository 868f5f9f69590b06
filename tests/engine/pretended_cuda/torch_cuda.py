"""A plugin of pytest's: what torch says of the pretended device in Python, and what cuDNN and CUDA's graphs would do.

Streams and events are names only, as everything is done at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import _VF, Tensor
from torch.nn import functional as F

from tests.engine.recorded import Recorded


class Moment:
    """A stream, or an event: whatever is asked of it has been done."""

    device = torch.device("cuda:0")

    def __init__(self, *_: object, **__: object) -> None: ...

    def record(self, *_: object) -> None: ...

    def synchronize(self) -> None: ...

    def wait_stream(self, _: object) -> None: ...


class Graph:
    """The calls made between begin and end, made again."""

    def capture_begin(self, **_: object) -> None:
        self._recorded = Recorded(lambda: None)
        self._recorded.__enter__()

    def capture_end(self) -> None:
        self._recorded.__exit__(None, None, None)

    def replay(self) -> None:
        self._recorded.replay()


def no_graphs(*_: object) -> None:
    raise RuntimeError("windows are not replayed here")


def lstm(x: Tensor, state: list[Tensor], w: list[Tensor]) -> list[Tensor]:
    h, c = state
    i, f, g, o = (F.linear(x, w[0], w[2]) + F.linear(h, w[1], w[3])).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return [o.sigmoid() * c.tanh(), c]


def gru(x: Tensor, state: list[Tensor], w: list[Tensor]) -> list[Tensor]:
    (h,) = state
    r_x, z_x, n_x = F.linear(x, w[0], w[2]).chunk(3, -1)
    r_h, z_h, n_h = F.linear(h, w[1], w[3]).chunk(3, -1)
    z = (z_x + z_h).sigmoid()
    return [(1 - z) * (n_x + (r_x + r_h).sigmoid() * n_h).tanh() + z * h]


def rnn(x: Tensor, state: list[Tensor], w: list[Tensor]) -> list[Tensor]:
    return [(F.linear(x, w[0], w[2]) + F.linear(state[0], w[1], w[3])).tanh()]


Step = Callable[[Tensor, list[Tensor], list[Tensor]], list[Tensor]]


def cudnn(step: Step, plain: Callable[..., Any]) -> Callable[..., Any]:
    """cuDNN's kernel for one layer with two biases: the equations, and what it asks of its arguments."""

    def kernel(x: Tensor, hx: Any, weights: list[Tensor], *how: Any) -> tuple[Tensor, ...]:
        if not x.is_cuda:
            return plain(x, hx, weights, *how)  # type: ignore[no-any-return]
        if how[1] > 1:
            assert how[3] or not torch.is_grad_enabled(), "backward needs training mode"
            return layers(x, hx, weights)
        assert how == (True, 1, 0.0, True, False, False), "one layer, and in training mode"
        state = [h.squeeze(0) for h in (hx if isinstance(hx, tuple) else (hx,))]
        assert all(t.is_cuda for t in (*state, *weights)), "tensors of two devices"
        if torch.is_autocast_enabled("cuda"):
            dtype = torch.float16  # whatever was asked for: ATen/cudnn/AutocastRNN.cpp
            x, state = x.to(dtype), [h.to(dtype) for h in state]
            weights = [w.to(dtype) for w in weights]
        assert {t.dtype for t in (*state, *weights)} == {x.dtype}, "numbers of two kinds"
        out = []
        with torch.autocast("cuda", enabled=False):
            for row in x.unbind(0):
                state = step(row, state, weights)
                out.append(state[0])
        return torch.stack(out), *(h.unsqueeze(0) for h in state)

    def layers(x: Tensor, hx: tuple[Tensor, ...], weights: list[Tensor]) -> tuple[Tensor, ...]:
        """As benchmarks' opponents ask for them."""
        after = []
        for layer, state in enumerate(zip(*hx, strict=True)):
            of_layer = tuple(part[None] for part in state), weights[4 * layer : 4 * layer + 4]
            x, *last = kernel(x, *of_layer, True, 1, 0.0, True, False, False)
            after.append(last)
        return x, *(torch.cat(parts) for parts in zip(*after, strict=True))

    return kernel


@contextlib.contextmanager
def _stream(_: object) -> Iterator[None]:
    yield


_VF.lstm, _VF.gru, _VF.rnn_tanh = (
    cudnn(lstm, _VF.lstm),
    cudnn(gru, _VF.gru),
    cudnn(rnn, _VF.rnn_tanh),
)
torch.backends.cudnn.is_acceptable = lambda _: True
torch.nn.RNNBase.flatten_parameters = lambda _: None
for name, stands_in in {
    "is_available": lambda: True,
    "is_initialized": lambda: True,
    "_lazy_init": lambda: None,
    "is_bf16_supported": lambda including_emulation=True: True,  # noqa: ARG005 - torch's own name
    "current_device": lambda: 0,
    "device_count": lambda: 1,
    "get_device_capability": lambda *_: (9, 0),
    "get_device_properties": lambda *_: SimpleNamespace(name="a pretended GPU", total_memory=2**33),
    "get_device_name": lambda *_: "a pretended GPU",
    "synchronize": lambda *_: None,
    "empty_cache": lambda: None,
    "is_current_stream_capturing": lambda: False,
    "current_stream": Moment,
    "set_stream": lambda _: None,
    "stream": _stream,
    "Stream": Moment,
    "Event": Moment,
    "CUDAGraph": Graph,
    "make_graphed_callables": no_graphs,
}.items():
    assert hasattr(torch.cuda, name), name
    setattr(torch.cuda, name, stands_in)
