"""The studio: the application that holds the screens, the watcher, the settings and the palette.

It trains nothing. It starts `rnnstudio train` as a process of its own and reads run folders, so a run outlives the
studio and every run on the disk can be opened, whoever started it.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from textual.app import App, ScreenStackError
from textual.binding import Binding
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from checkpoints import lock
from checkpoints.errors import RnnStudioError
from checkpoints.paths import within
from checkpoints.runs import RunFolder
from tui import demo, dialogs, launch, pasting, settings, telling, themes
from tui.child import Answer, Child
from tui.door import Door, Plain
from tui.help import help_spans
from tui.literal import encodable, literal
from tui.palette import Actions
from tui.screens.base import StudioScreen
from tui.store import RunView
from tui.watch import Followed, Watcher

SAVE_S = 1.0
"""What was typed or moved is on the disk this soon, so that a crash loses no more."""


class News(Message):
    """The watcher read something: the followed runs that changed, or None where the list of runs did."""

    def __init__(self, runs: Sequence[Followed] | None) -> None:
        super().__init__()
        self.runs = runs


class Said(Message):
    """The playground's process answered."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Studio(App[None]):
    """`runs_dir` is the folder of runs; `open_run` a run to open on; `child` starts another playground process."""

    TITLE = "rnnstudio"
    CSS = dialogs.CSS
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar = {Actions}
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = [
        Binding("ctrl+p", "command_palette", "Palette", id="app.palette", priority=True),
        Binding("question_mark,f1", "help", "Help", key_display="?/F1", id="app.help"),
        Binding("ctrl+o", "hop", "Jump to a pane", show=False, id="app.jump"),
        Binding("ctrl+q", "leave", "Quit", show=False, id="app.quit", priority=True),
        Binding("f12", "about", "Versions and paths", show=False, id="app.about"),
        Binding("ctrl+t", "theme", "Next theme", show=False, id="app.theme"),
    ]

    def __init__(
        self,
        runs_dir: Path,
        *,
        open_run: Path | None = None,
        ascii_only: bool = False,
        settings_path: Path | None = None,
        demo: bool = False,
        child: list[str] | None = None,
    ) -> None:
        self.remembered_at = settings_path or settings.default_path()
        self.remembered, self._settings_fault = settings.load(self.remembered_at)
        self.ascii_only = ascii_only
        self.runs_dir = runs_dir
        self.open_run = open_run
        self.demo = demo
        # Textual takes NO_COLOR out of the environment; children get it back.
        colour = os.environ.get("NO_COLOR")
        self.jobs = launch.Jobs(runs_dir, {} if colour is None else {"NO_COLOR": colour})
        pasting.install()
        super().__init__()
        self._saving: Timer | None = None
        self.exporting = asyncio.Lock()
        """Held while a tune is exported: a second export of it waits and finds it there."""
        self.watcher = Watcher(runs_dir, self._tell)
        self.child = Child(self._said, child)
        self._filters_last: list[LineFilter] = [Door(), *([Plain()] if ascii_only else [])]
        for theme in themes.THEMES:
            self.register_theme(theme)

    def on_mount(self) -> None:
        from tui.screens.home import Home

        self.set_class(self.ascii_only, "-ascii")
        known = self.available_themes
        wanted = self.remembered.theme
        if wanted not in known:
            self.say(
                f"there is no theme called {wanted}", hint="choose another: ctrl+t", grave=True
            )
        self.theme = wanted if wanted in known else themes.INK.name
        if self.remembered.keys:
            self._use_keys(self.remembered.keys)
        if self._settings_fault:
            self.say(self._settings_fault, grave=True)
        self.push_screen(Home())
        self.watcher.start()
        self.set_interval(0.5, self._look_at_jobs)
        if self.open_run is not None:
            self.open_live(self.open_run)

    def _use_keys(self, keys: Mapping[str, str]) -> None:
        from tui import keymap

        good, wrong = keymap.usable(keys)
        self.set_keymap(good)
        for name, why in wrong.items():
            path = self.remembered_at
            self.say(f"{path}, line {settings.line_of(path, name)}: {why}", grave=True)

    def on_unmount(self) -> None:
        self.watcher.end()
        self.child.end()
        self.remember()

    def remember(self) -> None:
        """Save the settings now."""
        if self._saving is not None:
            self._saving.stop()
            self._saving = None
        try:
            settings.save(self.remembered, self.remembered_at)
        except (OSError, RnnStudioError) as error:
            self.say(f"the settings could not be saved: {error}", grave=True)

    def remember_soon(self) -> None:
        """Save the settings within a second, however much is typed in it."""
        if self._saving is None:
            self._saving = self.set_timer(SAVE_S, self.remember)

    def keep(self, field: str, text: str) -> None:
        """Keep what was typed in a field until it is used."""
        self.remembered.drafts[field] = text
        self.remember_soon()

    def lay_out(self, what: str, how: str) -> None:
        """Keep how somebody arranged a screen; empty where it is as it began."""
        if how:
            self.remembered.layout[what] = how
        else:
            self.remembered.layout.pop(what, None)
        self.remember_soon()

    def _tell(self, runs: list[Followed] | None) -> None:
        """From the watcher's thread."""
        if self.is_running:
            self.post_message(News(runs))

    def _said(self, answer: Answer) -> None:
        """From the child's reading thread."""
        if self.is_running:
            self.post_message(Said(answer))

    def on_said(self, message: Said) -> None:
        # What was said before the studio closed may be heard after, when its screens are being taken down.
        if not self.is_running:
            return
        # A dialog may cover the screen that asked.
        for screen in self.screen_stack:
            if isinstance(screen, StudioScreen):
                screen.answered(message.answer)

    def on_news(self, message: News) -> None:
        screen = self.front
        if screen is not None and self.is_running:
            screen.news(message.runs)

    @property
    def front(self) -> StudioScreen | None:
        """The studio's screen in front; None while a dialog covers it (it looks for news when it comes back)."""
        try:
            screen = self.screen
        except ScreenStackError:
            return None
        return screen if isinstance(screen, StudioScreen) else None

    def _look_at_jobs(self) -> None:
        begun, ended = self.jobs.look()
        for job in begun:  # what was typed has been used
            drafts = self.remembered.drafts
            for name, text in job.typed.items():
                if drafts.get(f"new.{name}") == text:
                    del drafts[f"new.{name}"]
            self.remember_soon()
        for job in ended:
            if job.fault:
                where = f"the whole log: {job.log}" if job.began else ""
                self.say(f"{job.name}: {job.fault}", hint=job.hint or where, grave=True)
            self.watcher.look_now()

    def say(self, text: str, *, hint: str = "", grave: bool = False) -> None:
        """A toast; any text, shown literally. One that still stands is shown anew, not twice."""
        message = literal(f"{text}\n{hint}" if hint else text)
        for standing in [n for n in self._notifications if n.message == message]:
            self._unnotify(standing, refresh=False)
        self.notify(
            message,
            severity="error" if grave else "information",
            timeout=10 if grave else 4,
            markup=False,
        )

    def attempt(self, what: Callable[[], object], done: str = "") -> bool:
        """Do something that may fail for a reason that the user can cause; every failure becomes a toast."""
        try:
            what()
        except RnnStudioError as error:
            self.say(error.message, hint=error.hint, grave=True)
            return False
        except OSError as error:
            what_failed = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            self.say(
                what_failed, hint="look at the folder's permissions and free space", grave=True
            )
            return False
        if done:
            self.say(done)
        return True

    def allowed(self, path: Path) -> bool:
        """Whether a text may be read: in a browser only what the folder holds that the studio was started in."""
        return not self.is_web or within(path, Path.cwd())

    def resume(self, run: Followed) -> bool:
        """Start a trainer that goes on where the run's last one ended; says so, or why there is none to start."""
        name = run.path.name
        if run.path in self.jobs.live():
            self.say(f"{name} is still starting", hint="a second trainer would be refused")
            return False
        if not telling.can_resume(run.state):
            self.say(
                f"{name} has nothing left to do",
                hint=telling.way_on(run.state, run.view),
                grave=True,
            )
            return False
        words = ["resume", str(run.path)]
        return self.attempt(lambda: self.jobs.start(words, run.path), f"resuming {name}")

    def copy_to_clipboard(self, text: str) -> None:
        super().copy_to_clipboard(encodable(text))

    def open_live(self, path: Path) -> None:
        from tui.screens.live import Live

        self.push_screen(Live(path))

    def open_new(self, corpus: str = "", *, parent: str = "", preset: str = "") -> None:
        from tui.screens.newrun import NewRun

        self.push_screen(NewRun(corpus, parent=parent, preset=preset))

    def fork(self, path: Path, view: RunView) -> None:
        """Begin a run that goes on from this one's newest model, with other settings."""
        if self.demo and path.name == demo.NAME:
            hint = "n begins a run of your own, which can be forked"
            self.say("a recording has no model to go on from", hint=hint, grave=True)
            return
        # Those on the disk: a log may be torn, and checkpoints may be gone.
        step = max((kept.step for kept in RunFolder(path).checkpoints()), default=0)
        if not step:
            live = lock.live(path) is not None
            self.say(
                "there is no checkpoint to fork from" + " yet" * live,
                hint="k on the live screen asks for one" if live else "",
                grave=True,
            )
            return
        self.open_new(view.started.corpus if view.started else "", parent=f"{path}@{step}")

    def action_help(self) -> None:
        if isinstance(self.screen, StudioScreen):
            spans = help_spans(self.screen)
            self.push_screen(dialogs.Read(f"{self.screen.TITLE} - keys and help", spans))

    def action_hop(self) -> None:
        from tui.jump import Jump

        if isinstance(self.screen, StudioScreen):
            self.push_screen(Jump(self.screen))

    def action_theme(self) -> None:
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.remembered.theme = self.theme
        self.remember()
        self.say(f"theme: {self.theme}")

    def action_about(self) -> None:
        rows = [
            ("rnnstudio", _version("rnnstudio")),
            ("python", platform.python_version()),
            ("textual", _version("textual")),
            ("torch", _version("torch")),
            ("runs", str(self.runs_dir.absolute())),
            ("settings", str(self.remembered_at)),
            ("terminal", f"{os.environ.get('TERM', '?')} {self.size.width}x{self.size.height}"),
        ]
        spans = [part for k, v in rows for part in ((f"{k:<12}", "label"), (f"{v}\n", ""))]
        self.push_screen(dialogs.Read("versions and paths", spans))

    def action_leave(self) -> None:
        """Quit; asks only where a run that this studio started is still going, and once."""
        live = self.jobs.live()
        if self.screen.id == "quit":
            return
        if not live:
            self.exit()
            return

        def answer(what: str | None) -> None:
            if what == "leave" or (
                what == "stop" and all(self.attempt(partial(self.jobs.stop, p)) for p in live)
            ):
                self.exit()

        names = ", ".join(path.name for path in live)
        # Another `--demo` has a folder of its own.
        again = "where to find it is said then" if self.demo else "open the studio again to see it"
        self.push_screen(
            dialogs.Choose(
                "quit",
                f"Still training: {names}",
                [
                    ("leave", f"leave running ({again})"),
                    ("stop", "save and stop, then quit"),
                    ("cancel", "stay"),
                ],
                id="quit",
            ),
            answer,
        )

    def action_help_quit(self) -> None:
        """What ctrl+c does where nothing is copied."""
        self.say("ctrl+q quits")

    async def action_quit(self) -> None:
        self.action_leave()

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *self._filters_last]

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.DARK if self.current_theme.dark else themes.LIGHT

    def get_system_commands(self, screen: Screen[object]) -> Iterable[object]:  # type: ignore[override]
        """None of Textual's own: `tui.palette.Actions` offers every action there is."""
        del screen
        return ()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
