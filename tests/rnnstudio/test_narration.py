"""What a person reads while a run trains."""

from __future__ import annotations

import io
import json
import math
import os
import re
from pathlib import Path

import pytest

from checkpoints import events as ev
from checkpoints.eventlog import EventLog
from checkpoints.runs import RunFolder
from rnnstudio.narration import JsonLines, Narrator


@pytest.fixture(autouse=True)
def _capable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(number: int, loss: float = 2.0) -> ev.Step:
    return ev.Step(
        step=number, loss_nats=loss, loss_min=loss, loss_max=loss, lr=0.02, grad_norm=1.0, steps=1, epoch=0.5,
        tokens=number * 1024, tokens_per_s=30_000, chars_per_s=30_000, progress=0.25, eta_s=75.0,
    )  # fmt: skip


def sample(text: str, prime: str = "") -> ev.SampleFinished:
    return ev.SampleFinished(
        step=3,
        sample="3.0",
        prime=prime,
        text=text,
        temperature=0.8,
        seed=1,
        nats_per_char=1.5,
        chars=len(text),
    )


def told(*events: ev.Event, terminal: bool = False) -> tuple[str, str]:
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    narrator = Narrator(out, err)
    for event in events:
        narrator.event(event)
    narrator.close()
    return out.getvalue(), err.getvalue()


def test_the_end_says_what_the_time_went_into(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "plays", {})
    look = ev.Validation(
        step=12, nats_per_token=2.0, nats_per_char=2.0, bits_per_char=2.9, chars=100, tokens=100, protocol="carried",
        best=True, seconds=6.1,
    )  # fmt: skip
    end = ev.Ended(step=12, run=str(run.path), reason="done", seconds=61)
    with EventLog(run.events_path) as log:
        for event in (look, end):
            log.write(event)
    _, err = told(end)
    assert "finished at step 12 after 1m 01s (90% learning, 10% held-out text, 0% samples" in err


def test_samples_are_data_and_everything_else_is_narration() -> None:
    out, err = told(step(1), sample("once upon a time"))
    assert out == "once upon a time\n"
    assert "step 1" in err
    assert "once" not in err


def test_a_file_gets_plain_lines_and_few_of_them() -> None:
    _, err = told(*(step(i) for i in range(1, 500)))
    assert "\x1b" not in err
    assert "\r" not in err
    assert len(err.splitlines()) == 1  # one every ten seconds


def test_a_terminal_gets_one_line_that_rewrites_itself_and_is_left_clean() -> None:
    _, err = told(step(1), step(2), terminal=True)
    assert err.count("\n") == 0
    assert err.count("\r\x1b[2K") == 3
    assert err.endswith("\r\x1b[2K")
    assert "ETA 1m 15s" in err


@pytest.mark.parametrize(
    "hostile", ["\x1b[31mred\x1b[0m", "[bold]x[/]", "\x9b31m", "\x07\x00", "\u202eevil"]
)
def test_what_a_model_writes_never_reaches_the_terminal_as_control(hostile: str) -> None:
    out, err = told(
        sample(hostile, prime=hostile),
        ev.Warned(text=hostile),
        ev.Note(text=hostile),
        terminal=False,
    )
    for text in (out, err):
        assert not any(c in text for c in "\x1b\x9b\x07\x00\u202e")
    if hostile.startswith("[bold]"):
        assert "[bold]x[/]" in out


def test_the_end_says_the_three_commands_that_one_wants_next() -> None:
    best = {"step": 10, "nats_per_char": 1.5, "bits_per_char": 2.164, "protocol": "carried"}
    _, err = told(
        ev.Ended(step=12, run="runs/plays", reason="done", best=best, last=best, seconds=61)
    )
    for wanted in (
        "train --from plays",
        "sample plays",
        "eval plays",
        "1.5000 nats/char",
        "1m 01s",
    ):
        assert wanted in err
    _, err = told(ev.Ended(step=12, run="runs/plays", reason="interrupted", seconds=61))
    assert "rnnstudio resume plays" in err


def test_a_run_that_gave_up_is_not_said_to_go_on() -> None:
    _, err = told(ev.Ended(step=12, run="runs/plays", reason="diverged", seconds=61))
    assert "go on" not in err
    assert "sample plays" not in err, "there is no model that is worth a sample"
    best = {"step": 10, "nats_per_char": 1.5, "bits_per_char": 2.164, "protocol": "carried"}
    _, err = told(ev.Ended(step=12, run="runs/plays", reason="diverged", best=best))
    assert "go on" not in err
    assert "sample plays" in err
    _, err = told(ev.Ended(step=12, run="runs/plays", reason="failed", best=best))
    assert "rnnstudio resume plays" in err


