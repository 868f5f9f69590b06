"""Help is quick, complete and fits a screen."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from engine.config import DataConfig, ModelConfig, TrainConfig
from rnnstudio.cli import app
from rnnstudio.options import flag
from tests.cli import ROOT, environment

HEAVY = ("torch", "textual", "music21", "numpy", "sentencepiece", "safetensors")


def helped(*arguments: str) -> str:
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, list(arguments), prog_name="rnnstudio")
    assert done.exit_code == 0, done.output
    return done.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, io, contextlib\n"
        "sys.argv = ['rnnstudio', '--help']\n"
        "from rnnstudio.__main__ import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main()\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [(), ("train",), ("resume",), ("sample",), ("samples",), ("eval",), ("runs",), ("runs", "list"), ("runs", "show"),
     ("runs", "rm"), ("corpora",), ("corpora", "list"), ("corpora", "info"), ("corpora", "get"), ("corpora", "add"),
     ("corpora", "check"), ("export",), ("tune",), ("watch",), ("tui",), ("doctor",)],
    ids=" ".join,
)  # fmt: skip
def test_each_commands_help_fits_a_screen_and_shows_an_example(command: tuple[str, ...]) -> None:
    text = helped(*command, "--help")
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 100
    assert "rnnstudio" in text
    if command not in ((), ("runs",), ("corpora",)):
        assert "Example:  rnnstudio " + " ".join(command) in text


def test_all_settings_are_options_and_help_all_shows_them() -> None:
    text = helped("train", "--help-all")
    for config in (DataConfig, ModelConfig, TrainConfig):
        for f in dataclasses.fields(config):
            assert flag(f.name) in text, f.name
