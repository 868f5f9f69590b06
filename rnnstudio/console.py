"""The console of every command that prints with rich: it outlives its reader."""

from __future__ import annotations

from rich import console


class Console(console.Console):
    """A console that falls silent when whoever read has left, as `| head` does; rich would end the program with 1."""

    def on_broken_pipe(self) -> None:
        """Say nothing more, and end as if all had been read."""
        self.quiet = True
