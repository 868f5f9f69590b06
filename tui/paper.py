"""What the playground writes on: a text, where it is from, and what stood there before."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MOST_UNDO = 100
WRITING = "writing"
"""A paper's note while its text is not at its end."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What writes: a run's checkpoint."""

    run: Path
    step: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A text as it stood on a paper, and who wrote it."""

    base: str
    written: str
    voice: Voice | None
    manner: str
    note: str


@dataclass(slots=True)
class Paper:
    """One text being written: what it goes on from, what was written, and by which request."""

    base: str = ""
    written: str = ""
    request: int = 0
    note: str = ""
    voice: Voice | None = None
    """What wrote it; None while nothing was written."""
    manner: str = ""
    """The settings by which it was drawn."""
    past: list[Draft] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.base + self.written

    @property
    def writing(self) -> bool:
        return self.note == WRITING

    def begin(self, voice: Voice, manner: str) -> None:
        """The text is written from here on, by this checkpoint and these settings; what was can be taken back."""
        if self.voice is not None:
            self.remember()
        self.written, self.note = "", WRITING
        self.voice, self.manner = voice, manner

    def remember(self) -> None:
        """Keep what stands here, so that it can be taken back."""
        note = "stopped" if self.writing else self.note
        self.past.append(Draft(self.base, self.written, self.voice, self.manner, note))
        del self.past[:-MOST_UNDO]

    def turn(self, base: str) -> None:
        """Keep what stands here, and go on from another text."""
        self.remember()
        self.base, self.written, self.note = base, "", ""
        self.voice, self.manner = None, ""

    def take_back(self) -> None:
        """What stood here before, with the name of who wrote that."""
        draft = self.past.pop()
        self.base, self.written, self.note = draft.base, draft.written, draft.note
        self.voice, self.manner = draft.voice, draft.manner
