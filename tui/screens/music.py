"""Music: the tunes that a run wrote, as notation, piano roll and report; heard, transposed and taken away.

Sound and files are made by `rnnstudio tune --play` and `rnnstudio export`, each a process of its own, so that the
studio never waits for them and loads neither numpy nor music21.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from textual import events
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.worker import Worker

from corpora.abc import Tune, perform, read_book
from corpora.abc.judging import judge
from corpora.abc.pianoroll import piano_roll
from corpora.abc.reporting import sentences
from corpora.abc.transposing import transposed
from corpora.abc.tune import Tempo
from corpora.abc.unfolding import Playing
from corpora.abc.writer import write_abc
from tui import launch
from tui.colour import coloured
from tui.literal import encodable, one_line
from tui.screens.base import LOW, StudioScreen
from tui.store import RunView
from tui.tunefiles import KINDS, begun, bring, missing, stem_of
from tui.watch import Followed
from tui.widgets.ink import Span, fit
from tui.widgets.page import Page
from tui.widgets.rows import Row, Rows

MOST = 300


@dataclass(frozen=True, slots=True)
class Written:
    """A tune and where it is from."""

    tune: Tune
    step: int
    temperature: float

    @property
    def key(self) -> str:
        """What tells it from all others, and stays the same however many come."""
        return f"{self.step} {self.temperature:g} {self.tune.source}"


def tunes_of(view: RunView) -> list[Written]:
    """The tunes among a run's samples, the newest first; pieces without a note are left out."""
    out: list[Written] = []
    with view.lock:
        groups = [(step, list(view.samples[step])) for step in sorted(view.samples, reverse=True)]
    for step, group in groups:
        for sample in sorted(group, key=lambda s: s.temperature):
            found = _tunes_in(sample.prime + sample.text)
            out += [Written(tune, step, sample.temperature) for tune in found]
            if len(out) >= MOST:
                return out
    return out


@lru_cache(maxsize=4 * MOST)
def _tunes_in(text: str) -> tuple[Tune, ...]:
    """A sample's tunes. Each takes a millisecond, and while a run writes there is news ten times a second."""
    return tuple(tune for tune in read_book(text) if not tune.empty)


