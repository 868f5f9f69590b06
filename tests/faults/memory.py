"""How much memory a piece of work takes at most."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Iterator


@contextlib.contextmanager
def at_most(size_bytes: int) -> Iterator[None]:
    """Fails if Python's own allocations inside exceed this at any moment."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= size_bytes, f"{peak:,} bytes were allocated, over {size_bytes:,}"
