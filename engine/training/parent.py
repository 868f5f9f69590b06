"""The model that a fork goes on from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checkpoints.errors import CheckpointError
from checkpoints.runs import RunFolder
from corpora.snapshot import Corpus, open_corpus
from engine.config import DataConfig
from engine.load import LoadedModel, open_run
from engine.training.session import CACHE
from engine.training.settings import CorpusRecord, RunSettings


@dataclass(frozen=True, slots=True)
class Parent:
    """The model that a fork begins from, and what its run knew of its text: nowhere to find it again if it is alone."""

    loaded: LoadedModel
    data: DataConfig
    corpus: CorpusRecord | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        return self.corpus.paths if self.corpus is not None else ()

    def text(self) -> Corpus | None:
        """The text that its run learned from, if it is still kept beside it."""
        if self.corpus is None:
            return None
        return open_corpus(self.loaded.path.resolve().parents[1] / CACHE, self.corpus.sha256)


def open_parent(named: str, runs: Path, *, note: Callable[[str], None]) -> Parent:
    """The model that a fork's `--from` means. Raises RunError or CheckpointError."""
    loaded = open_run(named, runs, note=note)
    if not loaded.alone:
        run = RunFolder(loaded.path.resolve().parent)
        settings = RunSettings.from_json(run.record(), where=str(run.path / "run.json"))
        return Parent(loaded, settings.data, settings.corpus)
    if loaded.data is None:
        raise CheckpointError(
            f"the checkpoint {loaded.path} lies in no run and is too old to say itself how its text was cut",
            hint="fork it where its run.json is, or only write with it: rnnstudio sample "
            f"{loaded.path}",
        )
    return Parent(loaded, loaded.data)
