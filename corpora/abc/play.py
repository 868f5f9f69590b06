"""Playing a tune through what the machine has: as our own sound where a program plays WAV files, else as MIDI."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from checkpoints.errors import UserError
from checkpoints.paths import expanded, is_file
from corpora.abc.midi import write_midi
from corpora.abc.sound import write_wav
from corpora.abc.unfolding import Playing

_PLAYERS = (
    ("afplay",),
    ("paplay",),
    ("pw-play",),
    ("aplay", "-q"),
    ("ffplay", "-autoexit", "-nodisp", "-loglevel", "error"),
    ("play", "-q"),
)

_HOME = expanded("~")  # Path.home raises where nobody's is known

SOUND_FONTS = (
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/sounds/sf3"),
    Path("/usr/share/soundfonts"),
    Path("/usr/local/share/soundfonts"),
    Path("/usr/local/share/sounds/sf2"),
    Path("/opt/homebrew/share/soundfonts"),
    Path("/Library/Audio/Sounds/Banks"),
    _HOME / "Library/Audio/Sounds/Banks",
    _HOME / ".local/share/soundfonts",
    _HOME / ".local/share/sounds/sf2",
)
"""Where distributions, Homebrew and people keep sound fonts."""


@dataclass(frozen=True, slots=True)
class Player:
    """A program that plays files of one kind."""

    command: tuple[str, ...]
    """Without the file's name."""
    suffix: str
    """`.wav` or `.mid`."""


def player() -> Player | None:
    """What plays a tune here; None if nothing does."""
    if sys.platform == "win32":
        return Player(("powershell", "-NoProfile", "-Command"), ".wav")
    for command in _PLAYERS:
        if shutil.which(command[0]):
            return Player(command, ".wav")
    if shutil.which("fluidsynth") and (font := sound_font()):
        return Player(("fluidsynth", "-q", "-i", "-n", str(font)), ".mid")
    if shutil.which("timidity"):
        return Player(("timidity", "-idqq"), ".mid")
    return None


def sound_font() -> Path | None:
    """A sound font for fluidsynth: the machine's default one first, then General MIDI, then any."""
    found = [
        path
        for folder in SOUND_FONTS
        for path in sorted(folder.glob("*.[sS][fF][23]"))
        if is_file(path)
    ]
    if not found:
        return None
    return min(found, key=lambda path: ("default" not in path.stem, "gm" not in path.stem.lower()))


def play(playing: Playing) -> None:
    """Play a tune to its end. Raises UserError where this machine cannot."""
    found = player()
    if found is None:
        raise UserError(
            "nothing on this machine plays sound, so the tune stays unheard",
            hint="install aplay (alsa-utils), paplay, ffplay, timidity, or fluidsynth with a sound font",
        )
    program, *options = found.command
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune{found.suffix}"
        path.write_bytes(write_wav(playing) if found.suffix == ".wav" else write_midi(playing))
        last = str(path)
        if program == "powershell":
            quoted = str(path.resolve()).replace("'", "''")
            last = f"(New-Object Media.SoundPlayer '{quoted}').PlaySync()"
        try:
            done = heard([program, *options, last])
        except OSError as error:
            raise UserError(
                f"{program} does not start: {error}",
                hint="export the tune and play the file: rnnstudio export TUNE --to wav",
            ) from error
    if done.returncode:
        why = (done.stderr or "").strip().split("\n")[-1][:200]
        raise UserError(
            f"{program} could not play the tune: {why or f'exit code {done.returncode}'}",
            hint="is a sound device connected? `rnnstudio export` writes the sound to a file",
        )


def heard(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a player to its end. Whoever ends this process ends the player too."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    finally:
        signal.signal(signal.SIGTERM, before)
