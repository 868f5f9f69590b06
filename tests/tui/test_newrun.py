"""New run: what is typed becomes a command; what is wrong is said before it starts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engine.config import DataConfig, ModelConfig, TrainConfig
from engine.training import plan
from engine.training.plan import Measured
from tests.tui import recorded
from tests.tui.conftest import Open, burst, screen_text, until
from tui import recipe
from tui.app import News, Said
from tui.browse import Browse
from tui.child import Answer
from tui.screens.live import Live
from tui.screens.newrun import NewRun, free_path
from tui.speeds import FIRST, Speeds
from tui.widgets.form import Line
from tui.widgets.page import Page
from tui.widgets.rows import Rows


def test_the_form_has_every_setting_with_its_help() -> None:
    names = {f.name for f in recipe.fields()}
    for config in (DataConfig, ModelConfig, TrainConfig):
        assert set(config.__dataclass_fields__) <= names
    assert all(f.help for f in recipe.fields())


def test_what_is_typed_becomes_the_command(tmp_path: Path) -> None:
    text = tmp_path / "my text.txt"
    text.write_text("x")
    typed = {
        "corpus": str(text),
        "hidden_size": "1,024",
        "tied": "yes",
        "residual": "no",
        "temperatures": "0.5, 1",
        "lr": "0.001",
        "prime": "ALL:\\n",
        "cell": "gru",
        "minutes": "",
    }
    understood = recipe.understand(typed)
    assert not understood.wrong
    words = recipe.command(understood, runs=tmp_path / "r", name="mine")
    flags = words[words.index("--runs") + 2 :]
    assert words[:4] == ["train", str(text), "--name", "mine"]
    assert flags == [
        "--hidden", "1024", "--tied", "--no-residual", "--temperatures", "0.5,1", "--lr", "0.001",
        "--prime", "ALL:\n", "--cell", "gru",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("hidden_size", "0", "hidden is 0"),
        ("hidden_size", "big", "whole number"),
        ("lr", "fast", "a number"),
        ("dropout", "1", "dropout is 1"),
        ("cell", "brain", "lstm"),
        ("temperatures", "warm", "numbers"),
        ("valid_fraction", "0.95", "validation"),
        ("optimizer", "best", "adamw"),
        ("steps", "9" * 400, "fewer digits"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(name: str, text: str, part: str) -> None:
    wrong = recipe.understand({"corpus": "abc-tunes", name: text}).wrong
    assert list(wrong) == [name]
    assert part in wrong[name]


def test_names_are_free_and_safe(tmp_path: Path) -> None:
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays-2").mkdir()
    assert recipe.free_name("", "/somewhere/plays.txt", tmp_path) == "plays-3"
    assert "/" not in recipe.free_name("../../etc", "x", tmp_path)
    assert recipe.free_name("", "plays.txt", tmp_path, [tmp_path / "plays-3"]) == "plays-4"


def test_the_estimate_knows_that_tunes_are_read_one_by_one() -> None:
    def weights(**recipes: str) -> int:
        found = recipe.estimate(
            recipe.understand({"hidden_size": "64", "minutes": "10", **recipes}),
            chars=1_000_000,
            vocab_size=80,
            measured=Measured(tokens_per_s=60_000, weights=50_000),
            documents=True,
        )
        assert found is not None
        return found.parameters

    # Read so often, tunes need no vectors for runs of characters; one long text keeps them.
    assert weights() == weights(documents="on") < 200_000
    assert weights(documents="off") > 1_000_000


def test_the_estimate_follows_the_trainers_own_reckoning() -> None:
    measured = Measured(tokens_per_s=20_000, weights=100_000)
    small = recipe.understand({"hidden_size": "64", "steps": "100", "lanes": "10", "bptt": "50"})
    found = recipe.estimate(small, chars=1_000_000, vocab_size=80, measured=measured)
    assert found is not None
    assert found.tokens_per_s is not None
    assert found.seconds == pytest.approx(100 * 10 * 50 / found.tokens_per_s)
    assert found.epochs == pytest.approx(100 * 10 * 50 / 900_000, rel=0.01)
    large = recipe.estimate(
        recipe.understand({"hidden_size": "512", "steps": "100"}),
        chars=10**6,
        vocab_size=80,
        measured=measured,
    )
    assert large is not None
    assert large.tokens_per_s is not None
    assert large.tokens_per_s < found.tokens_per_s / 10
    assert (
        recipe.estimate(recipe.understand({"lr": "x"}), chars=1, vocab_size=9, measured=None)
        is None
    )


def test_what_the_form_comes_to_is_measured_itself_until_it_comes_to_the_same() -> None:
    """Wide layers compute more in a second than the first, small one promises."""
    asked: list[int] = []
    speeds = Speeds()

    def reckon(measured: Measured | None) -> recipe.Estimate | None:
        return recipe.estimate(
            recipe.understand({"minutes": "3"}), chars=2_000_000, vocab_size=80, measured=measured
        )

    found, unknown = speeds.estimate(reckon)
    assert found is not None
    assert (found.tokens_per_s, unknown) == (None, None)  # until the first was measured
    weights = plan.working_weights(FIRST, 80)
    speeds.keep(FIRST, Measured(tokens_per_s=60_000, weights=weights))
    found, unknown = speeds.estimate(reckon)
    reckoned = found
    while unknown is not None:
        asked.append(unknown.hidden_size)
        weights = plan.working_weights(unknown, 80)
        speeds.keep(unknown, Measured(tokens_per_s=2e10 / weights, weights=weights))
        found, unknown = speeds.estimate(reckon)
    assert found is not None
    assert reckoned is not None
    assert asked == sorted(set(asked))
    assert found.model.hidden_size == asked[-1] > reckoned.model.hidden_size
    assert found.tokens_per_s == pytest.approx(
        2e10 / plan.working_weights(found.model, 80), rel=0.2
    )


def test_a_model_that_cannot_be_measured_is_reckoned() -> None:
    speeds = Speeds()

    def reckon(measured: Measured | None) -> recipe.Estimate | None:
        given = recipe.understand({"hidden_size": "256", "steps": "100"})
        return recipe.estimate(given, chars=10**6, vocab_size=80, measured=measured)

    speeds.keep(FIRST, Measured(tokens_per_s=60_000, weights=100_000))
    found, unknown = speeds.estimate(reckon)
    assert unknown is not None
    assert unknown.hidden_size == 256
    speeds.pass_over(unknown)
    assert speeds.estimate(reckon) == (found, None)


def test_the_forms_fork_chooses_dropout_as_the_trainer_does() -> None:
    parent = {"hidden_size": 64, "grams": 0, "gram_dropout": 0.0, "dropout": 0.05}
    found = recipe.estimate(
        recipe.understand({"minutes": "60"}),
        chars=60_000,
        vocab_size=80,
        measured=Measured(tokens_per_s=60_000, weights=50_000),
        parent=parent,
    )
    assert found is not None
    assert "dropout 0.3" in found.why


async def open_form(pilot, corpus: str = "") -> NewRun:  # type: ignore[no-untyped-def]
    pilot.app.open_new(corpus)
    await until(pilot, lambda: "the same in a shell" in screen_text(pilot.app))
    screen = pilot.app.screen
    assert isinstance(screen, NewRun)
    return screen


async def test_the_card_tells_what_the_text_is_like(studio: Open, tmp_path: Path) -> None:
    text = tmp_path / "rumours.txt"
    text.write_bytes(b"Rumour:\nOpen your ears \x1b[31m[/]\n\n" * 40)
    async with studio(size=(160, 48)) as pilot:
        screen = await open_form(pilot, str(text))
        await until(pilot, lambda: "different characters" in screen_text(pilot.app))
        shown = screen_text(pilot.app)
        assert "Open your ears ␛[31m[/]" in shown
        await until(pilot, lambda: "characters are far too few" in screen_text(pilot.app))
        assert screen._card["chars"] == 40 * len("Rumour:\nOpen your ears \x1b[31m[/]\n\n")


async def test_the_estimate_goes_by_what_the_card_found(studio: Open, tmp_path: Path) -> None:
    tunes = tmp_path / "tunes.abc"
    tunes.write_text(
        "".join(
            f"X:{i}\nT:Reel {i}\nM:4/4\nL:1/8\nK:D\n{'DEFG ABcd|' * 16}\n\n" for i in range(2300)
        )
    )
    async with studio(size=(160, 48)) as pilot:
        pilot.app.remembered.layout["newrun.all"] = "all"  # type: ignore[attr-defined]
        screen = await open_form(pilot)
        documents = screen.query_one("#line-documents", Line).field
        screen.query_one("#line-epochs", Line).field.value = "30"
        screen.query_one("#line-corpus", Line).field.value = str(tunes)
        await until(pilot, lambda: "Reel" in screen.query_one("#card", Page).text)
        told = {}
        for choice in ("auto", "on", "off"):
            documents.value = choice
            await pilot.pause()
            told[choice] = screen.query_one("#estimate", Page).text.split("parameters")[0]
        assert told["auto"] == told["on"] != told["off"]


async def test_the_check_warns_and_mends_a_copy(studio: Open, tmp_path: Path) -> None:
    text = tmp_path / "page.txt"
    text.write_text("<p>Rumour &amp; Falstaff</p>\n" * 400)
    async with studio(size=(160, 48)) as pilot:
        screen = await open_form(pilot, str(text))
        await until(pilot, lambda: "it is HTML or was" in screen_text(pilot.app))
        await until(pilot, lambda: "F6 mends a copy" in screen_text(pilot.app))
        await pilot.press("f6")
        await until(pilot, lambda: "stays as it is" in screen_text(pilot.app))
        await pilot.press("enter")
        field = screen.query_one("#line-corpus", Line).field
        await until(pilot, lambda: field.value.endswith("page-mended.txt"))
    assert text.read_text().startswith("<p>")
    assert "<p>" not in (tmp_path / "page-mended.txt").read_text()
    assert free_path(text).name == "page-mended-2.txt"


async def test_a_text_that_is_not_there_is_said_in_a_sentence(studio: Open) -> None:
    async with studio() as pilot:
        await open_form(pilot, "no-such-file.txt")
        await until(pilot, lambda: "✗" in screen_text(pilot.app))
        assert "no-such-file.txt" in screen_text(pilot.app)


@pytest.mark.parametrize("typed", ["~nobody-of-this-name", "x" * 300, "~nobody-of-this-name/"])
async def test_what_can_be_no_path_is_said_and_ends_nothing(studio: Open, typed: str) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        screen.query_one("#line-corpus", Line).field.value = typed
        await until(pilot, lambda: "✗" in screen.query_one("#card", Page).text)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, Browse))


async def test_what_is_heard_while_the_studio_closes_is_left(
    studio: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        heard: list[object] = []
        monkeypatch.setattr(screen, "answered", heard.append)
        monkeypatch.setattr(screen, "news", heard.append)
        for running in (True, False):
            with monkeypatch.context() as closing:
                # Textual's own flag, down before the screens' widgets are taken away.
                closing.setattr(pilot.app, "_running", running)
                pilot.app.on_said(Said(Answer(0)))
                pilot.app.on_news(News(None))
            assert len(heard) == 2
            assert pilot.app.is_running


async def test_choices_are_cycled_settings_checked_and_drafts_kept(
    studio: Open, tmp_path: Path
) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        screen.query_one("#line-cell", Line).field.focus()
        await pilot.press("right", "right")
        chosen = screen.query_one("#line-cell", Line).field.value
        assert chosen in recipe._of(ModelConfig)[0].choices
        await pilot.press("down")
        assert screen.focused is screen.query_one("#line-num_layers", Line).field
        await pilot.press(*"99")
        await until(pilot, lambda: "layers is 99" in screen_text(pilot.app))
        assert "layers is 99" in screen.query_one("#estimate", Page).text
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, NewRun))
        await pilot.press("escape")
    saved = json.loads((tmp_path / "studio.json").read_text())
    assert saved["drafts"]["new.num_layers"] == "99"
    async with studio() as pilot:
        screen = await open_form(pilot)
        assert screen.query_one("#line-num_layers", Line).field.value == "99"


async def test_typing_goes_on_where_it_was_when_there_is_room_again(studio: Open) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        field = screen.query_one("#line-hidden_size", Line).field
        field.focus()
        await pilot.press(*"12")
        await pilot.resize_terminal(50, 15)
        await until(pilot, lambda: "needs 60x16" in screen_text(pilot.app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: screen.focused is field)
        await pilot.pause()
        await pilot.press("8")
        await until(pilot, lambda: field.value == "128")


async def test_a_crash_loses_nothing_that_was_typed(studio: Open, tmp_path: Path) -> None:
    """The settings are on the disk while the studio goes on, not only when it ends."""
    saved = tmp_path / "studio.json"
    async with studio() as pilot:
        await open_form(pilot, "")
        await pilot.press(*"my plays")
        await until(pilot, lambda: saved.exists() and "my plays" in saved.read_text())


async def test_the_browser_finds_a_file(
    studio: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "texts" / "inner"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("aaa")
    (folder / "b.txt").write_text("bbb")
    monkeypatch.chdir(tmp_path / "texts")
    async with studio() as pilot:
        screen = await open_form(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, Browse))
        await pilot.press(*"inn", "enter")
        await until(pilot, lambda: "b.txt" in screen_text(pilot.app))
        await pilot.press("b", "enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.query_one("#line-corpus", Line).field.value.endswith("inner/b.txt")


async def test_the_browser_shows_a_folder_in_which_a_link_leads_nowhere(
    studio: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "lost.txt").symlink_to("nowhere")
    for name in ("b.txt", "c.txt", "a.txt"):
        (folder / name).write_text("text")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("tui.browse.MOST", 2)
    async with studio() as pilot:
        await open_form(pilot)
        await pilot.press("f3")
        # Of too many the first are shown, and of those that were narrowed to.
        await until(pilot, lambda: "b.txt" in screen_text(pilot.app))
        assert "a.txt" in screen_text(pilot.app)
        await pilot.press("l")
        await until(pilot, lambda: "lost.txt" in screen_text(pilot.app))


async def test_keys_in_one_burst_lead_the_browser_where_they_were_meant_to(
    studio: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("inner", "other"):
        (tmp_path / "texts" / name).mkdir(parents=True)
        (tmp_path / "texts" / name / "b.txt").write_text(name)
    monkeypatch.chdir(tmp_path / "texts")
    async with studio() as pilot:
        screen = await open_form(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, Browse))
        burst(pilot, *"ox", "backspace", "t", "enter", "b", "enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.query_one("#line-corpus", Line).field.value.endswith("other/b.txt")


async def test_in_a_browser_no_text_is_seen_that_lies_elsewhere(
    studio: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mine.txt").write_text("mine " * 100)
    secret = tmp_path / "secret.txt"
    secret.write_text("Open your ears " * 100)
    (tmp_path / "texts" / "link.txt").symlink_to(secret)
    monkeypatch.chdir(tmp_path / "texts")
    monkeypatch.setattr("tui.app.Studio.is_web", True)
    async with studio() as pilot:
        screen = await open_form(pilot)
        field = screen.query_one("#line-corpus", Line).field
        suggested = field.suggester
        assert suggested is not None
        assert await suggested.get_suggestion(str(tmp_path) + "/se") is None
        assert await suggested.get_suggestion("mi") == "mine.txt"
        for name in (str(secret), "link.txt", "../secret.txt"):
            field.value = name
            await until(pilot, lambda: "✗" in screen.query_one("#card", Page).text)
            assert "is not in the folder" in screen.query_one("#card", Page).text
            await pilot.press("f5")
            await until(pilot, lambda: len(pilot.app._notifications) > 0)
            assert not pilot.app.jobs.live()  # type: ignore[attr-defined]
            field.value = ""
            await until(pilot, lambda: "✗" not in screen.query_one("#card", Page).text)
        await pilot.press("f3")
        await until(pilot, lambda: "mine.txt" in screen_text(pilot.app))
        rows = pilot.app.screen.query_one(Rows)
        assert [row.key for row in rows._rows] == [".", "=link.txt", "=mine.txt"]
        await pilot.press(*"link", "enter", "backspace")
        assert isinstance(pilot.app.screen, Browse)


async def test_f5_starts_the_trainer_detached_and_opens_it(
    studio: Open, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is run as it stands; here a stand-in notes what it was told and fails."""
    text = tmp_path / "text.txt"
    text.write_text("hello " * 100)
    noted = tmp_path / "noted.json"
    stand_in = f"import json, sys; json.dump(sys.argv[1:], open({str(noted)!r}, 'w')); sys.exit('the disk is full')"
    monkeypatch.setattr("tui.launch.command", lambda *words: ["python", "-c", stand_in, *words])
    async with studio() as pilot:
        screen = await open_form(pilot, str(text))
        screen.query_one("#line-minutes", Line).field.value = "2"
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, Live))
        await until(pilot, lambda: "the disk is full" in screen_text(pilot.app))
    words = json.loads(noted.read_text())
    assert words[:4] == ["train", str(text), "--name", "text"]
    assert words[-2:] == ["--minutes", "2"]
    assert words[words.index("--runs") + 1] == str(runs)


