"""The evolution of a run's writing as a film: frames, and what is new in each.

The same prime and the same random numbers at each checkpoint, so what changes from frame to frame is the model.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tui import words
from tui.store import RunView
from tui.widgets.ink import Span

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Frame:
    """What one checkpoint wrote."""

    step: int
    prime: str
    text: str
    temperature: float
    bits_per_char: float | None
    """The held-out loss at that checkpoint, where it was measured."""
    reached: tuple[str, ...]
    """The milestones since the frame before, each a sentence."""
    figures: tuple[tuple[str, float], ...] = ()

    @property
    def caption(self) -> str:
        """What was reached, in one line."""
        return " · ".join(self.reached)


def temperatures(view: RunView) -> list[float]:
    """The temperatures at which the run has written."""
    with view.lock:
        return sorted({s.temperature for group in view.samples.values() for s in group})


def frames(view: RunView, temperature: float) -> list[Frame]:
    """One frame a checkpoint, oldest first: what it wrote at the temperature nearest to this one."""
    with view.lock:
        measured = [b.last for b in view.valid.buckets]
        figures = {name: dict(values) for name, values in view.figures.items()}
        out: list[Frame] = []
        before = -1
        for step in sorted(view.samples):
            sample = min(view.samples[step], key=lambda s: abs(s.temperature - temperature))
            reached = tuple(m.text for m in view.milestones if before < m.step <= step)
            known = bisect_right(measured, step)
            out.append(
                Frame(
                    step,
                    sample.prime,
                    sample.text,
                    sample.temperature,
                    view.valid.buckets[known - 1].mean if known else None,
                    reached,
                    tuple(
                        (name, values[step]) for name, values in figures.items() if step in values
                    ),
                )
            )
            before = step
    return out


def counted(film: Sequence[Frame]) -> str:
    return f"{len(film)} checkpoint{'s' * (len(film) != 1)}"


def changed(before: str, now: str) -> list[Span]:
    """The text, with what does not stand in the one before as `new`."""
    old, new = _TOKENS.findall(before), _TOKENS.findall(now)
    out: list[Span] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, _, _, start, stop in matcher.get_opcodes():
        text = "".join(new[start:stop])
        if text:
            out.append((text, "" if tag == "equal" else "new"))
    return out


def unheard(earlier: Sequence[str], now: str) -> list[Span]:
    """The text, with the words that none of the earlier ones held as `new`."""
    known = {word.lower() for text in earlier for word in _TOKENS.findall(text)}
    out: list[Span] = []
    for token in _TOKENS.findall(now):
        kind = "new" if token.isalpha() and token.lower() not in known else ""
        if out and out[-1][1] == kind:
            out[-1] = (out[-1][0] + token, kind)
        else:
            out.append((token, kind))
    return out


def told_figures(
    frame: Frame, labels: dict[str, str], human: dict[str, float]
) -> Iterator[list[Span]]:
    """Each of the frame's figures, beside the human one."""
    for name, value in frame.figures:
        people = f" (human {words.share(human[name])})" if name in human else ""
        label = (f" {labels.get(name, name)} ", "dim")
        yield [label, (words.share(value), "title"), (f"{people} ", "dim")]
