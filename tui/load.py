"""How busy a trainer keeps the processors, where the system tells (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Load:
    """CPU use of one process between two looks."""

    def __init__(self) -> None:
        self._pid = 0
        self._seconds = 0.0
        self._at = 0.0

    def percent(self, pid: int) -> float | None:
        """Processor use since the last call, 100 for each processor kept busy; None on the first or where unknown."""
        try:
            # The command's name may hold spaces and parentheses; the figures stand behind the last one.
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            fields = stat.rpartition(")")[2].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError, AttributeError):
            return None
        now = time.monotonic()
        known = self._pid == pid and now > self._at
        share = 100 * (seconds - self._seconds) / (now - self._at) if known else None
        self._pid, self._seconds, self._at = pid, seconds, now
        return share
