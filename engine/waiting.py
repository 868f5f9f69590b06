"""How torch's threads wait for each other.

OpenMP's threads meet after every product. Those that sleep meanwhile take longer to wake than a small product takes;
those that stay awake take the core from the thread they wait for, where anything else runs (docs/experiments.md).
"""

from __future__ import annotations

import os

# About 30 us (libgomp counts 100,000 a millisecond): longer than the thread beside it needs, and no longer.
# 2x256 LSTM on two quiet cores, tokens/s: asleep at once 12,000, so 33,000, one thread 18,800.
_ROUNDS_AWAKE = "3000"


def settle() -> None:
    """Let them stay awake for a moment and then sleep, unless the user's environment says how they should wait.

    To be called before torch is loaded.
    """
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["GOMP_SPINCOUNT"] = _ROUNDS_AWAKE
    # For other OpenMP libraries than GNU's, which have no such number.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
