"""Playing a sound file through what the machine has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from checkpoints.errors import UserError

_PLAYERS = (
    ("afplay",),
    ("paplay",),
    ("pw-play",),
    ("aplay", "-q"),
    ("ffplay", "-autoexit", "-nodisp", "-loglevel", "error"),
    ("play", "-q"),
)


def player() -> list[str] | None:
    """The command that plays a WAV file here, without the file's name; None if there is none."""
    if sys.platform == "win32":
        return ["powershell", "-NoProfile", "-Command"]
    for command in _PLAYERS:
        if shutil.which(command[0]):
            return list(command)
    return None


def play(path: Path) -> None:
    """Play a WAV file to its end. Raises UserError where this machine cannot."""
    command = player()
    if command is None:
        raise UserError(
            f"nothing on this machine plays sound, so {path} stays unheard",
            hint="install one of aplay (alsa-utils), paplay or ffplay, or open the file yourself",
        )
    if command[0] == "powershell":
        quoted = str(path.resolve()).replace("'", "''")
        command = [*command, f"(New-Object Media.SoundPlayer '{quoted}').PlaySync()"]
    else:
        command = [*command, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"{command[0]} does not start: {error}") from error
    if done.returncode:
        why = (done.stderr or "").strip().split("\n")[-1][:200]
        raise UserError(
            f"{command[0]} could not play {path}: {why or f'exit code {done.returncode}'}",
            hint="is a sound device connected? The file itself is whole",
        )
