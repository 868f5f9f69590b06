"""The text of a new run: read, its genre told, changed where that is asked for, and cut into tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from checkpoints.errors import CorpusError
from corpora import catalogue, genres
from corpora.genres.base import Genre
from corpora.reading import Progress, read_corpus
from corpora.snapshot import Corpus
from engine.config import DataConfig
from engine.rewriting import rewritten
from engine.tokenizers.base import Tokenizer
from engine.tokens import TokenFile, learn_tokenizer, prepare
from engine.training.parent import Parent

Note = Callable[[str], None]

SMALL_CHARS = 100_000
# How much of the text is looked at to tell its genre.
GENRE_CHARS = 100_000
# How much of the held-out text an opening is looked for in, and how long one may be.
OPENING_TOKENS = 20_000
OPENING_CHARS = 200


@dataclass(frozen=True, slots=True)
class Text:
    """A corpus and its tokens. `old_ids` has the parent's id of each of the tokenizer's tokens, in a fork."""

    corpus: Corpus
    genre: Genre
    documents: bool
    """Whether it is read in documents, each from a fresh state."""
    tokenizer: Tokenizer
    old_ids: list[int | None]
    tokens: TokenFile

    def opening(self) -> str:
        """From the held-out text, so that no sample goes on from what was learned by heart."""
        part = self.tokens.valid if self.tokens.valid.chars else self.tokens.train
        found = self.genre.primes(part.text(self.tokenizer, 0, OPENING_TOKENS))
        return found[0][:OPENING_CHARS]


def prepare_text(
    paths: Sequence[str],
    data: DataConfig,
    *,
    parent: Parent | None,
    cache: Path,
    genre: str,
    encoding: str | None,
    note: Note,
    progress: Progress | None,
) -> Text:
    """The text at `paths`, which may be names of the catalogue; without any, the parent's.

    Raises CorpusError for text that cannot be read or learned, ConfigError for settings that do not suit it.
    """
    corpus = _read(paths, data, parent, cache, encoding, note, progress)
    kind = _genre(corpus, genre, note)
    documents = data.documents == "on" or (data.documents == "auto" and kind.documents)
    if corpus.chars < SMALL_CHARS:
        note(f"advice: {corpus.chars:,} characters are few; 100 KB or more write better, 1 MB well")
    text, cuts = rewritten(corpus, data, kind, cache=cache, note=note, progress=progress)
    old_ids: list[int | None] = []
    if parent is None:
        tokenizer = learn_tokenizer(text, data)
    else:
        pieces = () if text.binary else text.pieces()
        tokenizer, old_ids = parent.loaded.tokenizer.extended(pieces)
    tokens = prepare(
        text,
        tokenizer,
        data,
        cache=cache,
        starts=kind.document_starts,
        document_mode=documents,
        where=cuts,
        progress=progress,
    )
    return Text(corpus, kind, documents, tokenizer, old_ids, tokens)


def _read(
    named: Sequence[str],
    data: DataConfig,
    parent: Parent | None,
    cache: Path,
    encoding: str | None,
    note: Note,
    progress: Progress | None,
) -> Corpus:
    asked = named or (parent.paths if parent is not None else ())
    if not asked:
        raise CorpusError(
            "there is nothing to learn from",
            hint="name a file: rnnstudio train YOUR.txt, or a corpus of `rnnstudio corpora list`",
        )
    paths = [catalogue.resolve(name, note=note) or name for name in asked]
    try:
        corpus = read_corpus(
            paths,
            cache,
            or_bytes=data.tokenizer == "byte",
            encoding=encoding,
            note=note,
            progress=progress,
        )
    except CorpusError:
        kept = None if named or parent is None else parent.text()
        if kept is None:
            raise
        note(f"{', '.join(asked)} cannot be read from here: the text is taken as the run keeps it")
        corpus = kept
    if _one_thing_only(corpus):
        raise CorpusError(
            f"{', '.join(asked)} has only one distinct {'byte' if corpus.binary else 'character'}, "
            "so there is nothing to learn",
            hint="is it the right file?",
        )
    what = "bytes" if corpus.binary else f"characters, {len(corpus.counts):,} different"
    note(f"corpus: {', '.join(asked)} · {corpus.chars:,} {what}")
    return corpus


def _one_thing_only(corpus: Corpus) -> bool:
    if not corpus.binary:
        return len(corpus.counts) == 1
    first = next(corpus.byte_pieces())[:1]
    return not any(piece.strip(first) for piece in corpus.byte_pieces())


def _genre(corpus: Corpus, asked: str, note: Note) -> Genre:
    if corpus.binary:
        return genres.find(genres.GENERAL)
    if asked:
        return genres.find(asked)
    found, why = genres.detect(corpus.text(0, GENRE_CHARS))
    note(f"genre: {found.title} ({why})")
    return found