def test_figures_stand_beside_human_ones_and_the_loss_beside_an_n_grams() -> None:
    _, err = told(
        ev.Figures(
            step=3, genre="plays", model={"valid": 0.71, "line_chars": 30.0, "copied": 0.1},
            human={"valid": 0.96, "line_chars": 28.0, "copied": 0.02}, baseline=1.9304,
        )
    )  # fmt: skip
    assert "text without a fault 71% (human 96%)" in err
    assert "28" not in err, "only shares are told; the rest stands in the log"
    assert "n-gram model has 1.930 nats/char" in err


def test_json_lines_are_the_log_itself() -> None:
    out = io.StringIO()
    line = ev.encode(step(7))
    JsonLines(out).event(step(7), line)
    assert out.getvalue() == line + "\n"
    assert json.loads(out.getvalue())["step"] == 7


@pytest.mark.parametrize(("dead", "said"), [(0.5, True), (0.02, False), (None, False)])
def test_much_dead_memory_is_worth_a_word(dead: float | None, said: bool) -> None:
    look = ev.Validation(
        step=9, nats_per_token=2.0, nats_per_char=2.0, bits_per_char=2.9, chars=100, tokens=100, protocol="carried",
        best=True, dead_memory=dead,
    )  # fmt: skip
    _, err = told(look)
    assert ("50% of the memory is dead" in err) is said
    assert ("dead" in err) is said


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_erase_gets_plain_lines(
    term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    _, err = told(step(1), step(2), terminal=True)
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_a_terminal_that_hung_up_does_not_end_the_run() -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, text)

    narrator = Narrator(io.StringIO(), Gone())
    narrator.event(step(1))
    narrator.close()


def test_the_next_look_is_told_in_steps_and_in_time(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "r", {"training": {"checkpoint_every": 250}})
    err = io.StringIO()
    narrator = Narrator(io.StringIO(), err, run=run)  # resumed: it began elsewhere
    narrator.event(step(100))
    # 150 steps of 1,024 tokens, 30,000 a second
    assert "next look at 250, in 5s" in err.getvalue()


def test_a_terminal_is_told_how_far_texts_are() -> None:
    err = Terminal()
    narrator = Narrator(io.StringIO(), err)
    narrator.written(1234, 3, 20)
    narrator.close()
    assert "written: 1,234 characters, 3 of 20 texts" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[2K")


def test_a_reader_that_leaves_ends_only_what_is_told() -> None:
    ours, theirs = os.pipe()
    os.close(ours)  # as `rnnstudio train … | head` does
    err = io.StringIO()
    out = os.fdopen(theirs, "w", encoding="utf-8")
    narrator = Narrator(out, err)
    narrator.event(sample("once upon a time"))
    narrator.event(sample("there was a cat"))
    narrator.event(ev.Warned(step=3, text="careful"))
    assert "careful" in err.getvalue()
    with pytest.raises(BrokenPipeError):
        out.close()


def test_the_progress_line_keeps_what_matters_most_on_a_narrow_terminal() -> None:
    found = ev.Validation(
        step=1, nats_per_token=1.393, nats_per_char=1.393, bits_per_char=2.01, chars=1, tokens=1,
        protocol="carried", best=True, train_nats_per_token=None, dead_memory=None, seconds=1.0,
    )  # fmt: skip
    _, err = told(found, step(12_345), terminal=True)
    (line,) = (part for part in re.split(r"[\r\n\x1b]", err) if "step 12,345" in part)
    line = line.removeprefix("[2K")
    assert len(line) < 80
    for part in ("step 12,345", "loss 2.000", "val 1.393 (2.01 bits)", "ETA 1m 15s", "30k tok/s"):
        assert part in line
    _, err = told(found, step(12_345))
    assert "val 1.393 nats/char (2.01 bits)" in err
    assert "next look at" in err


def test_a_run_resumed_at_its_start_has_no_loss_to_tell() -> None:
    assert "nan" not in told(ev.Resumed(step=0, checkpoint="step-0000000", loss_nats=math.nan))[1]


def test_copies_and_loops_beyond_the_human_measure_are_told() -> None:
    human = {"speaker_lines": 0.9, "copied": 0.3, "looped": 0.0}
    for copied, looped, lines in ((0.35, 0.0, 0), (0.8, 0.0, 1), (0.8, 0.5, 2)):
        model = {"speaker_lines": 0.8, "copied": copied, "looped": looped}
        _, err = told(ev.Figures(step=3, genre="plays", model=model, human=human))
        warned = [line for line in err.split("\n") if line.startswith("!")]
        assert len(warned) == lines
    assert "copies of 20 characters or more: 80% (human 30%)" in err


def test_a_best_that_is_not_kept_and_a_text_that_holds_nothing_out_are_said(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "plays", {})
    best = {"step": 9, "nats_per_char": 1.5, "bits_per_char": 2.16}
    _, err = told(ev.Ended(step=9, run=str(run.path), reason="failed", best=best, last=best))
    assert "at step 9, of which no checkpoint is kept" in err
    assert "rnnstudio eval" in err
    assert "FILE" not in err
    _, err = told(ev.Ended(step=9, run=str(run.path), reason="done"))
    assert err.rstrip().endswith(" FILE")
