"""What the shell offers for a value when TAB is pressed: names of runs, and of what an option takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from checkpoints.runs import default_runs, list_runs
from engine import cells, tokenizers
from engine.config import OPTIMIZERS, SCHEDULES

Complete = Callable[[str], list[str]]

_TAKES: dict[str, Callable[[], Sequence[str]]] = {
    "cell": cells.names,
    "tokenizer": tokenizers.names,
    "optimizer": lambda: OPTIMIZERS,
    "schedule": lambda: SCHEDULES,
}


def run_names(incomplete: str) -> list[str]:
    """The runs whose names begin so, of the folder where runs are kept."""
    return [run.name for run in list_runs(default_runs()) if run.name.startswith(incomplete)]


def one_of(choices: Sequence[str]) -> Complete:
    """Completes any of these."""
    return lambda incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def setting(name: str, choices: Sequence[str] = ()) -> Complete | None:
    """Completes a setting's value, where it takes one of a few."""
    if choices:
        return one_of(choices)
    return (lambda incomplete: one_of(_TAKES[name]())(incomplete)) if name in _TAKES else None
