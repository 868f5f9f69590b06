"""`c-headers`: the C headers that CPython, numpy and torch install."""

from __future__ import annotations

import importlib.util
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from checkpoints.errors import CorpusError

# What only C++ or Objective-C writes; `extern "C"` and `__cplusplus` stand in C headers too.
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
_GENERATED = re.compile(r"generated|do not edit", re.IGNORECASE)
_LICENCE = re.compile(r"\A\s*(?:/\*.*?\*/|(?://[^\n]*\n)+)\s*", re.DOTALL)
_LEGAL = re.compile(r"copyright|licen[sc]e|\(c\)", re.IGNORECASE)

# Folders of torch's own headers, which are C++ even where a short one has no sign of it; of its headers the C ones
# are those of the libraries that it carries.
_CPLUSPLUS_FOLDERS = frozenset(("ATen", "c10", "caffe2", "torch", "pybind11", "fmt", "google"))

LARGEST = 120_000
"""Bytes; a longer header is a table that some program wrote."""


def make() -> str:
    """All C headers, in a seeded order, without their licence comments and without doubles."""
    found = {clean(text): None for text in _headers() if is_c(text)}
    headers = sorted(text for text in found if len(text) > 200)
    if not headers:
        raise CorpusError(
            "no C headers of CPython, numpy or torch are installed here",
            hint="install your system's python3-dev package, or train on a C file of your own",
        )
    random.Random(0).shuffle(headers)
    return "\n".join(headers)


def is_c(text: str) -> bool:
    """Whether a header is C and written by people: nothing of C++ outside comments, no mark of a generator."""
    if _GENERATED.search(text[:3000]):
        return False
    return not _CPLUSPLUS.search(_COMMENT.sub(" ", text))


def clean(text: str) -> str:
    """A header without the licence comments at its top, without spaces at line ends, ended by one line end."""
    text = _WRAPPER.sub(r"\1", text.replace("\r\n", "\n"))
    while (match := _LICENCE.match(text)) and _LEGAL.search(match.group()):
        text = text[match.end() :]
    text = re.sub(r"[ \t\f]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _headers() -> Iterator[str]:
    folders = [Path(sysconfig.get_paths()["include"])]
    for package, below in (("numpy", "_core/include"), ("torch", "include")):
        spec = importlib.util.find_spec(package)
        if spec and spec.submodule_search_locations:
            folders.append(Path(spec.submodule_search_locations[0]) / below)
    for folder in folders:
        for path in sorted(folder.rglob("*.h")):
            inside = path.relative_to(folder)
            if inside.parts[0] in _CPLUSPLUS_FOLDERS or path.stat().st_size > LARGEST:
                continue
            if "ittnotify" in path.name:
                continue  # macros that declare each function a second time: no grammar reads them
            try:
                yield path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
