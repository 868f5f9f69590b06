"""`c-headers`: the C headers that CPython, numpy and torch install."""

from __future__ import annotations

import importlib.util
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from checkpoints.errors import CorpusError
from corpora.catalogue.order import mixed
from corpora.genres import find

# What only C++ or Objective-C writes.
_CPLUSPLUS = re.compile(
    r"::|\b(?:namespace|template|class|typename|constexpr|noexcept|nullptr|operator|virtual|public:|private:)\b"
    r"|#\s*include\s*<[a-z_]+>|#\s*error[^\n]*C\+\+|\w&\s+\w+\s*[,)]|@(?:interface|class|end)\b"
)
# torch wraps each of its headers, those in C too.
_WRAPPER = re.compile(
    r"\A#if !defined\(TORCH_STABLE_ONLY\)[^\n]*\n(.*)#else\s*\n#error[^\n]*\n#endif[^\n]*\s*\Z",
    re.DOTALL,
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
# What a program says that wrote a header; people say of other things that they are generated.
_GENERATED = re.compile(
    r"(?:auto(?:matically |-)|^\W{0,5}|\.h\. +)generated (?:by|from)|do not edit",
    re.IGNORECASE | re.MULTILINE,
)
# A header that C++ may read too says so. What it then says to C++ alone is no sign of C++.
_FOR_BOTH = re.compile(r'extern\s+"C"')
_CONDITION = re.compile(r"[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)\b(.*)")
_PARAGRAPH = re.compile(r"\n\n(?=/[*/]|#|[A-Za-z_])")
_LICENCE = re.compile(r"\A\s*(?:/\*.*?\*/|(?://[^\n]*\n)+)\s*", re.DOTALL)
_LEGAL = re.compile(r"copyright|licen[sc]e|\(c\)", re.IGNORECASE)

# Folders of torch's own headers, which are C++ even where a short one has no sign of it: of these only what says that
# it is for C too is taken (its stable C interface, DLPack). Most C is in the libraries that torch carries.
_CPLUSPLUS_FOLDERS = frozenset(("ATen", "c10", "caffe2", "torch", "pybind11", "fmt", "google"))

# Written by numpy's build, without saying so.
_UNMARKED = frozenset(("__multiarray_api.h", "__ufunc_api.h", "_numpyconfig.h"))

LARGEST = 200_000
"""Bytes; the only longer one, sleef.h, was written by a program."""


PART = 10_000
"""Characters after which a long header is cut at its next paragraph: the parts come in a seeded order like whole ones,
since what is held out of them would else be two headers, like nothing before them."""


def make() -> str:
    """All C headers, in a seeded order, without their licence comments and without doubles."""
    found = {clean(text): None for text in _headers()}
    headers = sorted(part for text in found if len(text) > 200 for part in parts(text))
    if not headers:
        raise CorpusError(
            "no C headers of CPython, numpy or torch are installed here",
            hint="install your system's python3-dev package, or train on a C file of your own",
        )
    return "\n".join(mixed(headers, find("c_source")))


def parts(text: str) -> Iterator[str]:
    """A header in parts of some `PART` characters, each beginning at the margin after an empty line."""
    start = 0
    for match in _PARAGRAPH.finditer(text):
        if match.end() - start >= PART and len(text) - match.end() > PART // 4:
            yield text[start : match.end() - 1]
            start = match.end()
    yield text[start:]


def is_c(text: str, *, among_cplusplus: bool = False) -> bool:
    """Whether a header is C and written by people: nothing of C++ in it but what C never reads, no mark of a generator.

    One that lies `among_cplusplus` headers must say itself that it is for C too.
    """
    if _GENERATED.search(text[:3000]) or (among_cplusplus and not _FOR_BOTH.search(text)):
        return False
    return not _CPLUSPLUS.search(_COMMENT.sub(" ", without_cplusplus(text)))


def without_cplusplus(text: str) -> str:
    """The lines that a C compiler may read: those under `#ifdef __cplusplus` and its like, and directives, left out."""
    kept = []
    # One entry a nested condition: whether its present branch, and whether its `#else`, is for C++ alone.
    nested: list[tuple[bool, bool]] = []
    for line in text.split("\n"):
        match = _CONDITION.match(line)
        if match is None:
            if not any(cplusplus for cplusplus, _ in nested):
                kept.append(line)
            continue
        kind, condition = match.groups()
        about = "__cplusplus" in condition
        denied = kind == "ifndef" or "!" in condition
        if kind.startswith("if"):
            nested.append((about and not denied, about and denied))
        elif nested and kind == "endif":
            nested.pop()
        elif nested and kind == "else":
            nested[-1] = (nested[-1][1], False)
        elif nested:
            nested[-1] = (about and not denied, nested[-1][1])
    return "\n".join(kept)


def clean(text: str) -> str:
    """A header without the licence comments at its top, without spaces at line ends, ended by one line end."""
    text = _WRAPPER.sub(r"\1", text.replace("\r\n", "\n"))
    while (match := _LICENCE.match(text)) and _LEGAL.search(match.group()):
        text = text[match.end() :]
    text = re.sub(r"[ \t\f]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _headers() -> Iterator[str]:
    """The C headers as they lie there."""
    folders = [Path(sysconfig.get_paths()["include"])]
    for package, below in (("numpy", "_core/include"), ("torch", "include")):
        spec = importlib.util.find_spec(package)
        if spec and spec.submodule_search_locations:
            folders.append(Path(spec.submodule_search_locations[0]) / below)
    for folder in folders:
        for path in sorted(folder.rglob("*.h")):
            inside = path.relative_to(folder)
            if "generated" in inside.parts or path.name in _UNMARKED:
                continue
            if path.stat().st_size > LARGEST:
                continue
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            if is_c(text, among_cplusplus=inside.parts[0] in _CPLUSPLUS_FOLDERS):
                yield text
