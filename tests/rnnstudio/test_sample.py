"""`rnnstudio sample`: the real command on a run that the tests build, and what it prints parsed."""

from __future__ import annotations

import io
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from checkpoints.errors import CheckpointError, ConfigError, RnnStudioError, RunError, UserError
from engine.evaluation import score
from engine.load import open_run
from engine.sampling.stream import Piece, Request, Sample
from engine.tokenizers.byte import ByteTokenizer
from rnnstudio.cli import app
from rnnstudio.writing import PlainTexts, in_order
from tests.engine import checkpoint, tiny
from tests.warm import Warm

ROOT = Path(__file__).resolve().parents[2]


def run(runs: Path, *arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["sample", *arguments, "--runs", str(runs)], input=stdin)


def lines(runs: Path, *arguments: str, stdin: bytes | None = None) -> list[dict[str, Any]]:
    result = run(runs, *arguments, "--json", stdin=stdin)
    if result.exception is not None:
        raise result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_lines_say_what_reproduces_each_text(runs: Path) -> None:
    found = lines(runs, "plays", "-n", "3", "--length", "50", "--seed", "7", "--prime", "abc")
    assert [f["seed"] for f in found] == [7, 8, 9]
    assert len({f["text"] for f in found}) == 3
    for f in found:
        assert (f["prime"], f["temperature"], f["step"], f["run"]) == ("abc", 0.8, 10, "plays")
        assert len(f["text"]) == f["chars"] == 50
        again = lines(runs, "plays", "--length", "50", "--seed", str(f["seed"]), "--prime", "abc")
        assert again == [f]


def test_the_reported_likelihood_is_that_of_the_text(runs: Path) -> None:
    loaded = open_run("plays", runs)
    (found,) = lines(runs, "plays", "--length", "80", "--seed", "1", "--temperature", "0.4")
    measured = score(loaded.model, loaded.tokenizer, found["text"], documents=False)
    assert found["nats_per_char"] == pytest.approx(measured.nats_per_char, rel=1e-5)


def test_a_checkpoint_can_be_named(runs: Path) -> None:
    steps = {
        spec: lines(runs, spec, "--length", "5")[0]["step"]
        for spec in ("plays", "plays@best", "plays@last", "plays@10", str(runs / "plays"))
    }
    assert list(steps.values()) == [10, 10, 20, 10, 10]
    with pytest.raises(RunError) as caught:
        lines(runs, "playz")
    assert "did you mean plays" in caught.value.hint


def test_plain_output_is_prime_and_text(runs: Path) -> None:
    (found,) = lines(runs, "plays", "--length", "40", "--seed", "5", "--prime", "head")
    result = run(runs, "plays", "--length", "40", "--seed", "5", "--prime", "head")
    assert result.stdout.rstrip("\n") == ("head" + found["text"]).rstrip("\n")
    assert result.stdout.endswith("\n")
    assert "--seed 5" in result.stderr
    assert "plays at step 10" in result.stderr
    assert f"{found['nats_per_char']:.3f} nats/char" in result.stderr


def test_several_texts_come_one_after_the_other(runs: Path) -> None:
    found = lines(runs, "tunes", "-n", "3", "--seed", "1")
    result = run(runs, "tunes", "-n", "3", "--seed", "1")
    ended = [f["text"] + "\n" * (f["text"][-1:] not in ("", "\n")) for f in found]
    assert result.stdout == "\n".join(ended)
    assert [f"seed {s}" in result.stderr for s in (1, 2, 3)] == [True] * 3


def test_without_a_seed_each_time_is_another_and_says_which(runs: Path) -> None:
    first, second = (run(runs, "plays", "--length", "60") for _ in range(2))
    assert first.stdout != second.stdout
    seed = first.stderr.split("--seed ")[1].split()[0]
    assert run(runs, "plays", "--length", "60", "--seed", seed).stdout == first.stdout


def test_filters_reach_the_sampler(runs: Path) -> None:
    greedy = lines(runs, "plays", "--greedy", "--length", "60")[0]
    for arguments in (
        ["--temperature", "0"],
        ["--top-k", "1"],
        ["--top-p", "0.000001"],
        ["--min-p", "1"],
        ["--beam", "1"],
    ):
        (found,) = lines(runs, "plays", *arguments, "--length", "60")
        assert found["text"] == greedy["text"]
    (penalised,) = lines(runs, "plays", "--greedy", "--repetition-penalty", "9", "--length", "60")
    assert penalised["text"] != greedy["text"]
    assert penalised["settings"]["repetition_penalty"] == 9
    (typical,) = lines(runs, "plays", "--typical-p", "0.2", "--seed", "1", "--length", "60")
    assert typical["text"] != lines(runs, "plays", "--seed", "1", "--length", "60")[0]["text"]


