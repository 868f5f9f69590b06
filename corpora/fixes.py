"""What can be done about the check's findings: each fix is a function on text, and all write a new file."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from checkpoints.errors import CorpusError
from checkpoints.files import reason
from corpora.check import LONG_LINE, SENTENCE_END, pieces_of, without_controls, without_markup
from corpora.duplicates import doubles
from corpora.genres.base import Genre
from corpora.snapshot import Corpus

LARGEST_CHARS = 200_000_000
"""Fixes hold the text in memory; a longer corpus is for other tools."""

_START = r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n"
_AROUND_BOOKS = re.compile(
    # Before the first book, and from each book's end to the beginning of the next.
    rf"\A.{{0,100000}}?{_START}"
    rf"|^[^\n]{{0,40}}\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG.*?(?:{_START}|\Z)",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
_COMMENT = re.compile(
    r"/\*.*?\*/\n?|(?:^[ \t]*(?://|%|#(?!include|define|if|end|el|un|pragma))[^\n]*\n)+",
    re.DOTALL | re.MULTILINE,
)
_LEGAL = re.compile(r"copyright|licen[sc]e|permission is hereby|redistribution", re.IGNORECASE)


def utf8(text: str, genre: Genre) -> str:
    """The text as it was read: UTF-8 without byte order mark, LF line ends."""
    del genre
    return text


def html(text: str, genre: Genre) -> str:
    """Without tags, entities turned into characters."""
    del genre
    return without_markup(text)


def controls(text: str, genre: Genre) -> str:
    """Without control and zero-width characters."""
    del genre
    return without_controls(text)


def once(text: str, genre: Genre) -> str:
    """Without the characters that occur once."""
    del genre
    rare = [char for char, n in Counter(text).items() if n == 1]
    return text.translate(dict.fromkeys(map(ord, rare)))


def boilerplate(text: str, genre: Genre) -> str:
    """Without what Project Gutenberg wrote before and behind its books."""
    del genre
    books = _AROUND_BOOKS.sub("", text)
    return text if books == text else books.strip("\n") + "\n"


def licences(text: str, genre: Genre) -> str:
    """Without comments that are licences."""
    del genre
    return _COMMENT.sub(lambda m: "" if _LEGAL.search(m.group()) else m.group(), text)


def without_doubles(text: str, genre: Genre) -> str:
    """Without the pieces that are like an earlier one."""
    starts = pieces_of(genre, text)
    pieces = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    gone = {double.index for double in doubles(pieces)}
    return "".join(piece for i, piece in enumerate(pieces) if i not in gone)


def long_lines(text: str, genre: Genre) -> str:
    """With a line end behind each sentence of a line that has more than 20,000 characters."""
    del genre
    lines = text.split("\n")
    return "\n".join(
        SENTENCE_END.sub("\n", line) if len(line) > LONG_LINE else line for line in lines
    )


FIXES: dict[str, Callable[[str, Genre], str]] = {
    "utf8": utf8,
    "html": html,
    "controls": controls,
    "boilerplate": boilerplate,
    "licences": licences,
    "long-lines": long_lines,
    "doubles": without_doubles,
    "once": once,
}
"""The fixes by name, in the order in which they are applied."""

_ACROSS = frozenset(("doubles", "once"))
"""Those that look at the whole corpus; the others go file by file, so that none takes what is another file's."""


def write(corpus: Corpus, genre: Genre, names: Sequence[str], target: Path) -> int:
    """Writes the corpus with these fixes to a new file; returns its characters.

    Raises CorpusError where the target exists (a file of the user's is never written over), a fix is unknown, the
    corpus is binary or too large, or nothing would be left.
    """
    if os.path.lexists(target):  # also `.` and `/`
        raise _taken(target)
    for name in names:
        if name not in FIXES:
            raise CorpusError(f"there is no fix called {name!r}", hint=f"use {', '.join(FIXES)}")
    if corpus.chars > LARGEST_CHARS:
        raise CorpusError(
            f"the corpus has {corpus.chars:,} characters; fixes take {LARGEST_CHARS:,} at most",
            hint="fix its files one by one",
        )
    text = corpus.text(0, corpus.chars)
    starts = sorted({0, *(source.start_char for source in corpus.sources)})
    texts = [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]
    for name, fix in FIXES.items():
        if name in names:
            texts = ["".join(texts)] if name in _ACROSS else texts
            texts = [fix(text, genre) for text in texts]
    text = "".join(texts)
    if not text.strip():
        raise CorpusError("nothing would be left of the corpus", hint="leave out a fix")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        # A link is made only where nothing of that name is: no file of the user's is ever replaced.
        os.link(part, target)
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(target):
            raise _taken(target) from error
        raise CorpusError(
            f"cannot write {target}: {reason(error)}",
            hint="choose another place with --out",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # below a file, or with too long a name, there is none
            part.unlink()
    return len(text)


def _taken(target: Path) -> CorpusError:
    return CorpusError(
        f"{target} exists, and nothing is written over", hint="choose another name with --out"
    )
