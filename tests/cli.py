"""Running the real command in tests, as a script would: in a process of its own, or in this one, which is quicker."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]

TINY = (
    "--hidden",
    "16",
    "--layers",
    "1",
    "--embed",
    "8",
    "--lanes",
    "4",
    "--bptt",
    "16",
    "--threads",
    "1",
)
"""A model that trains hundreds of steps a second."""


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child: this checkout's rnnstudio, one thread, no colour."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONWARNINGS": "default",
        **extra,
    }


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-P", "-m", "rnnstudio", *map(str, arguments)]


@dataclass(frozen=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def rnnstudio(
    *arguments: str | Path,
    cwd: Path,
    text: str | None = None,
    timeout: float = 240.0,
    expect: Sequence[int] = (0,),
    **extra: str,
) -> Done:
    """Run the command to its end; its exit code must be one of `expect`."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**extra),
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return _checked(arguments, Done(done.returncode, done.stdout, done.stderr), expect)


def here(
    *arguments: str | Path, cwd: Path, text: str = "", expect: Sequence[int] = (0,), **extra: str
) -> Done:
    """`rnnstudio(...)` in this process: all but the start of an interpreter and of torch."""
    from rnnstudio.__main__ import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    code: Any = 0
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, extra),
        mock.patch.object(sys, "argv", ["rnnstudio", *map(str, arguments)]),
        mock.patch.multiple(sys, stdin=given, stdout=out, stderr=err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    written = []
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
        written.append(stream.read())
    return _checked(arguments, Done(code, *written), expect)


def _checked(arguments: Sequence[str | Path], done: Done, expect: Sequence[int]) -> Done:
    assert "Traceback" not in done.err, done.err
    assert done.code in expect, f"{arguments}: {done.code}\n{done.out[-2000:]}\n{done.err[-3000:]}"
    return done


def verse(lines: int = 300) -> str:
    """Some text of our own that a small network can learn something of."""
    animals = ("cat", "dog", "owl", "fox", "hen", "bee")
    deeds = ("sang to", "ran from", "looked at", "dreamt of", "hid behind")
    return "".join(
        f"The {animals[i % 6]} {deeds[i * 7 % 5]} the {animals[i * 5 % 6]}, "
        f"and it was {('dark', 'late', 'warm')[i % 3]}.\n"
        for i in range(lines)
    )
