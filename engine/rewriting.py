"""The text that is learned where a genre changes its pieces first: tunes in other keys, or without their titles.

What is held out is settled on the text as it was read, and each piece goes with all its copies to the side on which it
begins: no copy of a tune that is held out is ever learned. What comes out is a corpus like any other, under its own
hash, with its cuts; the run keeps its tokens, so a resumed run needs none of this again.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from checkpoints.errors import CorpusError
from corpora.genres.base import Genre
from corpora.snapshot import Corpus, SnapshotWriter
from engine.config import DataConfig
from engine.encoding import CorpusText, Progress
from engine.splits import Split, document_starts, split

LONGEST_PIECE = 1 << 20
"""Characters of one piece that are changed together; a longer one is cut, so that memory stays bounded."""


def rewritten(
    corpus: Corpus,
    config: DataConfig,
    genre: Genre,
    *,
    cache: Path,
    note: Callable[[str], object],
    progress: Progress | None = None,
    all_held_out: bool = False,
) -> tuple[Corpus, Split | None]:
    """The text to learn from, kept in `cache`, and where its parts begin; `note` is told what became of it.

    With `all_held_out` it is another text, changed as what a run with these settings held out was. Where nothing is to
    be rewritten it is the corpus itself, whose parts are not settled yet. Raises CorpusError or ConfigError where the
    genre cannot do what is asked for.
    """
    if all_held_out and config.transpose == "all":  # what is held out stays in its own key
        config = dataclasses.replace(config, transpose="")
    if not config.rewrites:
        return corpus, None
    rewrite = genre.rewriter(transpose=config.transpose, titles=config.titles, chords=config.chords)
    if all_held_out:
        cuts = Split(0, 0, corpus.chars)
    else:
        cuts = split(corpus, config, document_starts(corpus, genre.document_starts))
    read = written = 0
    valid = test = None
    with SnapshotWriter(cache, binary=False) as writer:
        for start, stop, piece in _pieces(corpus, genre):
            if valid is None and start >= cuts.valid:
                valid = writer.chars
            if test is None and start >= cuts.test:
                test = writer.chars
            read += 1
            for text in rewrite(piece, start >= cuts.valid):
                writer.write_text(text)
                written += 1
            if progress is not None:
                progress(stop, corpus.chars)
        if not writer.chars:
            raise CorpusError("nothing is left of the text", hint="is it the right one?")
        end = writer.chars
        new = writer.publish()
    where = Split(end if valid is None else valid, end if test is None else test, end)
    way = "read as what the run held out was" if all_held_out else "learned as"
    note(f"{way}: {_asked(config)} · {read:,} pieces became {written:,}, {end:,} characters")
    return new, where


def _pieces(corpus: Corpus, genre: Genre) -> Iterator[tuple[int, int, str]]:
    """Each piece in order: where its document starts, where it stops itself, its text."""
    text = CorpusText(corpus)
    starts = document_starts(corpus, genre.document_starts)
    for start, stop in itertools.pairwise(itertools.chain(starts, (corpus.chars,))):
        for at in range(start, stop, LONGEST_PIECE):
            end = min(at + LONGEST_PIECE, stop)
            yield start, end, "".join(text.until(end))


def _asked(config: DataConfig) -> str:
    keys = {"": "", "all": "in all twelve keys"}.get(config.transpose, f"in {config.transpose}")
    wanted = [
        keys,
        "" if config.titles else "no titles",
        "" if config.chords else "no chord symbols",
    ]
    return ", ".join(text for text in wanted if text)
