"""`--retry N`: a run that its device ended goes on from its newest checkpoint, in a process of its own.

After an error of CUDA's a process computes nothing more on that device, and memory that ran out may have been another
program's: a new process finds both as they are then. The checkpoint holds the place in the text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from checkpoints.errors import ConfigError, RnnStudioError
from checkpoints.events import Event, Started
from rnnstudio.common import say

if TYPE_CHECKING:
    from engine.training.run import Listener, Outcome

# As torch says it, in RuntimeErrors of several kinds.
_SIGNS = ("CUDA error", "cuDNN error", "CUDNN_STATUS", "CUBLAS_STATUS", "MPS backend")


def retrying(
    train: Callable[[Listener], Outcome],
    *,
    hear: Listener,
    times: int,
    run: str = "",
    options: Sequence[str] = (),
) -> Outcome:
    """What `train` gives, which is handed a listener that passes on to `hear`.

    Where the device fails it, this process becomes `rnnstudio resume` of that run (`run`, or the one that `hear` was
    told of) with these options, `times` times at most. Raises ConfigError for a number below 0.
    """
    if times < 0:
        raise ConfigError(f"retry is {times}", hint="use 0 (never) or more")

    def heard(event: Event, line: str) -> None:
        nonlocal run
        if isinstance(event, Started):
            run = event.run
        hear(event, line)

    try:
        return train(heard)
    except (RuntimeError, RnnStudioError) as error:
        # Several processes of torchrun's are begun again by torchrun.
        if not (times and run and _of_the_device(error)) or "RANK" in os.environ:
            raise
        say(f"! {error}")
        say(f"the run goes on from its newest checkpoint (--retry {times})")
        _become("resume", run, "--retry", str(times - 1), *options)


def _become(*words: str) -> NoReturn:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "rnnstudio", *words])


def _of_the_device(error: BaseException) -> bool:
    """Whether a driver failed or memory ran out, which the engine tells as a sentence."""
    from engine.training.memory import is_memory

    cause = error.__cause__ or error
    return is_memory(cause) or any(sign in str(cause) for sign in _SIGNS)
