"""A recording of a real run, four minutes of one processor core on `abc-tunes`: every screen can be seen at once.

It holds what the model wrote, no text of the corpus, and no weights: the playground needs a run of one's own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "folk-tunes"


@contextmanager
def runs_folder(tell: Callable[[Path], object]) -> Iterator[Path]:
    """A folder of runs with the recording in it; what one does to it harms nothing.

    Removed on leaving, unless something was made in it: a run, which may still be trained, or exports. `tell` hears
    where that is kept.
    """
    folder = Path(tempfile.mkdtemp(prefix="rnnstudio-demo-"))
    runs = folder / "runs"
    shutil.copytree(Path(__file__).parent / NAME, runs / NAME)
    before = _files(folder)
    try:
        yield runs
    finally:
        if _files(folder) - before:
            tell(runs)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}
