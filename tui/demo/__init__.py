"""A recording of a real run, four minutes of one processor core on `abc-tunes`: every screen can be seen at once.

It holds what the model wrote, no text of the corpus, and no weights: the playground needs a run of one's own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "folk-tunes"


@contextmanager
def runs_folder() -> Iterator[Path]:
    """A folder of runs with the recording in it, removed on leaving; what one does to it harms nothing."""
    with tempfile.TemporaryDirectory(prefix="rnnstudio-demo-") as folder:
        runs = Path(folder) / "runs"
        shutil.copytree(Path(__file__).parent / NAME, runs / NAME)
        yield runs
