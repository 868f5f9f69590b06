"""`python-manual`: the English of Python's language reference and of the documentation that comes with the packages.

What reads as prose is kept: whole paragraphs of sentences, without code, signatures, tables and markup.
"""

from __future__ import annotations

import importlib.util
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from checkpoints.errors import CorpusError
from corpora import words
from corpora.catalogue.docstrings import PACKAGES

# Found without parsing: half of what torch installs would take a minute to.
_DOCSTRING = re.compile(r'^[ \t]*[rR]?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_SKIPPED = frozenset(
    (
        "tests",
        "test",
        "testing",
        "site-packages",
        "idlelib",
        "lib2to3",
        "_vendor",
        "benchmarks",
        "_inductor",
    )
)
_MARKUP = re.compile(r"``?|\*\*?(?=\w)|(?<=\w)\*\*?|:\w+:(?=`)")
_NO_PROSE = re.compile(
    r">>>|[\\{}<>=|_@~^$]|::|\.\. |^[-+*#] |^\d+[.)]|\w\(|\w\.\w|  \S|^Copyright|Licen[sc]e\b",
    re.MULTILINE,
)

SHORTEST = 150
"""Characters of a paragraph; a shorter one is mostly the heading of something that was left out."""


def make() -> str:
    """The paragraphs, each once, those of a page together, pages in a seeded order."""
    seen: set[str] = set()
    pages = []
    for page in sorted(set(_pages())):
        kept = [text for text in dict.fromkeys(paragraphs(page)) if text not in seen]
        seen.update(kept)
        if kept:
            pages.append("\n\n".join(kept) + "\n")
    if not pages:
        raise CorpusError(
            "Python's own modules are not here as source", hint="train on a text file of yours"
        )
    random.Random(0).shuffle(pages)
    return "\n".join(pages)


def paragraphs(page: str) -> Iterator[str]:
    """The paragraphs of a page that are prose, with lines at the left margin and without reStructuredText's marks."""
    for _, block in words.paragraphs(page):
        text = "\n".join(line.strip() for line in _MARKUP.sub("", block).strip().split("\n"))
        sentences = text[0].isupper() and text.endswith((".", "!", "?"))
        if sentences and len(text) >= SHORTEST and not _NO_PROSE.search(text):
            yield text


def _pages() -> Iterator[str]:
    from pydoc_data.topics import topics

    yield from topics.values()
    for root in filter(None, (Path(sysconfig.get_paths()["stdlib"]), *map(_root, PACKAGES))):
        for path in sorted(root.rglob("*.py")):
            if not _SKIPPED.intersection(path.relative_to(root).parts):
                yield from _DOCSTRING.findall(path.read_text("utf-8", "replace"))


def _root(package: str) -> Path | None:
    """The folder of an installed package; nothing is imported."""
    spec = importlib.util.find_spec(package)
    found = spec.submodule_search_locations if spec else None
    return Path(found[0]) if found else None
