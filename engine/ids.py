"""Token ids as a run keeps them: many, on disk, and looked at as they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from checkpoints.errors import RunError
from checkpoints.runs import RunFolder

Array = npt.NDArray[np.integer[Any]]
IGNORE = -100
"""In the place of an id where there is nothing to predict, behind a text's end: what cross entropy leaves out."""


class Ids:
    """The ids (N,) of a text, read as they are touched and never written.

    A file too large for a checksum at each opening may be damaged: to take ids that the vocabulary does not have
    raises RunError, as whoever reads tables by them does not look.
    """

    def __init__(
        self, ids: npt.NDArray[np.unsignedinteger[Any]], *, vocab_size: int, folder: Path
    ) -> None:
        self._ids, self._vocab_size, self._folder = ids, vocab_size, folder
        self._may_be_others = vocab_size <= np.iinfo(ids.dtype).max

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice | Array) -> Array: ...
    def __getitem__(self, at: int | slice | Array) -> int | Array:
        found = np.asarray(self._ids[at])
        if self._may_be_others and found.size and found.max() >= self._vocab_size:
            raise damaged(self._folder)
        return int(found) if found.ndim == 0 else found


Tokens = Array | Ids


def damaged(folder: Path) -> RunError:
    """What a run is told that has no good tokens in this folder of its own."""
    return RunError(
        f"the encoded corpus in {folder} is missing or damaged",
        hint="train on the corpus again from this run's weights: "
        f"rnnstudio train CORPUS --from {RunFolder(folder.parent).called}",
    )
