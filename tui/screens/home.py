"""Home: the corpora and the runs, and what each can be done with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from textual import events
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from checkpoints.errors import RnnStudioError, RunError
from checkpoints.runs import RECORD, RunFolder, remove, safe_name
from corpora import catalogue, genres
from tui import words
from tui.browse import Browse
from tui.child import Answer
from tui.dialogs import Ask, Choose
from tui.launch import open_folder
from tui.literal import one_line
from tui.screens.base import StudioScreen
from tui.series import sparkline
from tui.telling import STATE_KINDS, is_dead
from tui.watch import Followed
from tui.widgets.ink import Span, fit
from tui.widgets.page import Page
from tui.widgets.rows import Row, Rows

ADD = "+ add"
FIRST = "abc-tunes"
AGES_S = 60.0
NO_RUNS = """\

  No runs yet.

  f      a first run: two minutes on folk tunes,
         made here, no network needed
  enter  on a corpus at the left: a run on it
  a      a text of your own
"""


class Home(StudioScreen):
    TITLE = "home"
    ABOUT = """\
Corpora at the left, runs at the right, the newest words of the run under the cursor below.
A run is a folder: it goes on without the studio, and whoever started it, it can be opened here."""
    CSS_PATH = "home.tcss"
    BINDINGS = [
        Binding("n", "new", "New", id="home.new"),
        Binding("a", "add", "Add a text", id="home.add"),
        Binding("f", "first", "First run: two minutes on folk tunes", show=False, id="home.first"),
        Binding("c", "compare", "Compare", id="home.compare", show=False),
        Binding("space", "mark", "Mark", id="home.mark", show=False),
        Binding("r", "resume", "Resume", id="home.resume"),
        Binding("b", "fork", "Fork", id="home.fork", show=False),
        Binding("e", "rename", "Rename", id="home.rename", show=False),
        Binding(
            "delete,backspace", "delete", "Delete", key_display="del", id="home.delete", show=False
        ),
        Binding("o", "reveal", "Show the folder", id="home.reveal", show=False),
        Binding("slash", "filter", "Filter", key_display="/", id="home.filter"),
        Binding("y", "copy", "Copy the last words", id="home.copy", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._adding: dict[int, Path] = {}
        """The texts that are read before they are added, by the request."""
        self._runs: dict[str, Followed] = {}

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="home"):
            yield Rows(id="corpora")
            with Vertical(id="right"):
                yield Rows(id="runs", empty=NO_RUNS, marking=True)
                yield Page(id="words")

    def on_mount(self) -> None:
        for selector, title in (
            ("#corpora", "corpora"),
            ("#runs", "runs"),
            ("#words", "last words"),
        ):
            self.query_one(selector).add_class("pane")
            self.entitle(selector, title)
        self._show_corpora()
        self._show_runs()
        # Runs are read a moment later.
        first = next(self.studio.runs_dir.glob(f"*/{RECORD}"), None)
        self.query_one("#runs" if first else "#corpora", Rows).focus()
        self.set_interval(AGES_S, self._show_runs)

    def on_screen_resume(self) -> None:
        self._show_corpora()
        self._show_runs()

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self._show_runs)

    def news(self, runs: Sequence[Followed] | None) -> None:
        if runs is None:
            self._show_runs()

    def _show_corpora(self) -> None:
        try:
            known = catalogue.entries()
        except RnnStudioError as error:
            self.studio.say(error.message, hint=error.hint, grave=True)
            known = {}
        rows: list[Row] = []
        for heading, how in (("", False), ("─ yours ─", True)):
            group = [e for e in known.values() if (e.how == "yours") == how]
            if heading:
                rows.append(Row("", ((f"  {heading}", "dim"),)))
            for entry in group:
                known_genre = entry.genre in genres.names()
                note = "♪" if known_genre and genres.find(entry.genre).music else ""
                rows.append(
                    Row(
                        entry.name,
                        (
                            *fit([(f" {one_line(entry.name, 16)}", "")], 17),
                            (f" {words.size(entry.size) if entry.size else '':>7} ", "dim"),
                            (f"{note:1}", "accent"),
                        ),
                    )
                )
        rows.append(Row(ADD, ((" + add a text…", "accent"),)))
        self.query_one("#corpora", Rows).show(rows)
        self._corpora = len(known)

    def _show_runs(self) -> None:
        runs = self.studio.watcher.known()
        self._runs = {str(run.path): run for run in runs}
        now = time.time()
        table = self.query_one("#runs", Rows)
        table.marked = [key for key in table.marked if key in self._runs]
        # What is left for the name beside marks (2), glyph (2), state (9), bits (7) and curve (9).
        room = table.scrollable_content_region.width - 29
        wide = room >= 40
        name_width = min(max(12, room - (24 if wide else 0)), 44)
        rows = [
            Row(str(run.path), tuple(self._row(run, now, name_width, wide=wide)))
            for run in runs
            if self._filter.lower() in run.path.name.lower()
        ]
        if rows:
            head = f"  {'name':<{name_width}} {'state':<9}{'bits':>6} {'curve':<8}"
            rows.insert(
                0,
                Row(
                    "", ((head + (f" {'genre':<11}{'size':>7} {'age':>4}" if wide else ""), "dim"),)
                ),
            )
        table.empty = NO_RUNS if not runs else "\n  no run's name contains this filter"
        table.show(rows)
        self._entitle_runs()
        live = sum(run.state.live for run in runs)
        parts = [
            f"{len(runs)} run{'s' * (len(runs) != 1)}",
            f"{live} live" if live else "",
            f"{self._corpora} {'corpus' if self._corpora == 1 else 'corpora'}",
        ]
        self.head(("  " + " · ".join(p for p in parts if p), "dim"))
        self._show_words()

    def _entitle_runs(self) -> None:
        marked = len(self.query_one("#runs", Rows).marked)
        self.entitle(
            "#runs",
            f"runs containing {self._filter}" if self._filter else "runs",
            f"{marked} marked · c compare" if marked > 1 else "enter open · space mark",
        )

    def _row(self, run: Followed, now: float, name_width: int, *, wide: bool) -> Iterable[Span]:
        view, state = run.view, run.state
        best = view.best
        kind = STATE_KINDS.get(state.word, "dim")
        curve = [b.mean for b in view.valid.buckets] or [b.mean for b in view.train.buckets]
        yield f"{state.glyph} ", kind
        name = one_line(run.path.name, name_width)
        yield from fit([(name, "title" if state.live else "")], name_width)  # by cells: 文 has two
        yield " ", ""
        yield f"{state.word:<9}", kind
        yield f"{words.bits(best.bits_per_char if best else None):>6} ", ""
        yield f"{sparkline(curve, 8):<8}", "line-0"
        if wide:
            genre, size, age = self._about(run, now)
            yield f" {one_line(genre, 10):<11}{size:>7} {age:>4}", "dim"

    def _about(self, run: Followed, now: float) -> tuple[str, str, str]:
        """A run's genre, its parameters and its age; empty where it has not begun."""
        view = run.view
        started = view.started
        return (
            started.genre if started else "",
            words.number(started.parameters) if started else "",
            words.age(max(0.0, now - view.time)) if view.time else "",
        )

    def _show_words(self) -> None:
        run = self._runs.get(self.query_one("#runs", Rows).key)
        page = self.query_one("#words", Page)
        if run is None:
            self.entitle("#words", "last words", "")
            page.show([("What the run under the cursor wrote last stands here.", "dim")])
            return
        samples = run.view.latest_samples()
        state = run.state
        if is_dead(state):
            self.entitle("#words", f"{run.path.name}: {state.word}", "r resume")
            failed = run.view.failed
            text = failed.text if failed else "Its process is gone without a last word."
            spans: list[Span] = [(text + "\n", "bad")]
            spans.append(
                (
                    (failed.hint if failed else "")
                    or "r resumes it from its newest whole checkpoint.",
                    "",
                )
            )
            page.show(spans)
            return
        if not samples:
            self.entitle("#words", run.path.name, "")
            page.show([("It has written nothing yet.", "dim")])
            return
        sample = min(samples, key=lambda s: abs(s.temperature - 0.8))
        genre, size, age = self._about(run, time.time())
        when = f"{age} ago" if age and age != "now" else age
        self.entitle(
            "#words",
            f"{run.path.name} @ {sample.step:,}",
            f"{genre} · {size} · {when} · T {sample.temperature:g} · y copy",
        )
        page.show([(sample.prime, "prime"), (sample.text, "")])

    def on_rows_moved(self, event: Rows.Moved) -> None:
        if event.rows.id == "runs":
            self._show_words()

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        if event.rows.id == "runs":
            self.studio.open_live(Path(event.key))
        elif event.key == ADD:
            self.action_add()
        else:
            self.studio.open_new(event.key)

    def _run(self) -> Followed | None:
        run = self._runs.get(self.query_one("#runs", Rows).key)
        if run is None:
            self.studio.say(
                "there is no run under the cursor", hint="choose one in the list of runs"
            )
        return run

    def action_back(self) -> None:
        if self._filter:
            self._filter = ""
            self._show_runs()
        else:
            super().action_back()

    def action_new(self) -> None:
        corpora = self.query_one("#corpora", Rows)
        chosen = corpora.key if corpora.has_focus and corpora.key != ADD else ""
        self.studio.open_new(chosen)

    def action_first(self) -> None:
        self.studio.open_new(FIRST, preset="quick")

    def action_add(self) -> None:
        """Enter a text of the user's in the list; it stays where it is."""

        def take(path: str | None) -> None:
            if path:
                self._look_at(Path(path))

        self.app.push_screen(Browse(Path.cwd(), self.studio.allowed), take)

    def _look_at(self, path: Path) -> None:
        if number := self.ask("corpus", paths=[str(path)]):
            self._adding[number] = path
            self.studio.say(f"reading {path.name}")

    def answered(self, answer: Answer) -> None:
        path = self._adding.pop(answer.id, None) if answer.last else None
        if path is None:
            return
        if answer.done is None:
            self.studio.say(answer.error, hint=answer.hint, grave=True)
            return
        genre = str(answer.done.get("genre", "prose"))

        def add() -> None:
            catalogue.add(path, name=free_entry(path), genre=genre)
            self._show_corpora()

        self.studio.attempt(add, f"added {path.name}: {answer.done.get('genre_title', genre)}")

    def action_mark(self) -> None:
        self.query_one("#runs", Rows).toggle_mark()
        self._entitle_runs()

    def action_compare(self) -> None:
        """The marked runs side by side."""
        from tui.screens.compare import MOST, Compare

        marked = self.query_one("#runs", Rows).marked
        if not 2 <= len(marked) <= MOST:
            self.studio.say(
                f"mark two to {MOST} runs to compare", hint="space marks the run under the cursor"
            )
            return
        self.app.push_screen(Compare([Path(key) for key in marked]))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one("#words", Page).text)
        self.studio.say("copied the last words")

    def action_reveal(self) -> None:
        run = self._run()
        if run is not None and (not self.app.is_web and open_folder(run.path)):
            self.studio.say(f"opened {run.path}")
        elif run is not None:
            self.app.copy_to_clipboard(str(run.path.absolute()))
            self.studio.say(str(run.path.absolute()), hint="(copied)")

    def action_resume(self) -> None:
        run = self._run()
        if run is None:
            return
        if run.pid is not None:
            self.studio.open_live(run.path)
            return
        if self.studio.resume(run):
            self.studio.open_live(run.path)

    def _idle(self) -> Followed | None:
        """The run under the cursor, unless it is being trained."""
        run = self._run()
        if run is not None and run.pid is not None:
            self.studio.say(f"{run.path.name} is being trained", hint="enter opens it, X stops it")
            return None
        return run

    def action_fork(self) -> None:
        run = self._run()
        if run is not None:
            self.studio.fork(run.path, run.view)

    def action_filter(self) -> None:
        def take(text: str | None) -> None:
            if text is not None:
                self._filter = text.strip()
                self._show_runs()

        self.app.push_screen(Ask("filter", "Runs whose name contains:", self._filter), take)

    def action_rename(self) -> None:
        run = self._idle()
        if run is None:
            return
        path = run.path

        def wrong(text: str) -> str:
            if not text.strip() or safe_name(text) != text.strip():
                return f"a name as a folder can have, for example {safe_name(text)}"
            return (
                "there is a run of that name"
                if text != path.name and (path.parent / text).exists()
                else ""
            )

        def take(text: str | None) -> None:
            if text and text != path.name:
                self.studio.attempt(lambda: rename(path, text.strip()), f"renamed to {text}")
                self.studio.watcher.look_now()

        self.app.push_screen(Ask("rename", f"A new name for {path.name}:", path.name, wrong), take)

    def action_delete(self) -> None:
        run = self._idle()
        if run is None:
            return
        folder = RunFolder(run.path)

        def answer(what: str | None) -> None:
            if what == "delete":
                self.studio.attempt(lambda: remove(folder), f"removed {folder.name}")
                self.studio.watcher.look_now()

        saved = len(folder.checkpoints())
        text = f"{run.path.name} with {saved} checkpoints, {words.size(folder.size_bytes())}. This cannot be undone."
        self.app.push_screen(
            Choose(
                "delete a run",
                text,
                [("keep", "keep it"), ("delete", "delete it with everything it wrote")],
            ),
            answer,
        )


def free_entry(path: Path) -> str:
    """The name under which a text is added: the file's, with a number where another text has it."""
    known = catalogue.entries()
    name = stem = safe_name(path.stem)
    number = 1
    while name in known and not (
        known[name].how == "yours" and catalogue.cached(name) == path.resolve()
    ):
        number += 1
        name = f"{stem}-{number}"
    return name


def rename(path: Path, name: str) -> None:
    """Give a run's folder another name. Raises RunError while it is being trained."""
    from checkpoints.lock import TrainerLock

    target = path.with_name(name)
    if target.exists():
        raise RunError(f"there is a run called {name}", hint="choose another name")
    with TrainerLock(path):
        pass
    path.rename(target)
