"""Being asked to stop by the system: Ctrl-C, a closed terminal, a shutdown."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

EXIT_INTERRUPTED = 130


class Interrupts:
    """While it is entered, the first SIGINT, SIGTERM or SIGHUP is only noted in `received`; the trainer then saves
    and ends between two steps. A second SIGINT leaves at once, without saving.

    A signal that was ignored before (nohup) stays ignored. Outside the main thread nothing is caught.
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not None and number == signal.SIGINT:
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"\nleft at once\n")
            os._exit(EXIT_INTERRUPTED)
        self.received = signal.Signals(number).name
