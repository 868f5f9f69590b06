"""What plays a tune: programs on PATH that note down what they were given."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from checkpoints.errors import UserError
from corpora.abc import perform, play, read_tune
from tests.corpora.abc.samples import JIG

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it: `bin` is its PATH, `fonts` where its sound fonts are."""
    for name in ("bin", "fonts"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(play, "SOUND_FONTS", (tmp_path / "none", tmp_path / "fonts"))
    return tmp_path


def install(machine: Path, name: str, *, fails: str = "") -> None:
    """A program that notes down its arguments and the first bytes of the last."""
    program = machine / "bin" / name
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys\n"
        "head = pathlib.Path(sys.argv[-1]).read_bytes()[:4].decode()\n"
        f"pathlib.Path({str(machine / 'played')!r}).write_text(\n"
        f"    json.dumps([{name!r}, head, *sys.argv[1:]]))\n"
        f"sys.exit({fails!r} or 0)\n"
    )
    program.chmod(0o755)


def played(machine: Path) -> list[str]:
    play.play(perform(read_tune(JIG)))
    words: list[str] = json.loads((machine / "played").read_text())
    return words


def test_a_machine_without_a_player_says_so(machine: Path) -> None:
    install(machine, "fluidsynth")  # has no sound font
    with pytest.raises(UserError, match="nothing on this machine plays sound"):
        played(machine)


def test_our_own_sound_comes_first(machine: Path) -> None:
    for name in ("aplay", "fluidsynth", "timidity"):
        install(machine, name)
    name, head, *_ = played(machine)
    assert (name, head) == ("aplay", "RIFF")


def test_timidity_plays_the_midi(machine: Path) -> None:
    install(machine, "fluidsynth")
    install(machine, "timidity")
    name, head, *_ = played(machine)
    assert (name, head) == ("timidity", "MThd")


def test_fluidsynth_plays_the_midi_with_the_default_sound_font(machine: Path) -> None:
    install(machine, "fluidsynth")
    install(machine, "timidity")
    for font in ("Brass.sf2", "FluidR3_GM.sf2", "default-GM.SF3", "readme.txt"):
        (machine / "fonts" / font).touch()
    (machine / "fonts" / "default.sf2").symlink_to("nowhere")
    name, head, *words = played(machine)
    assert (name, head) == ("fluidsynth", "MThd")
    assert words[-2] == str(machine / "fonts" / "default-GM.SF3")


def test_a_player_that_fails_gives_its_own_reason(machine: Path) -> None:
    install(machine, "timidity", fails="noise\nCouldn't open output device")
    with pytest.raises(UserError, match="timidity could not play the tune: Couldn't open output"):
        played(machine)


def test_where_nobodys_home_is_known_tunes_play(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert runpy.run_path(play.__file__)["SOUND_FONTS"]
