"""Home: what it shows in each state, and what its keys do."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rich.cells import cell_len
from textual.command import CommandList

from checkpoints.checkpoint import write_checkpoint
from checkpoints.lock import TrainerLock
from corpora import catalogue
from tests.faults.crashdisk import QuickDisk
from tests.tui import recorded
from tests.tui.conftest import Open, screen_text, until
from tui.dialogs import Ask, Choose
from tui.jump import Jump
from tui.screens.home import Home
from tui.screens.live import Live
from tui.widgets.form import Value
from tui.widgets.page import Page
from tui.widgets.rows import Rows


async def test_an_empty_home_teaches_what_to_press(studio: Open) -> None:
    async with studio() as pilot:
        await until(pilot, lambda: "No runs yet" in screen_text(pilot.app))


async def test_a_terminal_that_is_too_small_says_what_is_needed_in_the_room_there_is(
    studio: Open,
) -> None:
    async with studio(size=(24, 8)) as pilot:
        await until(
            pilot,
            lambda: (
                "rnnstudio needs 60x16 characters; this is 24x8"
                in " ".join(screen_text(pilot.app).split())
            ),
        )


async def test_wide_characters_in_a_name_keep_the_columns(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "文学の練習", recorded.finished())
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: screen_text(pilot.app).count("done") >= 2)
        rows = [line for line in screen_text(pilot.app).split("\n") if "done" in line]
        assert len({cell_len(row[: row.index("done")]) for row in rows}) == 1


async def test_runs_are_listed_with_state_loss_and_last_words(
    studio: Open,
    runs: Path,
) -> None:
    now = time.time()
    recorded.make_run(runs, "plays-2x192", recorded.finished(), begin=now - 3 * 3600 - 500)
    recorded.make_run(runs, "lost", recorded.history(until=700), begin=now - 5 * 3600 - 500)
    for size in ((80, 24), (160, 48)):
        async with studio(size=size) as pilot:
            await until(pilot, lambda: "shall" in screen_text(pilot.app))
            await until(pilot, lambda: "crashed" in screen_text(pilot.app))


async def test_enter_opens_a_run_and_escape_comes_back(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "plays" in screen_text(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Live))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Home))


async def test_a_click_opens_the_run_under_the_pointer(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        await pilot.click("#runs", offset=(6, 2))
        await until(pilot, lambda: isinstance(pilot.app.screen, Live))


async def test_delete_asks_and_keeps_unless_told(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choose))
        await pilot.press("enter")  # the first answer keeps it
        await until(pilot, lambda: isinstance(pilot.app.screen, Home))
        assert path.is_dir()
        await pilot.press("delete", "down", "enter")
        await until(pilot, lambda: not path.exists())
        await until(pilot, lambda: "No runs yet" in screen_text(pilot.app))


async def test_rename_refuses_what_cannot_be_a_folder(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    recorded.make_run(runs, "taken", recorded.history(until=50))
    async with studio() as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        for wrong in ("a/b", "taken"):
            pilot.app.screen.query_one("Field").value = wrong  # type: ignore[attr-defined]
            await pilot.press("enter")
            assert isinstance(pilot.app.screen, Ask)
        pilot.app.screen.query_one("Field").value = "better"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: (runs / "better").is_dir())
        assert not path.exists()


async def test_the_filter_narrows_the_list_and_escape_lifts_it(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    recorded.make_run(runs, "tunes", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "✓ tunes" in screen_text(pilot.app))
        await pilot.press("slash", *"tun", "enter")
        await until(pilot, lambda: "✓ plays" not in screen_text(pilot.app))
        assert "✓ tunes" in screen_text(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))


async def test_a_filter_keeps_the_marks_of_the_runs_that_it_hides(studio: Open, runs: Path) -> None:
    for name in ("plays", "tunes", "other"):
        recorded.make_run(runs, name, recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: screen_text(pilot.app).count("✓ ") == 3)
        table = pilot.app.screen.query_one("#runs", Rows)
        table.select(str(runs / "plays"))
        await pilot.press("space", "slash", *"tun", "enter")
        await until(pilot, lambda: "✓ plays" not in screen_text(pilot.app))
        await pilot.press("space")
        await until(pilot, lambda: "2 marked" in screen_text(pilot.app))
        shutil.rmtree(runs / "plays")
        await until(pilot, lambda: table.marked == [str(runs / "tunes")])


async def test_texts_of_one_name_are_both_added(studio: Open, tmp_path: Path) -> None:
    texts = [tmp_path / name / "input.txt" for name in ("one", "two")]
    for text in (*texts, tmp_path / "abc-tunes.txt"):
        text.parent.mkdir(exist_ok=True)
        text.write_text(f"{text} is a text of its own\n" * 20)
    async with studio() as pilot:
        home = pilot.app.screen
        assert isinstance(home, Home)
        for text in (*texts, tmp_path / "abc-tunes.txt", texts[0]):
            home._look_at(text)
        await until(pilot, lambda: not home._adding)
    added = {
        name: catalogue.cached(name) for name, e in catalogue.entries().items() if e.how == "yours"
    }
    assert added == {
        "input": texts[0],
        "input-2": texts[1],
        "abc-tunes-2": tmp_path / "abc-tunes.txt",
    }


async def test_arrows_and_hjkl_move_and_the_cursor_stays_on_its_run(
    studio: Open, runs: Path
) -> None:
    for i in range(30):
        recorded.make_run(
            runs, f"run-{i:02}", recorded.history(until=20), begin=recorded.START - i * 1000
        )
    async with studio() as pilot:
        await until(pilot, lambda: "run-05" in screen_text(pilot.app))
        table = pilot.app.screen.query_one("#runs", Rows)
        await until(pilot, lambda: table.key.endswith("run-00"))
        await pilot.press("down", "j", "j", "up")
        assert table.key.endswith("run-02")
        recorded.make_run(runs, "newer", recorded.history(until=20), begin=recorded.START + 9)
        await until(pilot, lambda: "newer" in screen_text(pilot.app))
        assert table.key.endswith("run-02")
        await pilot.press("end")
        assert table.key.endswith("run-29")
        assert "run-29" in screen_text(pilot.app)


async def test_help_lists_the_screens_keys(studio: Open) -> None:
    async with studio(size=(100, 60)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "keys and help" in screen_text(pilot.app))
        text = screen_text(pilot.app)
        assert "Rename" in text
        assert "^q" in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Home))


async def test_a_small_terminal_is_told_what_is_needed(studio: Open) -> None:
    async with studio(size=(50, 10)) as pilot:
        await until(pilot, lambda: "60x16" in screen_text(pilot.app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "No runs yet" in screen_text(pilot.app))


def first(found: CommandList) -> str:
    """The first line of what the palette offers first, if anything."""
    return str(found.get_option_at_index(0).prompt).splitlines()[0] if found.option_count else ""


async def test_what_had_the_focus_has_it_again_when_there_is_room(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "plays" in screen_text(pilot.app))
        before = pilot.app.focused
        assert before is not None
        await pilot.resize_terminal(50, 15)
        await until(pilot, lambda: "needs 60x16" in screen_text(pilot.app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: pilot.app.focused is before)


async def test_the_palette_offers_every_action_and_run(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio(size=(100, 40)) as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Rename" in screen_text(pilot.app))
        await pilot.press(*"open plays")
        found = pilot.app.screen.query_one(CommandList)
        await until(pilot, lambda: found.highlighted == 0 and first(found) == "Open plays")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Live))


async def test_a_theme_is_remembered(studio: Open) -> None:
    async with studio() as pilot:
        before = pilot.app.theme
        await pilot.press("ctrl+t")
        after = pilot.app.theme
        assert after != before
    async with studio() as pilot:
        assert pilot.app.theme == after


async def test_jump_mode_goes_to_the_pane_of_a_letter(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        home = pilot.app.screen
        await pilot.press("ctrl+o")
        await until(pilot, lambda: pilot.app.screen is not home)
        await until(pilot, lambda: all(f" {c} " in screen_text(pilot.app) for c in "asd"))
        assert "✓ plays" in screen_text(pilot.app), "over the panes, which stay in sight"
        await pilot.press("d")
        await until(pilot, lambda: pilot.app.screen is home)
        assert home.focused is home.query_one("#words")
        await pilot.press("1")
        assert home.focused is home.query_one("#corpora")


async def test_jump_mode_has_letters_for_what_is_in_sight(studio: Open) -> None:
    async with studio() as pilot:
        pilot.app.remembered.layout["newrun.all"] = "shown"  # type: ignore[attr-defined]
        pilot.app.open_new()  # type: ignore[attr-defined]
        await until(pilot, lambda: "the same in a shell" in screen_text(pilot.app))
        form = pilot.app.screen
        await until(pilot, lambda: bool(form.find_widget(form.query_one("#card")).region))
        jump = Jump(form)
        for widget in jump._targets.values():
            assert form.find_widget(widget).visible_region.area
        assert form.query_one("#card") in jump._targets.values()


async def test_a_run_is_forked_with_its_own_model_in_the_form(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio(size=(160, 48)) as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        await pilot.press("b")  # its log tells of checkpoints, and none is there
        await until(pilot, lambda: "no checkpoint to fork from" in screen_text(pilot.app))
        write_checkpoint(path, 2000, {"a": b"1"}, about={"nats_per_char": 1.5}, disk=QuickDisk())
        await pilot.press("b")
        await until(pilot, lambda: "the same in a shell" in screen_text(pilot.app))
        command = pilot.app.screen.query_one("#command", Page)
        await until(pilot, lambda: command.text.endswith(f"--from {path}@2000"))
        form = pilot.app.screen.query_one("#line-hidden_size Value", Value)
        assert form.placeholder == "192"


async def test_columns_follow_the_terminals_width(studio: Open, runs: Path) -> None:
    recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        await until(pilot, lambda: "✓ plays" in screen_text(pilot.app))
        assert "genre" not in screen_text(pilot.app)
        await pilot.resize_terminal(160, 48)
        await until(pilot, lambda: "812k" in screen_text(pilot.app))
        assert "genre" in screen_text(pilot.app)


async def test_without_runs_the_cursor_is_in_the_corpora(studio: Open) -> None:
    async with studio() as pilot:
        await until(pilot, lambda: "No runs yet" in screen_text(pilot.app))
        assert pilot.app.focused is pilot.app.screen.query_one("#corpora")


async def test_a_run_that_is_being_trained_is_neither_removed_nor_renamed(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=700), begin=time.time())
    with TrainerLock(path):
        async with studio() as pilot:
            await until(pilot, lambda: "running" in screen_text(pilot.app))
            for key in ("delete", "e"):
                await pilot.press(key)
                await until(pilot, lambda: "plays is being trained" in screen_text(pilot.app))
                assert isinstance(pilot.app.screen, Home)
                pilot.app.clear_notifications()
