"""Each benchmark runs in a tiny form, prints its table and writes its figures."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import __main__ as front
from benchmarks import (
    beside,
    cells,
    contest,
    genres,
    machine,
    options,
    report,
    side_by_side,
    startup,
    studio,
    throughput,
    visualizing,
)
from engine import devices
from engine.config import ModelConfig
from engine.sampling.products import has_int8
from tests.cli import here

TEXT = "".join(f"{i} and {i * i} are numbers of a kind.\n" for i in range(400))


def figures(tmp_path: Path, *arguments: str) -> list[dict[str, Any]]:
    path = tmp_path / "figures.json"
    assert front.main([*arguments, "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["benchmark"] == arguments[0]
    assert found["machine"]["cores"] >= 1
    rows: list[dict[str, Any]] = found["rows"]
    return rows


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_throughput_sets_the_trainer_beside_the_bare_loop(tmp_path: Path) -> None:
    rows = figures(
        tmp_path, "throughput", "--shapes", "1x8", "--cells", "gru", "--optimizers", "adam",
        "--rounds", "1", "--lanes", "2", "--bptt", "4", "--chars", "5000",
    )  # fmt: skip
    assert len(rows) == 1
    assert rows[0]["ratio"] == pytest.approx(rows[0]["ours tokens/s"] / rows[0]["bare tokens/s"])
    assert rows[0]["look s"] > 0
    assert rows[0]["all on"] < rows[0]["ratio"]


def test_throughput_compares_networks_of_one_kind_unless_told(tmp_path: Path) -> None:
    chars = 360_000  # a long text, whose runs of characters the trainer would keep
    arguments = (
        "throughput", "--shapes", "1x8", "--cells", "gru", "--optimizers", "adam",
        "--rounds", "1", "--lanes", "2", "--bptt", "4", "--chars", str(chars),
    )  # fmt: skip
    plain, told = (figures(tmp_path, *arguments, *more)[0] for more in ((), ("--grams", "3")))
    assert plain["weights"] < told["weights"] - ModelConfig().gram_rows * ModelConfig().gram_size


def test_a_runs_looks_are_counted_where_they_are_due() -> None:
    def steps(seconds: float) -> float:
        return throughput.steps_in(seconds, step_s=0.1, look_s=2.0)

    assert steps(12.0) == pytest.approx(100)  # ten seconds, and the look at its end
    assert steps(14.0) == pytest.approx(100)  # another look, at 100
    assert steps(15.0) == pytest.approx(110)
    assert steps(33.0) == pytest.approx(290)
    assert steps(35.0) == pytest.approx(300)


def test_looks_are_paid_for_once_a_look(tmp_path: Path) -> None:
    rows = figures(
        tmp_path, "looks", "--shapes", "1x8", "--steps", "20", "--every", "6", "--rounds", "1",
        "--chars", "5000",
    )  # fmt: skip
    assert [row["way"] for row in rows] == ["no samples", "waiting", "beside"]
    assert rows[1]["s a look"] == pytest.approx((rows[1]["s"] - rows[0]["s"]) / 2)


def test_the_studios_cost_is_what_the_trainer_does_with_it_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Trainer:
        def __init__(self, folder: Path) -> None: ...
        def wait(self, steps: int) -> None: ...
        def end(self) -> None: ...

    monkeypatch.setattr(beside, "Trainer", Trainer)
    monkeypatch.setattr(beside, "with_studio", lambda *_: (90.0, 0.02, [10.0, 30.0, 20.0]))
    monkeypatch.setattr(beside, "without", lambda _: 100.0)
    rows = figures(tmp_path, "beside", "1e-12")
    assert [row["ratio"] for row in rows] == [0.9]
    told = capsys.readouterr().out
    assert "costs 10.0% of the trainer's tokens/s" in told
    assert "median 20 ms, 95th percentile 30 ms of 3" in told


def test_the_studios_times_are_medians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def opening_and_keys(*_: Path) -> tuple[float, list[float]]:
        return 2.0, [7.0, 5.0, 6.0]

    taken = iter([5.0, 1.0, 2.0, 4.0, 3.0])
    monkeypatch.setattr(studio, "first_screen", lambda _: next(taken))
    monkeypatch.setattr(studio, "opening_and_keys", opening_and_keys)
    rows = figures(tmp_path, "studio")
    assert [row["median"] for row in rows] == [3.0, 2.0, 6.0]


def test_genres_stand_in_one_table_beside_human_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(name: str, _out: Path) -> dict[str, Any]:
        judged = {"valid": 0.5, "words_known": 0.9}
        return {
            "genre": name, "chars": 2_000_000, "parameters": 300_000, "step": 7, "nats_per_char": 1.25,
            "ngram_nats_per_char": 1.5, "samples": 24, "human_samples": 40, "model": judged,
            "error": {"valid": 0.1}, "human": {"valid": 1.0, "words_known": 0.95}, "texts": ["Öl\n"],
        }  # fmt: skip

    monkeypatch.setattr(genres, "train", lambda *_: None)
    monkeypatch.setattr(genres, "measure", measure)
    assert front.main(["genres", "recipes", "--minutes", "2", "--out", str(tmp_path)]) == 0
    assert front.main(["genres", "plays", "--minutes", "2", "--out", str(tmp_path)]) == 0
    table = (tmp_path / "genres.md").read_text("utf-8")
    plays, recipes = [row for row in table.split("\n") if row.startswith("| `")]
    assert plays.startswith(
        "| `plays` | `plays`, 2.0 MB | text without a fault 50 % ± 10, human 100 %"
    )
    assert recipes.startswith("| `recipes` |")
    assert "1.250, 7-gram 1.500; 300 k parameters, 2 minutes (cpu), one thread" in plays
    assert "Öl" in table
    assert json.loads((tmp_path / "plays.json").read_text("utf-8"))["machine"]["cores"] >= 1


def test_kernels_are_counted_alike_in_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = figures(
        tmp_path, "kernels", "--device", "cpu", "--arithmetic", "float32", "--hidden", "8", "--lanes", "2",
        "--layers", "2", "--bptt", "4", "--rounds", "1",
    )  # fmt: skip
    for row in rows:
        assert row["GFLOP/s"] * row["ms"] == pytest.approx(6 * 2 * 8 * 8**2 * 2 * 4 / 1e6)
    if not torch.cuda.is_available():
        assert front.main(["kernels"]) == 0
        assert "no GPU" in capsys.readouterr().out


def test_sampler_sets_ours_beside_the_loop(tmp_path: Path) -> None:
    rows = figures(
        tmp_path, "sampler", "--shapes", "1x8", "--streams", "1,2", "--rounds", "1", "--chars", "16"
    )
    assert [row["texts"] for row in rows] == [1, 2]
    assert rows[0]["bound chars/s"] > 0


@pytest.mark.skipif(not has_int8(), reason="this torch has no int8 products for this machine")
def test_rounding_reads_a_runs_model_both_ways(tmp_path: Path, text: Path) -> None:
    runs = tmp_path / "runs"
    here(
        "train", text, "--name", "tiny", "--runs", runs, "--steps", "5", "--cell", "gru", "--layers", "1",
        "--hidden", "8", "--sample-length", "0", cwd=tmp_path,
    )  # fmt: skip
    rows = figures(tmp_path, "rounding", str(text), "tiny", "--runs", str(runs), "--chars", "15")
    assert rows[0]["network"] == "1x8 gru"
    assert 0 < abs(rows[0]["int8 more"]) < 0.05


def test_quality_judges_ours_and_an_opponent(tmp_path: Path, text: Path) -> None:
    rows = figures(
        tmp_path, "quality", str(text), "--only", "ours,nanogpt-cpu", "--minutes", "0.002",
        "--part", "tuning", "--set", "hidden_size=8", "--set", "sample_length=0",
    )  # fmt: skip
    assert [row["entrant"] for row in rows] == ["ours", "nanogpt-cpu"]
    assert rows[1]["carried - ours"] == rows[1]["carried"] - rows[0]["carried"]
    assert all(0 < row["windows"] < 6 for row in rows)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[float]]]:
    """Which opponents were trained, and judged after which minutes, as it happens."""
    seen: list[tuple[str, list[float]]] = []
    theirs = contest.theirs

    def counted(opponent: Any, text: Any, *, minutes: Any, **options: Any) -> Any:
        seen.append((opponent.name, [*minutes]))
        return theirs(opponent, text, minutes=minutes, **options)

    monkeypatch.setattr(contest, "theirs", counted)
    return seen


def test_one_training_serves_all_marks_unless_its_schedule_is_laid_over_them(
    tmp_path: Path, text: Path, trainings: list[tuple[str, list[float]]]
) -> None:
    rows = figures(
        tmp_path, "quality", str(text), "--only", "char-rnn,nanogpt-cpu", "--minutes", "0.002,0.001"
    )
    rows.sort(key=lambda row: (row["entrant"], row["minutes"]))
    assert trainings == [
        ("char-rnn", [0.001, 0.002]),
        ("nanogpt-cpu", [0.001]),
        ("nanogpt-cpu", [0.002]),
    ]
    assert [row["minutes"] for row in rows] == [0.001, 0.002, 0.001, 0.002]
    assert rows[0]["steps"] <= rows[1]["steps"]


def test_a_contest_that_was_broken_off_goes_on_with_what_it_lacks(
    tmp_path: Path, text: Path, trainings: list[tuple[str, list[float]]]
) -> None:
    asked = ("quality", str(text), "--minutes", "0.001,0.002")
    first = figures(tmp_path, *asked, "--only", "char-rnn,nanogpt-cpu")
    path = tmp_path / "figures.json"
    found = json.loads(path.read_text("utf-8"))
    marked, budgeted = (
        next(row for row in first if row["entrant"] == name) for name in ("char-rnn", "nanogpt-cpu")
    )
    found["rows"] = [marked, budgeted]  # one of two marks, and one of two budgets
    path.write_text(json.dumps(found), "utf-8")
    trainings.clear()
    rows = figures(tmp_path, *asked, "--only", "char-rnn,nanogpt-cpu,torch-rnn", "--go-on")
    assert trainings == [
        ("char-rnn", [0.001, 0.002]), ("nanogpt-cpu", [0.002]), ("torch-rnn", [0.001, 0.002]),
    ]  # fmt: skip
    assert budgeted in rows
    assert len(rows) == 6


def test_a_contest_goes_on_with_nothing_that_is_not_its_own(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.json"
    arguments = ["quality", str(text), "--only", "char-rnn", "--json", str(path), "--go-on"]
    assert front.main([*arguments, "--minutes", "0.001"]) == 0
    capsys.readouterr()
    assert front.main([*arguments, "--minutes", "0.002"]) == 2
    assert "another benchmark, machine, program or setting" in capsys.readouterr().err
    path.write_text("[]", "utf-8")
    assert front.main([*arguments, "--minutes", "0.001"]) == 2
    assert "holds no benchmark" in capsys.readouterr().err


@pytest.mark.skipif(devices.usable_cores() < 2, reason="one core")
def test_entrants_train_at_once_on_a_core_each(tmp_path: Path, text: Path) -> None:
    rows = figures(
        tmp_path, "quality", str(text), "--only", "char-rnn,nanogpt-cpu", "--minutes", "0.001,0.002",
        "--processes", "2", "--clock", "cpu",
    )  # fmt: skip
    assert sorted((row["entrant"], row["minutes"]) for row in rows) == [
        ("char-rnn", 0.001), ("char-rnn", 0.002), ("nanogpt-cpu", 0.001), ("nanogpt-cpu", 0.002),
    ]  # fmt: skip


@pytest.mark.skipif(devices.usable_cores() < 2 or not side_by_side.PINS, reason="one core")
def test_side_by_side_each_keeps_to_a_core_and_failures_are_told() -> None:
    finds = [*side_by_side.each(cores_of, [1, 2, 3, 4], processes=2)]
    assert sorted(task for task, _ in finds) == [1, 2, 3, 4]
    assert all(cores == 1 for _, cores in finds)
    with pytest.raises(ZeroDivisionError):
        [*side_by_side.each(cores_of, [1, 0, 2], processes=2)]


def cores_of(task: int) -> Iterator[tuple[int, int]]:
    """Any work that a process can take: the task, and how many cores it may use."""
    assert task / task == 1
    yield task, len(os.sched_getaffinity(0))


def test_generality_sets_ours_beside_ngrams(tmp_path: Path, text: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(TEXT.upper(), encoding="utf-8")
    rows = figures(
        tmp_path, "generality", str(text), str(other), "--minutes", "0.001", "--orders", "2,3",
        "--processes", str(min(2, devices.usable_cores())),
    )  # fmt: skip
    assert [row["text"] for row in rows] == [text.name, "other.txt"]
    assert rows[0]["ours - best"] == rows[0]["ours"] - min(rows[0]["2-gram"], rows[0]["3-gram"])


def test_visualizing_trains_each_network_of_the_table(tmp_path: Path, text: Path) -> None:
    rows = figures(
        tmp_path, "visualizing", str(text), "--minutes", "0.001", "--cells", "rnn", "--layers", "2,1",
        "--sizes", "4", "--processes", str(min(2, devices.usable_cores())),
    )  # fmt: skip
    assert [row["layers"] for row in rows] == [2, 1]  # As asked for, whichever ended first.
    assert rows[1]["hidden"] == visualizing.equal_hidden("rnn", 1, 4, len(set(TEXT)))
    assert rows[1]["nats/char"] > 0


def test_cells_are_compared_at_equal_numbers_of_weights() -> None:
    assert visualizing.equal_hidden("lstm", 2, 64, 65) == 64
    assert (
        visualizing.equal_hidden("rnn", 2, 64, 65) > visualizing.equal_hidden("gru", 2, 64, 65) > 64
    )


def test_startup_waits_for_a_line_and_weighs_a_process(tmp_path: Path) -> None:
    program = [sys.executable, "-c"]
    startup._until([*program, "print('a step'); input()"], "step", tmp_path)
    with pytest.raises(SystemExit, match="ended without step"):
        startup._until([*program, "print('nothing')"], "step", tmp_path)
    little = startup._peak_mb([*program, "pass"], tmp_path)
    assert startup._peak_mb([*program, "bytearray(b'1') * 50_000_000"], tmp_path) > little + 40
    assert startup._corpus(tmp_path, 1).stat().st_size > 1_000_000
    assert [row["ours"] > 0 for row in startup._tokenizing("some text " * 1000)] == [True, True]


# The published widths of the others take seconds a step; their classes are these ones'.
def test_entrants_are_measured_in_turn() -> None:
    order: list[str] = []
    now = iter(range(100))
    entrants = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = machine.interleaved(entrants, rounds=2, clock=lambda: float(next(now)))
    assert order == ["a", "b"] * 3
    assert found == {"a": 1.0, "b": 1.0}


def test_a_table_lines_its_columns_up() -> None:
    assert report.table([{"name": "x", "n": 1234}, {"name": "long", "n": None}]).split("\n") == [
        "name      n",
        "x     1,234",
        "long      -",
    ]


@pytest.mark.parametrize("name", front.BENCHMARKS)
def test_every_benchmark_helps_and_stands_in_the_readme(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        front.main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m benchmarks {name} " in capsys.readouterr().out
    readme = Path(front.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\|.*`{name}[ `]", readme, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments",
    [
        ("quality", "nothing.txt"),
        ("generality", "nothing.txt"),
        ("visualizing", "nothing.txt"),
        ("rounding", "nothing.txt", "run"),
        ("rounding", "{text}", "nothing"),
        ("throughput", "--device", "nothing"),
        ("throughput", "--threads", "-1"),
        ("throughput", "--shapes", "2"),
        ("throughput", "--cells", "nothing"),
        ("throughput", "--optimizers", "nothing"),
        ("sampler", "--device", "nothing"),
        ("sampler", "--streams", "0"),
        ("looks", "--device", "nothing"),
        ("looks", "--shapes", "1x8", "--steps", "1", "--every", "1", "--chars", "5000"),
        ("kernels", "--arithmetic", "nothing"),
        ("quality", "{text}", "--only", "nothing"),
        ("quality", "{text}", "--minutes", "0"),
        ("quality", "{text}", "--json", "nowhere/figures.json"),
        ("quality", "{text}", "--set", "nothing=1"),
        ("quality", "{text}", "--set", "residual=true"),
        ("generality", "{text}", "--minutes", "-1"),
    ],
)
def test_what_a_user_gives_wrongly_ends_with_2_and_a_sentence(
    arguments: tuple[str, ...], text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = front.main([part.format(text=text) for part in arguments])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.strip()


def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mido", None)
    monkeypatch.delitem(sys.modules, "benchmarks.tunes", raising=False)
    assert front.main(["tunes"]) == 2
    assert capsys.readouterr().err == "tunes needs mido, which is not installed here\n"


def test_cells_are_set_beside_the_lstm() -> None:
    rows = cells.compare(["lstm", "mut1"], hidden=8, lanes=2, rounds=1)
    assert rows[0]["times lstm"] == 1
    assert rows[1]["times lstm"] == pytest.approx(rows[0]["tokens/s"] / rows[1]["tokens/s"])


def test_figures_are_written_with_every_setting_and_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figures.json"
    parser = report.arguments("About.", "name")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--chars", type=options.numbers, default="1,2")
    args = parser.parse_args(["--json", str(path)])
    report.write(args, [{"figure": 1}], peak=2)
    found = json.loads(path.read_text("utf-8"))
    assert found["settings"] == {"runs": "runs", "chars": [1, 2], "peak": 2}
    assert found["machine"].keys() >= {"cpu", "cores", "load", "torch", "commit", "time"}

    def broken(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(report.os, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        report.write(args, [{"figure": 3}], peak=2)
    assert json.loads(path.read_text("utf-8")) == found


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1,,2", "x"])
def test_minutes_are_numbers_above_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        options.minutes(text)


def test_unknown_names_are_the_users_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["throughputs"]) == 2
    assert "throughput" in capsys.readouterr().err
    assert front.main([]) == 0
    assert "sampler" in capsys.readouterr().out
