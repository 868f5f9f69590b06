"""Pictures of the studio's screens for the documentation, from real runs: SVG, and PNG where cairosvg is installed.

python scripts/screenshots.py runs/folk-tunes runs/another docs/screens
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tui.app import Studio
from tui.screens.compare import Compare
from tui.screens.evolution import Evolution
from tui.screens.live import Live
from tui.screens.music import Music
from tui.screens.playground import Playground
from tui.widgets.page import Page

SIZE = (132, 40)
CORPUS = "abc-tunes"
"""Whose card the new-run form shows: made offline, so everybody has it."""
PATIENCE_S = 60


async def picture(pilot: Pilot[None], name: str, out: Path) -> None:
    await pilot.pause(1.0)
    pilot.app.clear_notifications()
    await pilot.pause(0.3)
    svg = pilot.app.export_screenshot(title=f"rnnstudio - {name}")
    # The picture must not ask the network for its font.
    svg = "".join(_without_fonts(svg)).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    (out / f"{name}.svg").write_text(svg, encoding="utf-8")
    if len(sys.argv) > 4:
        import cairosvg

        target = Path(sys.argv[4]) / f"{name}.png"
        cairosvg.svg2png(bytestring=svg.encode(), write_to=str(target), output_width=1400)


async def form(pilot: Pilot[None]) -> None:
    """Wait until the new-run form tells all it finds out; a picture of an error is of no use to anybody."""
    for _ in range(PATIENCE_S):
        await pilot.pause(1.0)
        card, estimate = (
            pilot.app.screen.query_one(name, Page).text for name in ("#card", "#estimate")
        )
        if "✗" in card:
            raise SystemExit(f"the card of {CORPUS} tells of an error: {card.splitlines()[0]}")
        if "characters" in card and "checking…" not in card and "measuring" not in estimate:
            return
    raise SystemExit(f"the card of {CORPUS} did not stand after {PATIENCE_S} s: {card[:80]}")


def _without_fonts(svg: str) -> list[str]:
    """The SVG without its @font-face rules."""
    parts = svg.split("@font-face")
    return [parts[0], *(part.split("}", 1)[1] for part in parts[1:])]


async def main(run: Path, other: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        app = Studio(run.parent, settings_path=Path(folder) / "settings.json")
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause(2.0)
            await picture(pilot, "home", out)
            app.push_screen(Live(run))
            await pilot.pause(2.0)
            await picture(pilot, "live", out)
            app.push_screen(Evolution(run))
            await pilot.pause(1.0)
            await pilot.press("left", "left")
            await picture(pilot, "evolution", out)
            app.pop_screen()
            app.push_screen(Music(run, "abc_tunes"))
            await picture(pilot, "music", out)
            app.pop_screen()
            app.push_screen(Compare([run, other]))
            await pilot.pause(2.0)
            await picture(pilot, "compare", out)
            app.pop_screen()
            app.open_new(CORPUS)
            await form(pilot)
            await picture(pilot, "new-run", out)
            app.pop_screen()
            app.keep(
                "play.length", "150"
            )  # a tune that has not ended leaves something to come next
            app.push_screen(Playground(run))
            await pilot.pause(2.0)
            await pilot.press(*"X:1", "enter")
            await pilot.pause(12.0)
            await picture(pilot, "playground", out)
            await pilot.press("w")
            await pilot.pause(3.0)
            await pilot.press(*["right"] * 9)
            await picture(pilot, "surprise", out)


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:4])))
