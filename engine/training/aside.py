"""Work beside training: a look's samples are written in another thread, from a copy of the weights.

On an accelerator the trainer only hands out work, so a CPU core is free to write. On the CPU both would want the same
cores, and one after the other is faster (docs/experiments.md): there the work is done at once, in the trainer's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import torch

from checkpoints.events import Event

Tell = Callable[[Event], object]


def pays(device: torch.device) -> bool:
    """Whether work beside training costs less than training that waits for it."""
    return device.type != "cpu"


class Aside:
    """One piece of work at a time; what it has to tell is told by `poll` and `finish`, in the caller's thread."""

    def __init__(self, tell: Tell, *, overlaps: bool) -> None:
        self.overlaps = overlaps
        self._tell = tell
        self._thread: threading.Thread | None = None
        self._told: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        self._abandoned = threading.Event()
        self._then: Callable[[], object] = _nothing

    def begin(
        self, work: Callable[[Tell], object], *, then: Callable[[], object] = lambda: None
    ) -> None:
        """Do `work`, handing it what to tell with; and `then` what must wait for it, in the caller's thread.

        Work that is still under way is waited for first. An error of the work is raised in the caller's thread.
        """
        self.finish()
        if not self.overlaps:
            work(self._tell)
            then()
            return
        self._then = then
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def poll(self) -> None:
        """Tell what there is to tell by now."""
        while self._thread is not None and not self._told.empty():
            self._hear()

    def finish(self) -> None:
        """Wait until the work is done and told."""
        while self._thread is not None:
            self._hear()

    def abandon(self) -> None:
        """Let go of work under way: it ends at its next word, which nobody hears."""
        self._abandoned.set()

    def _hear(self) -> None:
        told = self._told.get()
        if isinstance(told, Event):
            self._tell(told)
            return
        assert self._thread is not None
        self._thread.join()
        self._thread, then, self._then = None, self._then, _nothing
        if told is not None:
            raise told
        then()

    def _run(self, work: Callable[[Tell], object]) -> None:
        try:
            work(self._put)
        except BaseException as error:
            self._told.put(error)
        else:
            self._told.put(None)

    def _put(self, event: Event) -> None:
        if self._abandoned.is_set():
            raise _Abandoned
        self._told.put(event)


class _Abandoned(Exception):  # noqa: N818 - it is no error
    """Ends work that nobody waits for."""


def _nothing() -> None:
    """What follows work that nothing waits for."""