class Music(StudioScreen):
    TITLE = "music"
    ABOUT = """\
The tunes that the run wrote, the newest first: as ABC, as a piano roll, and what is right and wrong about each.
space plays a tune where this machine has a player; k and K move it by a semitone, + and - its tempo; x writes ABC,
MIDI, MusicXML, WAV and, where verovio is installed, the score into the run's folder music, with key and tempo in the
files' names where they were changed. What is there already is never written over."""
    CSS_PATH = "music.tcss"
    BINDINGS = [
        Binding("space", "play", "Play", id="music.play"),
        Binding("left", "tune(-1)", "Tune before", key_display="←", show=False, id="music.before"),
        Binding("right", "tune(1)", "Next tune", key_display="→", show=False, id="music.after"),
        Binding("k", "transpose(1)", "Key up", id="music.up", priority=True),
        Binding("K", "transpose(-1)", "Key down", show=False, id="music.down"),
        Binding(
            "plus,equals_sign",
            "tempo(10)",
            "Faster",
            key_display="+",
            show=False,
            id="music.faster",
        ),
        Binding("minus", "tempo(-10)", "Slower", key_display="-", show=False, id="music.slower"),
        Binding("x", "export", "Export", id="music.export"),
        Binding("y", "copy", "Copy the ABC", id="music.copy"),
    ]

    def __init__(self, path: Path, genre: str) -> None:
        super().__init__()
        self.path, self._genre = path, genre
        self._followed: Followed | None = None
        self._seen = -1
        self._tunes: dict[str, Written] = {}
        self._semitones = 0
        self._quarters: float | None = None
        self._player: Worker[None] | None = None

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="music"):
            yield Rows(id="tunes", empty="\n No tune yet: the run's\n samples hold no notes.")
            with Vertical(id="sheet"):
                yield Page(id="roll", classes="pane")
                with Horizontal(id="lower"):
                    yield Page(id="abc", classes="pane")
                    yield Page(id="report", classes="pane")

    def on_mount(self) -> None:
        self.query_one("#tunes").add_class("pane")
        self.entitle("#tunes", "tunes")
        self.entitle("#abc", "ABC")
        self.entitle("#report", "report")
        self._followed = self.studio.watcher.follow(self.path)
        self._take(self._followed)
        self.query_one("#tunes", Rows).focus()
        self._draw()

    def on_unmount(self) -> None:
        self._stop()
        self.studio.watcher.leave(self.path)

    def on_screen_resume(self) -> None:
        if self._followed is not None:
            self._take(self._followed)

    def on_resize(self, _event: events.Resize) -> None:
        self._list_tunes()
        self.call_after_refresh(self._draw)

    def news(self, runs: Sequence[Followed] | None) -> None:
        run = self._followed
        if runs and run is not None and run in runs:
            self._take(run)

    @property
    def _written(self) -> Written | None:
        return self._tunes.get(self.query_one("#tunes", Rows).key)

    def _take(self, run: Followed) -> None:
        """Read the tunes anew, if there are new samples; the chosen one stays, also where the run let go of it."""
        seen = run.view.news.get("samples", 0)
        if seen == self._seen:
            return
        self._seen = seen
        written = tunes_of(run.view)
        chosen = self._written
        if chosen is not None and all(chosen.key != w.key for w in written):
            written.append(chosen)
            written.sort(key=lambda w: (-w.step, w.temperature))
        tunes = {w.key: w for w in written}
        if list(tunes) != list(self._tunes):
            self._tunes = tunes
            self._list_tunes()
            self._draw_head()

    def _tune(self) -> Tune | None:
        """The chosen tune, moved and at the tempo that was asked for."""
        written = self._written
        if written is None:
            return None
        tune = (
            transposed(written.tune, self._semitones)
            if self._semitones
            else read_book_again(written.tune)
        )
        if self._quarters is not None:
            tune.tempo = Tempo(self._quarters)
        return tune

    def _list_tunes(self) -> None:
        """Each tune's title, and behind it where it is from, if there is room for both."""
        rows = []
        for key, written in self._tunes.items():
            title = written.tune.title or "without a title"
            spans: list[Span] = [(f" {one_line(title, 40)}", "")]
            if self.size.height >= LOW:
                where = f" {written.step:>7,} T{written.temperature:g}"
                spans = [*fit([(f" {one_line(title, 40)}", "")], 19), (where, "dim")]
            rows.append(Row(key, tuple(spans)))
        table = self.query_one("#tunes", Rows)
        table.show(rows)
        # The tune on the screen counts as chosen, though nobody moved to it: newer ones come above it.
        table.select(table.key)

    def _draw_head(self) -> None:
        name = one_line(self.path.name, self.size.width // 3)
        self.head((f" {name} ", "title"), (f"{len(self._tunes)} tunes", "dim"))

    def _draw(self) -> None:
        written, tune = self._written, self._tune()
        self._draw_head()
        if written is None or tune is None:
            for selector in ("#roll", "#abc", "#report"):
                self.query_one(selector, Page).show([("", "")])
            return
        playing = perform(tune)
        width = max(12, self.query_one("#roll").size.width or self.size.width - 36)
        rows = piano_roll(playing, width=width, fifths=tune.key.fifths)
        roll: list[Span] = [(row + "\n", "line-0") for row in rows]
        plural = "" if abs(self._semitones) == 1 else "s"
        moved = f"  {self._semitones:+d} semitone{plural}" if self._semitones else ""
        self.entitle("#roll", f"{tune.title or 'without a title'}{moved}", f"♩={_tempo(playing):g}")
        self.query_one("#roll", Page).show(roll)
        self.query_one("#abc", Page).show(coloured(self._genre, write_abc(tune)))
        spans: list[Span] = []
        for name, text, good in sentences(tune, judge(tune)):
            spans += [
                ("✓ " if good else "! ", "good" if good else "warn"),
                (f"{name:<8} ", "dim"),
                (f"{text}\n", ""),
            ]
        for finding in written.tune.findings[:20]:
            spans.append((f"· {finding}\n", "dim"))
        self.query_one("#report", Page).show(spans)

    def on_rows_moved(self) -> None:
        self._semitones, self._quarters = 0, None
        self._stop()
        self._draw()

    def action_tune(self, by: int) -> None:
        self.query_one("#tunes", Rows).action_move(by)

    def action_transpose(self, by: int) -> None:
        self._semitones = min(12, max(-12, self._semitones + by))
        self._draw()

    def action_tempo(self, by: int) -> None:
        tune = self._tune()
        if tune is not None:
            self._quarters = min(300.0, max(30.0, _tempo(perform(tune)) + by))
            self._draw()

    def action_copy(self) -> None:
        tune = self._tune()
        if tune is not None:
            self.app.copy_to_clipboard(write_abc(tune))
            self.studio.say("copied the tune")

    def _stop(self) -> None:
        if self._player is not None:
            self._player.cancel()
            self._player = None

    def action_play(self) -> None:
        """Play the tune as it stands, or stop."""
        if self.app.is_web:
            hint = "x writes it as MIDI and WAV into the run's folder"
            self.studio.say("nothing plays sound in a browser", hint=hint, grave=True)
            return
        tune = self._tune()
        if self._player is not None and self._player.is_running:
            self._stop()
        elif tune is not None:
            self._player = self.run_worker(
                self._play(write_abc(tune)), group="player", exclusive=True, exit_on_error=False
            )

    async def _play(self, abc: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "tune.abc"
            file.write_text(encodable(abc), encoding="utf-8")
            # `tune` prints and plays; it says on standard error why it cannot. Stopped, it leaves its sound behind.
            here = {"TMPDIR": folder, "TEMP": folder}
            code, said = await self._run("tune", str(file), "--play", **here)
        if code:
            fault, hint = launch.last_words(said, code)
            self.studio.say(fault, hint=hint, grave=True)

    def action_export(self) -> None:
        tune = self._tune()
        if tune is None:
            self.studio.say("there is no tune to export")
            return
        stem = stem_of(tune, self._semitones, self._quarters)
        # The app's, not this screen's: it goes on when the screen is left.
        self.app.run_worker(self._export(encodable(write_abc(tune)), stem), exit_on_error=False)

    async def _export(self, abc: str, stem: str) -> None:
        """Make what is missing of the tune's files, in a folder of its own first: a name is taken whole or not."""
        folder = self.path / "music"
        engraves = find_spec("verovio") is not None
        kinds = [kind for kind in KINDS if kind != "svg" or engraves]
        name = ""

        def begin() -> None:
            nonlocal name
            name = begun(folder, stem, abc)

        async with self.studio.exporting:
            if not self.studio.attempt(begin):
                return
            wanted = missing(folder, name, kinds)
            if not wanted:
                self.studio.say(f"{name} is in {folder} already")
                return
            made = folder / f".{name}"
            words = ("--to", ",".join(wanted), "--out", str(made), "--force")
            try:
                code, said = await self._run("export", str(folder / f"{name}.abc"), *words)
                if not self.studio.attempt(lambda: bring(made, folder, name, wanted)):
                    return
            finally:
                shutil.rmtree(made, ignore_errors=True)
        failed = missing(folder, name, kinds)
        if failed:
            # The command says why each file is missing in a line of its own, before its last words.
            why = [line[2:] for line in said.splitlines() if line.startswith("! ")]
            what = ", ".join(KINDS[kind] for kind in failed)
            self.studio.say(
                f"{name} could not be written as {what}",
                hint="\n".join(why or filter(None, launch.last_words(said, code))),
                grave=True,
            )
        else:
            self.studio.say(
                f"{name} is in {folder} as ABC, {', '.join(KINDS[kind] for kind in kinds)}",
                hint="" if engraves else "for the score: pip install 'rnnstudio[score]'",
            )

    async def _run(self, *words: str, **env: str) -> tuple[int, str]:
        """Run a command of ours to its end: its exit code, and what it said on standard error."""
        try:
            code, _, said = await launch.finish(words, {**self.studio.jobs.environment(), **env})
        except OSError as error:
            return 1, str(error)
        return code, said


def read_book_again(tune: Tune) -> Tune:
    """The same tune read anew, so that a change of it leaves the first as it was."""
    return next(iter(read_book(tune.source)))


def _tempo(playing: Playing) -> float:
    """Quarters a minute at the beginning."""
    return next(change.quarters for _, change in playing.changes if isinstance(change, Tempo))
