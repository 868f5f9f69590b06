"""The playground: a real model behind a real pipe."""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpoints import checkpoint
from checkpoints.lock import TrainerLock
from rnnstudio.playground import Playground as Answering
from rnnstudio.playground import _likely
from tests.tui import recorded
from tests.tui.conftest import Open, burst, screen_text, until
from tui.child import Answer
from tui.paper import Paper, Voice
from tui.screens.playground import Playground
from tui.widgets.field import Field
from tui.widgets.page import Page
from tui.widgets.rows import Rows
from tui.widgets.sliders import Sliders
from tui.widgets.surprise import Surprise, beside

Ask = Callable[..., tuple[list[Any], dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(trained: Path) -> Ask:
    """Asks the answering side itself, in this process."""
    pieces: list[Any] = []
    side = Answering(lambda part: pieces.append(part["piece"]), lambda: True)

    def ask_(op: str, **body: Any) -> tuple[list[Any], dict[str, Any]]:
        pieces.clear()
        model = {"model": str(trained), "runs": str(trained.parent)}
        return pieces, side.answer({"op": op, **model, **body})

    return ask_


def test_it_writes_what_the_command_line_would(ask: Ask, trained: Path) -> None:
    from engine.config import SampleConfig
    from engine.load import open_run
    from engine.sampling.sampler import Sampler
    from engine.sampling.stream import Request

    pieces, answer = ask("write", prompt="the ", seed=3, length=50, settings={"temperature": 0.7})
    loaded = open_run(str(trained), trained.parent)
    sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
    request = Request(seed=3, prime="the ", config=SampleConfig(temperature=0.7), length=50)
    (expected,) = sampler.write([request])
    assert "".join(pieces) == expected.text
    assert answer["done"]["nats_per_char"] == pytest.approx(expected.nats_per_char)


def test_a_prompt_is_read_in_characters_that_the_model_knows_and_that_is_said(ask: Ask) -> None:
    body = {"seed": 3, "length": 20}
    (reading, *pieces), _ = ask("write", prompt="Thé 世", **body)
    assert reading["prime"] == "the 世"
    assert "'t' for 'T', 'e' for 'é'" in reading["notes"][0]
    assert "never saw '世'" in reading["notes"][1]
    written = "".join(pieces)
    (again, *pieces), _ = ask("write", prompt="the 世", **body)
    assert again["notes"] == reading["notes"][1:]
    assert "".join(pieces) == written
    known, _ = ask("write", prompt="the", **body)
    assert all(isinstance(piece, str) for piece in known)
    assert ask("next", text="Thé", count=5) == ask("next", text="the", count=5)


def test_the_next_tokens_have_the_models_probabilities(ask: Ask) -> None:
    _, answer = ask("next", text="the kin", settings={"top_k": 1}, count=5)
    tokens = answer["done"]["tokens"]
    assert [t["p"] for t in tokens] == sorted((t["p"] for t in tokens), reverse=True)
    assert tokens[0]["q"] == pytest.approx(1.0)
    assert all(t["q"] == 0 for t in tokens[1:])
    _, everything = ask("next", text="the kin", settings={}, count=10_000)
    assert sum(t["p"] for t in everything["done"]["tokens"]) == pytest.approx(1.0)
    bits = -sum(t["p"] * math.log2(t["p"]) for t in everything["done"]["tokens"] if t["p"] > 0)
    assert everything["done"]["entropy_bits"] == pytest.approx(bits)


def test_surprise_adds_up_to_the_texts_likelihood(ask: Ask, trained: Path) -> None:
    from engine.evaluation import score
    from engine.load import open_run

    text = "what sword xq " * 40  # longer than one chunk of reading
    _, answer = ask("surprise", text=text)
    rows = answer["done"]["tokens"]
    assert "".join(row["text"] for row in rows) == text
    loaded = open_run(str(trained), trained.parent)
    measured = score(loaded.model, loaded.tokenizer, text, documents=loaded.documents)
    assert answer["done"]["nats"] == pytest.approx(measured.nats_per_char * len(text), rel=1e-4)
    assert all(len(row["rather"]) == 5 for row in rows)


def test_a_character_that_is_spelled_is_told_as_one_and_half_of_one_puts_nothing(
    ask: Ask, trained: Path
) -> None:
    from engine.load import open_run

    _, answer = ask("surprise", text="the é")
    *_, spelled = answer["done"]["tokens"]
    assert spelled["text"] == "é"
    _, before = ask("next", text="the ", count=5)
    assert [t["text"] for t in spelled["rather"]] == [t["text"] for t in before["done"]["tokens"]]
    loaded = open_run(str(trained), trained.parent)
    (letter,) = loaded.tokenizer.encode("k")
    assert _likely(loaded, int(letter), 0.5) == {"text": "k", "p": 0.5, "put": "k"}
    assert _likely(loaded, 14, 0.5) == {"text": "<E>", "p": 0.5, "put": ""}


def test_a_checkpoint_that_was_written_anew_is_read_anew(
    ask: Ask, trained: Path, tmp_path: Path
) -> None:
    """A run of the same name, or one resumed from before that step."""
    run = shutil.copytree(trained, tmp_path / "tiny")
    early, late = (run / checkpoint.folder_name(step) for step in (40, 80))
    body = {"model": f"{run}@80", "text": "the", "count": 5}
    first = ask("next", **body)[1]
    assert ask("next", **body)[1] == first
    checkpoint.write_checkpoint(run, 80, checkpoint.read_checkpoint(early))
    written = ask("next", **body)[1]
    assert written == ask("next", **{**body, "model": f"{run}@40"})[1] != first
    shutil.rmtree(late)
    assert ask("next", **body)[1] == written  # pruned meanwhile: what is held goes on writing


def test_faults_are_sentences(ask: Ask) -> None:
    assert "there is no run" in ask("next", model="nosuch")[1]["error"]
    assert (
        "temperature" in ask("write", prompt="", seed=1, settings={"temperature": -1})[1]["error"]
    )
    assert ask("nonsense")[1]["error"]


@pytest.mark.parametrize("op", ["next", "surprise", "write"])
def test_a_model_that_diverged_is_a_sentence_too(ask: Ask, tmp_path: Path, op: str) -> None:
    import torch

    from tests.engine import checkpoint as made
    from tests.engine import tiny

    letters = tiny.tokenizer()
    model = tiny.model(letters.vocab_size)
    with torch.no_grad():
        model.output_bias.fill_(math.nan)
    made.write(tmp_path / "burnt", 10, made.files(model, letters))
    _, answer = ask(op, model=str(tmp_path / "burnt"), text="ab", prompt="ab", seed=1)
    assert "not a number" in answer["error"]


@pytest.mark.parametrize("named", [".", "**"])
def test_a_corpus_no_longer_wanted_stops_while_its_folders_are_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """`/` would take minutes, and what is asked next would wait for it."""
    (tmp_path / "one" / "two").mkdir(parents=True)
    (tmp_path / "one" / "two" / "text.txt").write_text("text")
    monkeypatch.chdir(tmp_path)
    looks = iter([True, False])
    side = Answering([].append, lambda: next(looks))
    monkeypatch.setattr("corpora.reading._read", pytest.fail)
    body = {"op": "corpus", "paths": [named], "cache": str(tmp_path / "cache")}
    assert side.answer(body) == {"stopped": True}


def test_the_loop_answers_in_order_and_stops_what_is_no_longer_wanted(trained: Path) -> None:
    from rnnstudio.playground import serve

    model = {"model": str(trained), "runs": str(trained.parent)}
    told: list[dict[str, Any]] = []
    stop = threading.Event()

    class Out:
        def write(self, line: str) -> None:
            told.append(json.loads(line))
            if "piece" in told[-1]:
                stop.set()  # it has begun to write without end

        def flush(self) -> None:
            pass

    def lines() -> Iterator[str]:
        yield json.dumps({"id": 1, "op": "write", "prompt": "the", "seed": 1, "length": 0, **model})
        yield "no request\n"
        assert stop.wait(60)
        yield json.dumps({"op": "stop", "id": 1})
        yield json.dumps({"id": 2, "op": "next", "text": "the", **model})
        while not any(t["id"] == 2 for t in told):
            stop.wait(0.01)

    serve(lines(), Out())  # type: ignore[arg-type]
    assert next(t for t in told if t["id"] == 1 and "piece" not in t) == {"id": 1, "stopped": True}
    assert told[-1]["done"]["tokens"]


@pytest.fixture
def run(trained: Path, runs: Path) -> Path:
    shutil.copytree(trained, runs / "tiny")
    return runs / "tiny"


async def test_a_prompt_is_continued_rerolled_and_taken_back(studio: Open, run: Path) -> None:
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one(Sliders).set("length", 50)
        await pilot.press(*"the ", "enter")
        paper = screen.query_one("#paper", Page)
        await until(pilot, lambda: "seed 1" in screen_text(pilot.app), "written")
        first = paper.text
        assert first.startswith("the ")
        assert len(first) == 54
        await until(pilot, lambda: "bits open" in screen_text(pilot.app), "what may come next")
        await pilot.press("r")
        await until(pilot, lambda: "seed 2" in screen_text(pilot.app))
        assert paper.text != first
        await pilot.press("u")
        await until(pilot, lambda: paper.text == first)
        await pilot.press("enter")
        await until(pilot, lambda: paper.text.startswith(first) and len(paper.text) == 104)


async def test_a_prompt_is_shown_as_it_is_read_and_why_is_said_once(
    studio: Open, run: Path
) -> None:
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        said: list[str] = []
        screen.studio.say = lambda text, **_: said.append(text)  # type: ignore[method-assign]
        screen.query_one(Sliders).set("length", 50)
        screen.query_one("#prompt", Field).value = "Thé 世"
        await pilot.press("enter")
        await until(pilot, lambda: "seed 1 · " in screen_text(pilot.app))
        assert screen.query_one("#paper", Page).text.startswith("the 世")
        await pilot.press("r")
        await until(pilot, lambda: "seed 2 · " in screen_text(pilot.app))
        assert len(said) == 2
        assert "'e' for 'é'" in said[0]
        assert "never saw '世'" in said[1]


async def test_a_prompt_corrected_in_a_burst_is_the_one_that_is_continued(
    studio: Open, run: Path
) -> None:
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: isinstance(pilot.app.focused, Field))
        burst(pilot, *"my", "backspace", "backspace", *"the", "enter", "q")
        await pilot.pause()
        assert screen._papers[0].base == "the"


async def test_remembered_numbers_are_those_that_there_are(studio: Open, run: Path) -> None:
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run)
        drafts = {"temperature": "nan", "seed": "1e9", "top_p": "?", "length": "60"}
        for name, value in drafts.items():
            pilot.app.remembered.drafts[f"play.{name}"] = value  # type: ignore[attr-defined]
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        values = screen.query_one(Sliders).values
        assert [values[name] for name in drafts] == [0.0, 999.0, 1.0, 60.0]