def test_what_was_drawn_with_is_said(runs: Path) -> None:
    words = ("--top-k", "5", "--min-p", "0.05", "--repetition-penalty", "1.2", "--weights", "int8")
    told = run(runs, "plays", "--seed", "1", "--length", "5", *words).stderr
    how = "temperature 0.8 · --repetition-penalty 1.2 · --top-k 5 · --min-p 0.05 · --seed 1"
    assert how in told
    plain = run(runs, "plays", "--seed", "1", "--length", "5", "--top-p", "1").stderr
    assert "temperature 0.8 · --seed 1" in plain


def test_beams_are_ordered_by_likelihood(runs: Path) -> None:
    found = lines(runs, "plays", "--beam", "4", "-n", "3", "--length", "8")
    assert len({f["text"] for f in found}) == 3
    nats = [f["nats_per_char"] for f in found]
    assert nats == sorted(nats)
    for f in found:
        assert (f["settings"], f["seed"]) == ({"beam": 4, "length": 8, "stop": ""}, None)
        assert f["temperature"] is None
    again = lines(runs, "plays", "--beam", "4", "-n", "3", "--length", "8", "--seed", "9")
    assert again == found  # a search draws nothing


def test_a_text_ends_at_stop_or_with_its_document(runs: Path) -> None:
    whole = lines(runs, "plays", "--seed", "1", "--length", "200")[0]["text"]
    stop = whole[50:53]
    (found,) = lines(runs, "plays", "--seed", "1", "--length", "0", "--stop", stop)
    assert found["text"] == whole[: whole.index(stop)]
    assert found["ended_by"] == "stop"
    (tune,) = lines(runs, "tunes", "--until-document-end", "--seed", "4")
    assert tune["ended_by"] == "document end"


def test_primes_come_from_files_and_pipes(runs: Path, tmp_path: Path) -> None:
    text = "abba\n'\"$HOME`\n" * 300
    file = tmp_path / "prime.txt"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    expected = lines(runs, "plays", "--seed", "1", "--length", "30", "--prime", text)
    assert expected[0]["prime"].startswith("abba\n")
    arguments = ("plays", "--seed", "1", "--length", "30", "--prime-file")
    assert lines(runs, *arguments, str(file)) == expected
    assert lines(runs, *arguments, "-", stdin=text.encode()) == expected


def test_a_prompt_with_unseen_characters_is_read_and_said(runs: Path) -> None:
    result = run(runs, "plays", "--prime", "Ab 世 e\u0301", "--length", "10")
    assert result.exit_code == 0
    assert "'a' for 'A'" in result.stderr
    assert "never saw '世'" in result.stderr
    assert run(runs, "plays", "--prime", "", "--length", "10").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["plays", "--temperature", "-1"], ConfigError, "temperature is -1"),
        (["plays", "--top-p", "0"], ConfigError, "top-p is 0"),
        # Before a run is looked for: there is none of this name.
        (["nowhere", "--length", "-5"], ConfigError, "length is -5"),
        (["nowhere", "--seed", "-1"], ConfigError, "seed is -1"),
        (["nowhere", "--seed", "9" * 23], ConfigError, "seed is 999"),
        (["nowhere", "-n", "0"], ConfigError, "-n is 0"),
        (["plays", "--threads", "50000", "--length", "1"], ConfigError, "threads is 50000"),
        (["plays", "--threads", "-1", "--length", "1"], ConfigError, "threads is -1"),
        (["plays", "--greedy", "--temperature", "0.5"], ConfigError, "temperature is 0.5"),
        (["plays", "--beam", "2", "--greedy"], ConfigError, "the likeliest text"),
        (["plays", "--beam", "1001"], ConfigError, "would take hours"),
        (["plays", "--beam", "2", "-n", "3"], UserError, "2 wide"),
        (["plays", "--beam", "2", "--temperature", "0.5"], UserError, "--temperature is for"),
        (["plays", "--beam", "2", "--top-k", "5"], UserError, "--top-k is for"),
        (["plays", "--beam", "2", "--length", "0"], UserError, "how far"),
        (["plays", "--length", "0", "-n", "2"], UserError, "never ends"),
        (["plays", "--length", "0", "--json"], UserError, "never ends"),
        (["plays", "--until-document-end"], UserError, "no documents"),
        (["plays", "--raw", "--json"], UserError, "exclude"),
        (["plays", "--prime", "a", "--prime-file", "b"], UserError, "exclude"),
        (["plays", "--prime-file", "nowhere.txt"], UserError, "nowhere.txt cannot be read"),
        (["nowhere"], RunError, "no run 'nowhere'"),
        (["plays@15"], RunError, "no checkpoint of step 15"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    runs: Path, arguments: list[str], kind: type[RnnStudioError], words: str
) -> None:
    error = run(runs, *arguments).exception
    assert isinstance(error, kind)
    assert words in error.message
    assert error.hint
    assert error.exit_code == 2


