"""Freed memory stays with the process: what is taken again costs no page faults. In processes of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from engine import allocator
from tests.cli import ROOT

FAULTS = """
import ctypes, resource, sys
from engine import allocator
if sys.argv[1] == "keep":
    allocator.keep_freed()
libc = ctypes.CDLL(None)
libc.prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: some systems give 512 pages at a fault
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    blocks = [libc.malloc(size << 20) for size in (1, 3, 40)]
    for block, size in zip(blocks, (1, 3, 40)):
        ctypes.memset(block, 1, size << 20)
    for block in blocks:
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    """Page faults of 50 times 44 MB taken, written and freed."""
    untold = {name: said for name, said in os.environ.items() if name not in allocator.TOLD}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how],
        env={**untold, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_memory_is_taken_from_the_system_once() -> None:
    pages = (44 << 20) // os.sysconf("SC_PAGE_SIZE")
    given_back = faults("as it comes")
    assert given_back > 20 * pages
    assert faults("keep") < 2 * pages
    told = faults("keep", MALLOC_MMAP_THRESHOLD_="131072")  # a user's word stands
    assert told > 20 * pages


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in allocator.TOLD:
        monkeypatch.delenv(name, raising=False)
    asked = []

    def missing(name: str | None) -> object:
        asked.append(name)
        raise OSError("no such library")

    monkeypatch.setattr(allocator.ctypes, "CDLL", missing)
    allocator.keep_freed()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())
    allocator.keep_freed()
    assert asked == [None]