async def test_a_text_stays_under_the_name_of_what_wrote_it(studio: Open, run: Path) -> None:
    async with studio() as pilot:
        screen = Playground(run, 80)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one(Sliders).set("length", 50)
        paper = screen.query_one("#paper", Page)

        def frame() -> str:
            return f"{paper.border_title} {paper.border_subtitle}"

        await pilot.press(*"the ", "enter")
        await until(pilot, lambda: "seed 1 · " in frame())
        written = frame()
        assert "@ 80 · T 0.8 " in written
        await pilot.press("comma", "T")
        await until(pilot, lambda: "tiny next: @ 40\n" in screen_text(pilot.app))
        assert frame() == written
        await pilot.press("r")
        await until(pilot, lambda: "seed 2 · " in frame())
        assert "@ 40 · T 0.85 " in frame()
        assert "next:" not in screen_text(pilot.app)
        await pilot.press("u")
        await until(pilot, lambda: frame() == written)


async def test_surprise_stays_under_the_name_of_whom_it_surprised(
    studio: Open, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run, 80)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one("#prompt", Field).value = "the king"
        await pilot.press("escape", "w")
        await until(pilot, lambda: "surprise @ 80" in screen_text(pilot.app))
        answered: list[Answer] = []
        with monkeypatch.context() as slow:
            slow.setattr(screen, "answered", answered.append)
            await pilot.press("comma")
            await until(pilot, lambda: any(answer.last for answer in answered))
            assert "surprise @ 80" in screen_text(pilot.app)
        for answer in answered:
            screen.answered(answer)
        await until(pilot, lambda: "surprise @ 40" in screen_text(pilot.app))


