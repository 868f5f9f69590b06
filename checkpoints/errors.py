"""The errors that rnnstudio raises on purpose, one tree.

    RnnStudioError              exit code 1: a fault of ours, told in a sentence
    ├── UserError               exit code 2: the user's input or usage
    │   ├── ConfigError         a setting that cannot be
    │   ├── CorpusError         text that cannot be read or is not enough
    │   ├── RunError            a run that is not there, is busy, or cannot be written
    │   └── CheckpointError     a checkpoint that is damaged, foreign or from a newer version
    └── RunStopped              exit code 3: the run stopped itself (diverged for good, out of disk)

Each carries what happened (with the value and the place) and a hint: what to do next, if possible the command.
"""

from __future__ import annotations


class RnnStudioError(Exception):
    """What happened, in one sentence, and what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(RnnStudioError):
    """Something that the user gave is wrong; nothing was lost."""

    exit_code = 2


class ConfigError(UserError):
    """A setting has a value that cannot be."""


class CorpusError(UserError):
    """Text could not be read, or is not enough to learn from."""


class RunError(UserError):
    """A run is not there, is being trained by another process, or cannot be written."""


class CheckpointError(UserError):
    """A checkpoint is damaged, was tampered with, or comes from a newer version."""


class RunStopped(RnnStudioError):  # noqa: N818 - it names an outcome, as KeyboardInterrupt does
    """A run ended itself because going on made no sense; its checkpoints are whole."""

    exit_code = 3


class Diverged(RunStopped):
    """A run's loss exploded again and again, whatever the learning rate."""
