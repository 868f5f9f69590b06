"""Several entrants of a contest at once, each on a core of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from queue import Queue
from typing import Any, TypeVar

T = TypeVar("T")
S = TypeVar("S")

PINS = hasattr(os, "sched_setaffinity")
"""Whether a process can be kept to a core here; elsewhere the system shares them out."""


def each(work: Callable[[T], Iterator[S]], tasks: Sequence[T], *, processes: int) -> Iterator[S]:
    """What `work` finds for each of the tasks, as it finds it.

    With more than one of `processes` (no more than this one's cores) the finds come in the order of time; `work`, tasks
    and finds must then be picklable, and what a work raised comes after the others have ended.
    """
    if processes == 1:
        for task in tasks:
            yield from work(task)
        return
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        finds, cores = manager.Queue(), manager.Queue()
        if PINS:
            for core in sorted(os.sched_getaffinity(0)):
                cores.put(core)
        with ProcessPoolExecutor(processes, context, _keep_to_one, (cores,)) as pool:
            trained = [pool.submit(_tell, work, task, finds) for task in tasks]
            for one in trained:
                # Told here and not by the process, which may have been killed.
                one.add_done_callback(partial(_end, finds))
            for _ in trained:
                yield from iter(finds.get, None)
        for one in trained:
            one.result()


def _keep_to_one(cores: Queue[int]) -> None:
    if PINS:
        os.sched_setaffinity(0, {cores.get()})


def _tell(work: Callable[[T], Iterator[S]], task: T, finds: Queue[S | None]) -> None:
    for find in work(task):
        finds.put(find)


def _end(finds: Queue[Any], _: Future[None]) -> None:
    finds.put(None)