async def test_surprise_shows_what_it_would_rather_have_written_and_takes_it(
    studio: Open, run: Path
) -> None:
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one("#prompt", Field).value = "the kingq"
        await pilot.press("escape", "w")
        await until(pilot, lambda: "rather" in screen_text(pilot.app))
        await pilot.press(*["right"] * 8)
        await until(pilot, lambda: "here: 'q'" in screen_text(pilot.app))
        here = screen.query_one(Surprise).here
        assert here is not None
        wanted = here["rather"][0]["text"]
        await pilot.press("1")
        paper = screen.query_one("#paper", Page)
        await until(pilot, lambda: paper.text.startswith("the king" + wanted))


async def test_surprise_has_the_place_of_the_text_and_gives_it_back(
    studio: Open, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys act where it has the focus; one asked for before another text was written is no longer wanted."""
    async with studio(size=(100, 30)) as pilot:
        screen = Playground(run, 80)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one("#prompt", Field).value = "the king"
        paper, surprise = screen.query_one("#paper"), screen.query_one(Surprise)
        await pilot.press("escape", "z", "w")
        await until(pilot, lambda: screen.maximized is surprise and screen.focused is surprise)
        await pilot.press("w", "z", "2")
        await until(pilot, lambda: screen.focused is screen.query_one(Sliders))
        assert screen.maximized is None
        assert paper.display
        answered: list[Answer] = []
        with monkeypatch.context() as slow:
            slow.setattr(screen, "answered", answered.append)
            await pilot.press("w")
            await until(pilot, lambda: any("rather" in str(answer) for answer in answered))
            await pilot.press("u")
        for answer in answered:
            screen.answered(answer)
        assert paper.display
        assert not surprise.display


async def test_the_cursor_of_surprise_is_always_in_sight(studio: Open, runs: Path) -> None:
    text = "".join(f"line {n}\n\n" for n in range(60))
    path = recorded.make_run(runs, "plays", [recorded.started()])
    async with studio() as pilot:
        screen = Playground(path)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "no checkpoint" in screen_text(pilot.app))
        screen._papers[0].base = text
        screen._draw()
        await until(pilot, lambda: "line 59" in screen_text(pilot.app))
        screen.query_one("#paper").focus()
        await pilot.pause()
        surprise = screen.query_one(Surprise)
        screen._show_surprise([{"text": c, "nats": 1.0, "rather": []} for c in text])

        def before() -> str:
            return text[: surprise._at]

        await until(pilot, lambda: "line 0" in screen_text(pilot.app))
        await pilot.press("right", "down", "down", "up")
        await until(pilot, lambda: before() == "line 0\n")
        await pilot.press(*["down"] * 40)
        await until(pilot, lambda: before().endswith("\nline 20\n"))
        await until(pilot, lambda: "line 20" in screen_text(pilot.app))
        await pilot.press("w")
        await until(pilot, lambda: "line 59" in screen_text(pilot.app))


def test_lines_of_surprise_are_those_that_are_seen() -> None:
    tokens = [{"text": text} for text in ("ab", " ", "cd", " ", "e\n", "f")]
    assert beside(tokens, 0, 1, 4) == 2  # "ab ", "cd ", "e␤", "f"
    assert beside(tokens, 4, 1, 4) == 5
    assert beside(tokens, 3, -1, 4) == 1
    assert beside(tokens, 2, -2, 4) == 0
    assert beside(tokens, 2, 9, 4) == 5


async def test_a_second_model_writes_beside_the_first(studio: Open, run: Path) -> None:
    """Another checkpoint, or another run's best."""
    shutil.copytree(run, run.with_name("other"))
    async with studio(size=(120, 30)) as pilot:
        await until(pilot, lambda: "other" in screen_text(pilot.app))
        screen = Playground(run, 80)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one(Sliders).set("length", 50)
        await pilot.press(*"my ", "enter")
        await until(pilot, lambda: "seed 1" in screen_text(pilot.app))

        async def choose(*keys: str) -> None:
            await pilot.press("c")
            await until(pilot, lambda: isinstance(pilot.app.focused, Rows))
            await pilot.press(*keys)
            await until(pilot, lambda: screen_text(pilot.app).count("seed 1") == 2, "both wrote")

        first, second = (screen.query_one(f"#{name}", Page) for name in ("paper", "paper-2"))
        await choose("enter")
        assert first.text != second.text
        await pilot.press("c")
        await until(pilot, lambda: not second.display)
        await choose("end", "enter")
        assert "other @ " in screen_text(pilot.app)
        assert screen._beside is not None
        assert screen._beside.run.name == "other"
        assert (first.text == second.text) == (screen._beside.step == 80)


async def test_a_model_that_repeats_itself_is_noticed(studio: Open, run: Path) -> None:
    async with studio(size=(120, 30)) as pilot:
        screen = Playground(run)
        pilot.app.push_screen(screen)
        await until(pilot, lambda: "how it draws" in screen_text(pilot.app))
        screen.query_one(Sliders).set("temperature", 0)
        screen.query_one(Sliders).set("length", 700)
        await pilot.press(*"the ", "enter")
        await until(
            pilot, lambda: "it repeats itself" in screen.query_one("#paper").border_subtitle
        )
        await until(pilot, lambda: "a repetition of 1.3" in screen_text(pilot.app))


def test_whatever_is_written_over_can_be_taken_back() -> None:
    """By another seed or the same, or because a second model begins too."""
    paper, voice = Paper(), Voice(Path("run"), 80)
    paper.turn("the ")
    for text in ("king", "lord"):
        paper.begin(voice, "T 1")
        paper.written = text
    assert paper.text == "the lord"
    paper.take_back()
    assert paper.text == "the king"
    paper.take_back()
    assert paper.text == ""


async def test_checkpoints_come_and_go_while_the_run_goes_on(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", [recorded.started()])

    def save(step: int) -> None:
        checkpoint.write_checkpoint(
            path, step, {"config.json": b"{}"}, about={"nats_per_char": 2.2}
        )

    save(40)
    save(80)
    async with studio(size=(100, 30)) as pilot:
        pilot.app.push_screen(Playground(path, 80))
        await until(pilot, lambda: "plays @ 80" in screen_text(pilot.app))
        save(120)
        await pilot.press("escape", "full_stop")
        await until(pilot, lambda: "plays @ 120" in screen_text(pilot.app))
        shutil.rmtree(path / checkpoint.folder_name(80))
        await pilot.press("comma")
        await until(pilot, lambda: "plays @ 40" in screen_text(pilot.app))
        shutil.rmtree(path / checkpoint.folder_name(40))
        await pilot.press("question_mark")
        await pilot.press("escape")
        await until(pilot, lambda: "plays @ 120" in screen_text(pilot.app))


async def test_a_run_without_checkpoints_says_so(studio: Open, runs: Path) -> None:
    path = recorded.make_run(runs, "plays", recorded.history(until=50))
    async with studio(size=(100, 30)) as pilot:
        with TrainerLock(path):
            pilot.app.push_screen(Playground(path))
            await until(pilot, lambda: "k on the live screen" in screen_text(pilot.app))
        await pilot.press("escape", "full_stop")
        await until(pilot, lambda: "k on the live screen" not in screen_text(pilot.app))
        assert "has no checkpoint" in screen_text(pilot.app)
        await pilot.press("enter", "r", "u", "w", "c", "comma", "y")
