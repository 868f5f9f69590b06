"""Compare: curves on one plane, what differs, what each wrote."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tui import recorded
from tests.tui.conftest import Open, screen_text, until
from tui.screens.compare import Compare, differing, scale
from tui.store import RunView
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