async def test_a_refused_start_loses_nothing_that_was_typed(
    studio: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("hello " * 100)
    refuses = "import sys; sys.exit('rnnstudio: this is no text\\n  → is it the right file?')"
    monkeypatch.setattr("tui.launch.command", lambda *_: [sys.executable, "-c", refuses])
    async with studio() as pilot:
        screen = await open_form(pilot, str(text))
        screen.query_one("#line-minutes", Line).field.value = "77"
        await pilot.press("f5")
        await until(pilot, lambda: "✗ not started" in screen_text(pilot.app))
        shown = screen_text(pilot.app)
        assert "this is no text" in shown
        assert "is it the right file?" in shown
        assert "on their way" not in shown
        await pilot.press("r")
        await until(pilot, lambda: "the same in a shell" in screen_text(pilot.app))
        form = pilot.app.screen
        assert form.query_one("#line-corpus", Line).field.value == str(text)
        assert form.query_one("#line-minutes", Line).field.value == "77"


async def test_what_was_typed_for_a_run_is_forgotten_once_the_run_is_there(
    studio: Open, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("hello " * 100)
    script = (
        f"import pathlib, sys; p = pathlib.Path({str(runs / 'text')!r})\n"
        "if sys.argv[1] == 'train': p.mkdir(); (p / 'run.json').write_text('{}')"
    )  # the check of the text is a command too
    monkeypatch.setattr("tui.launch.command", lambda *w: [sys.executable, "-c", script, *w])
    async with studio() as pilot:
        screen = await open_form(pilot, str(text))
        screen.query_one("#line-minutes", Line).field.value = "77"
        await pilot.press("f5")
        drafts = pilot.app.remembered.drafts  # type: ignore[attr-defined]
        await until(pilot, lambda: (runs / "text" / "run.json").exists())
        await until(pilot, lambda: not drafts)


async def test_what_is_left_empty_is_the_parents_that_is_named_now(
    studio: Open, runs: Path
) -> None:
    path = recorded.make_run(runs, "plays", recorded.finished())
    async with studio() as pilot:
        screen = await open_form(pilot)
        hidden = screen.query_one("#line-hidden_size", Line).field
        assert hidden.placeholder == "chosen"
        await pilot.press("f2")
        await until(pilot, lambda: bool(screen.query("#line-parent")))
        screen.query_one("#line-parent", Line).field.value = str(path)
        await until(pilot, lambda: hidden.placeholder == "192")
        screen.query_one("#line-parent", Line).field.value = ""
        await until(pilot, lambda: hidden.placeholder == "chosen")


async def test_a_speed_that_cannot_be_measured_is_not_waited_for(studio: Open) -> None:
    async with studio(size=(160, 48)) as pilot:
        screen = await open_form(pilot, "abc-tunes")
        estimate = screen.query_one("#estimate", Page)
        assert "once there is a text" in estimate.text
        screen._card = {"chars": 1_000_000, "vocabulary": 60}
        screen._show_estimate()
        assert "measuring this machine" in estimate.text
        screen.answered(Answer(screen._timing, error="it is ill", last=True))
        assert "its speed is not known" in estimate.text


@pytest.mark.parametrize("leave", ["down", "tab", "enter"])
async def test_keys_typed_in_one_burst_each_reach_their_field(studio: Open, leave: str) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        first, second = (
            screen.query_one(f"#line-{name}", Line).field for name in ("corpus", "name")
        )
        burst(pilot, "a", "b", leave, "k", "1")
        await until(pilot, lambda: len(first.value + second.value) == 4)
        assert (first.value, second.value) == ("ab", "k1")


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        (["m", "n", "o", "backspace", "backspace", "backspace", "a", "b", "c"], "abc"),
        (["m", "n", "home", "delete", "a", "end", "b"], "anb"),
        (["m", "n", "left", "a", "right", "b"], "manb"),
        (["m", "n", "ctrl+a", "ctrl+k", "a"], "a"),
        (["m", "n", "ctrl+u", "a", "b", "ctrl+w", "c"], "c"),
    ],
)
async def test_keys_that_edit_act_in_the_order_in_which_they_were_typed(
    studio: Open, keys: list[str], typed: str
) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        first, second = (
            screen.query_one(f"#line-{name}", Line).field for name in ("corpus", "name")
        )
        burst(pilot, *keys, "tab", "k")
        await pilot.pause()
        assert (first.value, second.value) == (typed, "k")


async def test_a_choice_is_taken_by_the_key_that_a_person_gave_it(studio: Open) -> None:
    async with studio() as pilot:
        screen = await open_form(pilot)
        field = screen.query_one("#line-cell", Line).field
        field.focus()
        pilot.app.set_keymap({"value.after": "ctrl+b"})
        await pilot.press("right")
        assert not field.value
        await pilot.press("ctrl+b")
        assert field.value


async def test_panes_tell_nothing_of_a_text_that_is_no_longer_named(
    studio: Open, tmp_path: Path
) -> None:
    text = tmp_path / "page.txt"
    text.write_text("<p>Rumour &amp; Falstaff</p>\n" * 400)
    async with studio(size=(160, 48)) as pilot:
        screen = await open_form(pilot, str(text))
        await until(pilot, lambda: "F6 mends a copy" in screen_text(pilot.app))
        await until(pilot, lambda: "epochs" in screen.query_one("#estimate", Page).text)
        field = screen.query_one("#line-corpus", Line).field
        field.value = str(tmp_path / "none.txt")
        await until(pilot, lambda: "none.txt" in screen.query_one("#card", Page).text)
        assert "epochs" not in screen.query_one("#estimate", Page).text
        assert "F6 mends" not in screen_text(pilot.app)