def test_a_prime_file_that_is_no_text_is_refused(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "prime.bin"
    file.write_bytes(b"ab\xff\xfe")
    error = run(runs, "plays", "--prime-file", str(file)).exception
    assert isinstance(error, UserError)
    assert "byte 2" in error.message


def test_a_prime_that_is_too_long_is_that_wherever_it_is_cut(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnstudio.commands.sample.MAX_PRIME_BYTES", 2)
    (tmp_path / "prime.txt").write_text("中中", "utf-8")
    error = run(runs, "plays", "--prime-file", str(tmp_path / "prime.txt")).exception
    assert isinstance(error, UserError)
    assert "more than" in error.message


def test_raw_output_is_the_bytes_that_the_model_wrote(tmp_path: Path) -> None:
    tokenizer = ByteTokenizer()
    model = tiny.model(tokenizer.vocab_size, sharpness=1.0)
    checkpoint.write(tmp_path / "bytes", 1, checkpoint.files(model, tokenizer))
    arguments = ("bytes", "--raw", "--length", "300", "--seed", "1", "--temperature", "2")
    raw = run(tmp_path, *arguments).stdout_bytes
    assert len(raw) == 300
    assert any(byte >= 0x80 for byte in raw)
    (decoded,) = lines(tmp_path, *arguments[:1], *arguments[2:])
    assert raw.decode("utf-8", "replace")[:100] == decoded["text"][:100]


def test_being_stuck_is_said_with_a_way_out(runs: Path) -> None:
    result = run(runs, "plays", "--greedy", "--length", "700")
    assert "repeats itself" in result.stderr
    assert "--repetition-penalty" in result.stderr


def done(index: int) -> Sample:
    return Sample(
        index=index,
        request=Request(seed=1),
        text="",
        reason="length",
        chars=1,
        tokens=1,
        nats=1.0,
        nats_per_char=1.0,
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_never_obeys_what_a_model_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = "a\x1b]0;title\x07\x1b[2J\u202eb\x9bm"
    request = Request(seed=1, prime="\x1b[31m")
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    PlainTexts([request], prime=request.prime, raw=False).tell([Piece(0, hostile), done(0)])
    shown = out.getvalue()
    assert "␛[31ma␛]0;title" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert shown.endswith("\n")


def test_items_of_several_texts_come_in_order() -> None:
    items = [
        Piece(0, "a"),
        Piece(1, "b"),
        Piece(2, "c"),
        done(2),
        Piece(0, "d"),
        Piece(1, "e"),
        done(1),
        done(0),
        Piece(3, "f"),
        done(3),
    ]
    ordered = list(in_order(items))
    assert [item.index for item in ordered] == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert [item.text for item in ordered if isinstance(item, Piece)] == ["a", "d", "be", "c", "f"]
    assert [item.index for item in ordered if not isinstance(item, Piece)] == [0, 1, 2, 3]


def test_the_speed_of_texts_written_together_is_that_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    requests = Request(seed=1).copies(2)
    PlainTexts(requests, prime="", raw=True).tell([Piece(0, "a"), done(0), Piece(1, "b"), done(1)])
    told = capsys.readouterr().err.splitlines()
    assert [("characters/s" in line) for line in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].startswith(f"── 2 texts, {2 * done(0).chars} characters; ")


def endless(runs: Path) -> Warm:
    words = ("sample", "plays", "--length", "0", "--seed", "1", "--runs", runs)
    return Warm(*words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_real_command_streams_without_end_and_leaves_when_its_reader_does(runs: Path) -> None:
    with endless(runs) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        begun = process.stdout.read(500)
        assert len(begun) == 500
        process.stdout.close()  # as `| head -c 500` does
        assert process.wait(60) == 0
        assert b"Traceback" not in process.stderr.read()


def test_ctrl_c_ends_the_real_command_cleanly(runs: Path) -> None:
    with endless(runs) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 130
        assert b"Traceback" not in process.stderr.read()
        assert len(rest) < 10_000_000


def test_a_model_that_diverged_is_the_users_to_replace(tmp_path: Path) -> None:
    letters = tiny.tokenizer()
    model = tiny.model(letters.vocab_size)
    with torch.no_grad():
        model.output_bias.fill_(math.nan)
    checkpoint.write(tmp_path / "burnt", 10, checkpoint.files(model, letters))
    error = run(tmp_path, "burnt", "--length", "5").exception
    assert isinstance(error, CheckpointError)
    assert error.exit_code == 2
    assert "runs show" in error.hint
