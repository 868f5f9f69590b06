"""The palette: every action of the screen one is on, every run to open, every theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from tui.literal import one_line

if TYPE_CHECKING:
    from tui.app import Studio

Command = tuple[str, str, Callable[[], object]]


class Actions(Provider):
    """What can be done here; names are shown literally, so a run called `[/]` is only a run."""

    @property
    def _studio(self) -> Studio:
        from tui.app import Studio

        assert isinstance(self.app, Studio)
        return self.app

    def _commands(self) -> Iterator[Command]:
        studio = self._studio
        seen: set[str] = set()
        actions = [a for a in self.screen.active_bindings.values() if a.binding.id]
        # The screen's own first, then those of the pane in focus, then those that act everywhere.
        rank = {self.screen: 0, self.app: 2}
        for active in sorted(
            actions, key=lambda a: (a.binding.id or "").startswith("screen.") or rank.get(a.node, 1)
        ):
            binding = active.binding
            if binding.action in (*seen, "command_palette"):
                continue
            seen.add(binding.action)
            key = self.app.get_key_display(binding)
            run = partial(self.app.run_action, binding.action, active.node)
            yield binding.description, f"key {key}", run
        for run_ in studio.watcher.known():
            name = one_line(run_.path.name, 60)
            yield f"Open {name}", run_.state.word, partial(studio.open_live, run_.path)
        for theme in sorted(studio.available_themes):
            yield f"Theme {theme}", "colours", partial(self._use_theme, theme)

    def _use_theme(self, name: str) -> None:
        studio = self._studio
        studio.theme = studio.remembered.theme = name
        studio.remember()

    async def discover(self) -> Hits:
        for name, help_, run in self._commands():
            if not name.startswith("Theme "):
                yield DiscoveryHit(Content(name), run, name, help_)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, help_, run in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, Content(name), run, name, help_)
