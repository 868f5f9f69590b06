"""A model's figures for its own held-out text, and for any other text that a person gives."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from checkpoints.errors import ConfigError, CorpusError
from corpora import genres
from corpora.encodings import BrokenTextError, NotTextError
from corpora.reading import Progress, read_corpus
from corpora.snapshot import Corpus
from engine.config import DataConfig
from engine.dynamic import evaluate_dynamic
from engine.evaluation import Evaluation, Protocol, chars_and_words, evaluate
from engine.load import LoadedModel
from engine.model import no_number
from engine.rewriting import rewritten
from engine.sampling.prime import prime_ids
from engine.tokens import Part, open_tokens, prepare

PartName = Literal["train", "valid", "test"]


def measure_part(
    loaded: LoadedModel,
    name: PartName,
    *,
    protocol: Protocol | None = None,
    lanes: int = 1,
    dynamic: bool = False,
) -> Evaluation:
    """The figures for a part of the text that the model's run was trained on.

    `protocol` None takes `documents` for a model of documents, else `carried`. With `dynamic` a copy of the model
    learns from the text as it reads on (`engine.dynamic`). Raises RunError if the run's tokens are gone, CorpusError if
    nothing was held out or the checkpoint lies in no run, RnnStudioError if the model computes no number.
    """
    folder = loaded.path.resolve().parent / "tokens"
    if loaded.alone and not folder.is_dir():
        raise CorpusError(
            f"the checkpoint {loaded.run} lies in no run, so it has no text of its own",
            hint=f"give a file: rnnstudio eval {loaded.path} FILE",
        )
    part: Part = getattr(open_tokens(folder), name)
    if not part.chars:
        raise CorpusError(
            f"run {loaded.run} has no text for {name}", hint="give a file: rnnstudio eval RUN FILE"
        )
    found = _measure(loaded, part, protocol=protocol, lanes=lanes, dynamic=dynamic)
    return found if loaded.data is None else found.on(loaded.data.split)


def measure_files(
    loaded: LoadedModel,
    paths: Sequence[str | Path],
    *,
    protocol: Protocol | None = None,
    lanes: int = 1,
    dynamic: bool = False,
    note: Callable[[str], None],
    progress: Progress | None = None,
) -> Evaluation:
    """The figures for all the text in files, folders or archives, cut into documents as the model's genre is.

    Where the model learned tunes in one key, or without titles or chord symbols, these are read so too. `note` is told
    what a person should know about the files, `progress` how far they are read. Raises CorpusError for what cannot be
    read.
    """
    nothing_held_out = DataConfig(valid_fraction=0, test_fraction=0)
    with tempfile.TemporaryDirectory(prefix="rnnstudio-eval-") as folder:
        cache, genre = Path(folder), genres.find(loaded.genre)
        corpus = _read(loaded, paths, cache, note, progress)
        if loaded.data is not None:
            corpus, _ = rewritten(
                corpus,
                loaded.data,
                genre,
                cache=cache,
                note=note,
                progress=progress,
                all_held_out=True,
            )
        tokens = prepare(
            corpus,
            loaded.tokenizer,
            nothing_held_out,
            cache=cache,
            starts=genre.document_starts,
            document_mode=loaded.documents,
            progress=progress,
        )
        return _measure(loaded, tokens.train, protocol=protocol, lanes=lanes, dynamic=dynamic)


def _read(
    loaded: LoadedModel,
    paths: Sequence[str | Path],
    folder: Path,
    note: Callable[[str], None],
    progress: Progress | None,
) -> Corpus:
    """Text where it is text; for a model of bytes also what is none."""
    try:
        return read_corpus(paths, folder, note=note, progress=progress, elsewhere="TMPDIR")
    except (NotTextError, BrokenTextError) as error:
        if loaded.tokenizer.name != "byte":  # to train with another tokenizer is no way out here
            raise CorpusError(
                error.message,
                hint="mend it, or measure with a model of bytes, which reads any file",
            ) from None
        if "-" in map(str, paths):
            raise
    return read_corpus(paths, folder, binary=True, note=note, progress=progress, elsewhere="TMPDIR")


def _measure(
    loaded: LoadedModel, part: Part, *, protocol: Protocol | None, lanes: int, dynamic: bool
) -> Evaluation:
    if protocol == "documents" and not loaded.documents:
        raise ConfigError(
            "the model was trained on one long text, which has no documents",
            hint="use --protocol carried or windows",
        )
    protocol = protocol or ("documents" if loaded.documents else "carried")
    if dynamic and (protocol == "windows" or lanes > 1):
        raise ConfigError(
            "--dynamic reads a text once from its beginning to its end",
            hint="leave out --lanes, and use --protocol carried or documents",
        )
    _, words = chars_and_words(loaded.tokenizer, part.tokens)
    before = prime_ids(loaded.tokenizer, "", documents=loaded.documents)
    if dynamic:
        found = evaluate_dynamic(
            loaded.model,
            part.tokens,
            chars=part.chars,
            words=words,
            before=before,
            documents=protocol == "documents",
        )
    else:
        found = evaluate(
            loaded.model,
            part.tokens,
            chars=part.chars,
            words=words,
            before=before,
            protocol=protocol,
            lanes=lanes,
        )
    if math.isnan(found.nats_per_token):
        raise no_number()
    return found
