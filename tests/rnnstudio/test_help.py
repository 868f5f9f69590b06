"""Help is quick, complete and fits a screen."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from engine.config import DataConfig, ModelConfig, TrainConfig
from rnnstudio.cli import app
from rnnstudio.options import flag
from rnnstudio.pages import Command, topics
from tests.cli import ROOT, environment

LINES, COLUMNS = 24, 80
HEAVY = ("torch", "textual", "music21", "numpy", "sentencepiece", "safetensors")


def commands(
    command: Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command and group of commands that there is."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


COMMANDS = dict(commands(get_command(app)))


@cache
def helped(*arguments: str) -> str:
    runner = CliRunner(env={"COLUMNS": str(COLUMNS)})
    done = runner.invoke(app, list(arguments), prog_name="rnnstudio")
    assert done.exit_code == 0, done.output
    return done.output


def pages_of(path: tuple[str, ...]) -> list[str]:
    return topics(COMMANDS[path], Context(COMMANDS[path]))


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


def test_the_walk_reaches_the_commands_of_groups() -> None:
    assert {(), ("train",), ("runs", "show"), ("corpora", "check")} <= COMMANDS.keys()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_page_of_help_fits_a_screen_and_shows_an_example(path: tuple[str, ...]) -> None:
    for page in ("", *pages_of(path)):
        lines = helped(*path, "--help", *([page] if page else [])).splitlines()
        shown = "\n".join(lines)
        assert len(lines) < LINES, shown  # the prompt takes one
        assert max(map(len, lines)) <= COLUMNS, shown
        assert "Example:  rnnstudio " + " ".join(path) in shown


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_option_stands_on_a_page_that_the_front_page_names(path: tuple[str, ...]) -> None:
    front, everything = helped(*path, "--help"), helped(*path, "--help", "all")
    offered = pages_of(path)
    assert not offered or f"--help {'|'.join(offered)}|all" in front
    shown = front + "".join(helped(*path, "--help", page) for page in offered)
    for param in COMMANDS[path].params:
        if param.param_type_name == "option":
            assert param.opts[0] in everything
            assert param.opts[0] in shown


def test_all_settings_are_options() -> None:
    options = {name for param in COMMANDS["train",].params for name in param.opts}
    for config in (DataConfig, ModelConfig, TrainConfig):
        assert {flag(f.name) for f in dataclasses.fields(config)} <= options


def test_a_page_that_is_not_there_gives_the_front_page_which_names_those_that_are() -> None:
    assert helped("train", "--help", "nosuch") == helped("train", "--help")


def test_the_shell_completes_an_option_of_any_page() -> None:
    done = CliRunner(
        env={
            "_RNNSTUDIO_COMPLETE": "complete_bash",
            "COMP_WORDS": "rnnstudio train --lr-d",
            "COMP_CWORD": "2",
        }
    ).invoke(app, [], prog_name="rnnstudio")
    assert done.output.split() == ["--lr-decay", "--lr-decay-after", "--lr-decay-every"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("train --like ch", ["char-rnn"]),
        ("train --cell lstm", ["lstm", "lstm_ln"]),
        ("train --precision f", ["float32", "fp16"]),
        ("sample pla", ["plays"]),
    ],
)
def test_the_shell_completes_what_an_option_takes_and_names_of_runs(
    words: str, offered: list[str], tmp_path: Path
) -> None:
    for name in ("plays", "tunes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    done = CliRunner(
        env={
            "_RNNSTUDIO_COMPLETE": "complete_bash",
            "COMP_WORDS": f"rnnstudio {words}",
            "COMP_CWORD": str(len(words.split())),
            "RNNSTUDIO_RUNS": str(tmp_path),
        }
    ).invoke(app, [], prog_name="rnnstudio")
    assert done.output.split() == offered
