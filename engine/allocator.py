"""Memory that is freed stays with the process, for the next step to take.

A training step takes and frees blocks of some megabytes a few dozen times. glibc gives such blocks back to the system,
which clears every page when it is asked for them again: 7,000 page faults a step of a 2x192 LSTM, a quarter of its time
(docs/experiments.md).
"""

from __future__ import annotations

import ctypes
import os

# As <malloc.h> numbers them: what is free at the heap's end before it is trimmed, and what is too large for the heap.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 1 << 30
TOLD = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
"""Where a user's environment may say it."""


def keep_freed() -> None:
    """From now on keep it, up to 1 GiB a block, unless the user's environment says how memory is allocated.

    Other C libraries than glibc have no such settings, and are left as they are.
    """
    if any(name in os.environ for name in TOLD):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function; Windows has no such library
        return
    mallopt(_TRIM_THRESHOLD, _LARGEST)
    mallopt(_MMAP_THRESHOLD, _LARGEST)
