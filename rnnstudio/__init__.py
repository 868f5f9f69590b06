"""rnnstudio: train recurrent networks on your own text and watch the writing evolve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnstudio.api import Loaded, Sample, Score, load, resume, train

__version__ = "0.1.0"
__all__ = ["Loaded", "Sample", "Score", "__version__", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    """What is imported from here is loaded when it is asked for: the command line asks for none of it."""
    if name in __all__:
        from rnnstudio import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
