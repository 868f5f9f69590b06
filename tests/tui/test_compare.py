"""Compare: curves on one plane, what differs, what each wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tui import recorded
from tests.tui.conftest import Open, screen_text, until
from tui.screens.compare import Compare, differing, paired, scale, table, unlike
from tui.store import RunView, Sample
from tui.widgets.ink import wrap
from tui.widgets.plot import Plot


def test_only_what_differs_is_told() -> None:
    a = {"model": {"cell": "lstm", "hidden_size": 64}, "training": {"lr": 0.001, "seed": 1}}
    b = {
        "model": {"cell": "gru", "hidden_size": 64},
        "training": {"seed": 1, "temperatures": [0.5, 1.0]},
    }
    assert differing([a, b]) == [
        ("cell", ["lstm", "gru"]),
        ("lr", ["0.001", "—"]),
        ("temperatures", ["—", "0.5 1"]),
    ]
    assert differing([a, a, a]) == []


def test_a_run_that_recorded_nothing_differs_in_nothing() -> None:
    a = {"model": {"cell": "lstm", "hidden_size": 64}}
    b = {"model": {"cell": "gru", "hidden_size": 64}}
    assert differing([a, {}, a]) == []
    assert differing([a, {}, b]) == [("cell", ["lstm", "—", "gru"])]


def sample(temperature: float, prime: str = "") -> Sample:
    return Sample(100, prime, "text", temperature, 1)


def test_samples_are_compared_at_a_temperature_that_all_have() -> None:
    both = paired([[sample(0.7), sample(1.1)], [], [sample(0.5), sample(1.1)]])
    assert [s and s.temperature for s in both] == [1.1, None, 1.1]
    assert unlike(both) == []
    own = paired([[sample(0.7), sample(1.1)], [sample(0.5, "A:\n")]])
    assert unlike(own) == [("samples' T", ["0.7", "0.5"]), ("samples' prime", ["''", "'A:\\n'"])]
    assert paired([[], []]) == [None, None]


@pytest.mark.parametrize("width", [30, 42, 70])
@pytest.mark.parametrize("runs", [1, 2, 3, 4])
def test_what_differs_fits_its_pane(width: int, runs: int) -> None:
    rows = [("hidden_size", ["512"] * runs), ("corpus", ["長い名前の文章.txt" * 3] * runs)]
    spans = table(["a run of a long name"] * runs, rows, width)
    lines = wrap(spans, width)
    text = "".join(text for text, _ in spans)
    assert len(lines) == len(text.split("\n"))
    assert text.count("512") == runs


async def test_four_runs_have_a_key_on_a_small_screen(studio: Open, runs: Path) -> None:
    paths = [recorded.make_run(runs, f"run-{n}", recorded.history(until=100)) for n in range(4)]
    async with studio() as pilot:
        pilot.app.push_screen(Compare(paths))
        key = "── run-0  ╌╌ run-1  ┈┈ run-2  ·  run-3"
        await until(pilot, lambda: key in screen_text(pilot.app).split("\n")[0])


def test_axes_scale_steps_to_tokens_and_minutes() -> None:
    view = RunView("x")
    view.feed(recorded.history(until=100))
    assert scale(view, "steps") == 1
    assert scale(view, "tokens") == 1024
    assert scale(RunView("empty"), "minutes") == 1


async def test_marked_runs_are_compared(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "long", recorded.finished(), begin=recorded.START + 9000)
    other = recorded.make_run(runs, "short", recorded.history(until=700))
    body = json.loads((other / "run.json").read_text())
    body["model"]["hidden_size"] = 512
    (other / "run.json").write_text(json.dumps(body))
    async with studio() as pilot:
        await until(pilot, lambda: "short" in screen_text(pilot.app))
        await pilot.press("c")
        await until(pilot, lambda: "mark two" in screen_text(pilot.app))
        await pilot.press("space", "space", "c")
        await until(pilot, lambda: isinstance(pilot.app.screen, Compare))
        await until(pilot, lambda: "hidden_size" in screen_text(pilot.app))
        await until(
            pilot, lambda: "@ 2,000" in screen_text(pilot.app) and "@ 700" in screen_text(pilot.app)
        )
        await pilot.press("a")
        plot = pilot.app.screen.query_one(Plot)
        await until(pilot, lambda: plot.unit.endswith("over tokens"))
        assert max(p[0] for line in plot._lines for p in line.points) == 2000 * 1024
        await pilot.press("m", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, Compare))
