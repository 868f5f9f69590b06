"""How written texts leave the program: as they grow, one after the other, or as JSON lines."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any, Protocol

from engine.load import LoadedModel
from engine.sampling.sampler import Sampler
from engine.sampling.stream import Piece, Request, Sample
from engine.sampling.stuck import TAIL, stuck
from rnnstudio.narration import Narrator
from tui.literal import literal

Items = Iterable[Piece | Sample]


class Texts(Protocol):
    """Where the texts go."""

    def tell(self, items: Items) -> None:
        """Pass on everything, as it comes."""
        ...


def say(text: str) -> None:
    """A line of narration, beside the data."""
    print(literal(text), file=sys.stderr, flush=True)


def finished(sampler: Sampler, requests: Sequence[Request]) -> list[Sample]:
    """The finished samples, in the order of the requests; on a terminal a line says how far they are."""
    voice, samples, chars = Narrator(), list[Sample](), 0
    try:
        for item in sampler.stream(requests):
            if isinstance(item, Sample):
                samples.append(item)
            else:  # texts that grow side by side end together
                chars += len(item.text)
            voice.written(chars, len(samples), len(requests))
    finally:
        voice.close()
    return sorted(samples, key=lambda sample: sample.index)


def as_json(loaded: LoadedModel, sample: Sample, *, beam: int = 0) -> dict[str, Any]:
    """What a finished text is and what reproduces it: a line of `sample --json`.

    `beam` is how wide a search found it; 0: it was drawn. A search knows neither seed nor filters.
    """
    request = sample.request
    how = {"beam": beam} if beam else dataclasses.asdict(request.config)
    return {
        "text": sample.text,
        "prime": request.prime,
        "bars_exact": request.bars_exact,
        "seed": None if beam else request.seed,
        "temperature": how.get("temperature"),
        "step": loaded.step,
        "nats_per_char": sample.nats_per_char,
        "run": loaded.run,
        "checkpoint": loaded.path.name,
        "chars": sample.chars,
        "tokens": sample.tokens,
        "ended_by": sample.reason,
        "settings": {**how, "length": request.length, "stop": request.stop},
    }


def in_order(items: Items) -> Iterator[Piece | Sample]:
    """The same text, all of the first before any of the second: a model writes several at once."""
    current = 0
    # Text, not pieces: those by the million would fill the memory.
    waiting: defaultdict[int, StringIO] = defaultdict(StringIO)
    finished: dict[int, Sample] = {}
    for item in items:
        if item.index != current:
            if isinstance(item, Sample):
                finished[item.index] = item
            else:
                waiting[item.index].write(item.text)
            continue
        yield item
        while isinstance(item, Sample):
            current += 1
            if current in waiting:
                yield Piece(current, waiting.pop(current).getvalue())
            if current not in finished:
                break
            item = finished.pop(current)
            yield item


class JsonTexts:
    """One object a line, as soon as its text is finished."""

    def __init__(self, loaded: LoadedModel, *, beam: int = 0) -> None:
        self._loaded, self._beam = loaded, beam

    def tell(self, items: Items) -> None:
        for item in items:
            if isinstance(item, Sample):
                body = as_json(self._loaded, item, beam=self._beam)
                line = json.dumps(body, ensure_ascii=False, allow_nan=False)
                # A lone surrogate has no UTF-8, but JSON has an escape for it.
                sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
                sys.stdout.buffer.flush()


class PlainTexts:
    """Prime and text as they grow, on standard output; between texts a blank line; about each, a line on stderr.

    On a terminal nothing that it would obey gets through. A pipe gets the text as it is, in `encoding`. `raw` sends it
    as it is to a terminal too, and adds nothing. `live` texts come as they are written, so that their speed is told: of
    several, which are written together, that of all.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        *,
        prime: str,
        raw: bool,
        encoding: str = "utf-8",
        live: bool = True,
    ) -> None:
        self._requests, self._prime, self._raw, self._encoding = requests, prime, raw, encoding
        self._live, self._alone = live, len(requests) == 1
        self._shown = sys.stdout.isatty() and not raw
        self._index = -1
        self._tail = ""
        self._at_line_start = True

    def tell(self, items: Items) -> None:
        began, chars = time.perf_counter(), 0
        try:
            for item in items:
                if item.index != self._index:
                    self._begin(item.index)
                if isinstance(item, Piece):
                    self._tail = (self._tail + item.text)[-TAIL:]
                    self._write(item.text)
                else:
                    chars += item.chars
                    self._end(item, _speed(item.chars, began) if self._alone else "")
            if self._live and not self._alone:
                say(f"── {len(self._requests):,} texts, {chars:,} characters{_speed(chars, began)}")
        finally:
            if self._shown and not self._at_line_start:
                self._write("\n")  # interrupted in the middle of a line

    def _begin(self, index: int) -> None:
        if len(self._requests) > 1:
            if index and not self._raw:
                self._write("\n")
            say(f"── text {index + 1} of {len(self._requests)}, seed {self._requests[index].seed}")
        self._index, self._tail = index, ""
        self._write(self._prime)

    def _end(self, sample: Sample, speed: str) -> None:
        if not self._raw and not self._at_line_start:
            self._write("\n")
        if sample.nats_per_char is None:
            return
        say(
            f"── {sample.chars:,} characters, ended by {sample.reason}; {sample.nats_per_char:.3f} nats/char under "
            f"the model{speed if self._live else ''}"
        )
        if hint := _advice(self._tail, sample.request):
            say(f"  → {hint}")

    def _write(self, text: str) -> None:
        if not text:
            return
        self._at_line_start = text.endswith("\n")
        if self._shown:
            sys.stdout.write(literal(text))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode(self._encoding, "replace"))
        sys.stdout.flush()


def _speed(chars: int, began: float) -> str:
    return f"; {chars / max(time.perf_counter() - began, 1e-6):,.0f} characters/s"


def _advice(tail: str, request: Request) -> str:
    """What to try when a model is stuck."""
    value = request.config.temperature
    match stuck(tail):
        case "loop":
            warmer = f"--temperature {min(1.0, value + 0.3):.1f} or " if value < 1 else ""
            return f"it repeats itself; is the temperature too low? Try {warmer}--repetition-penalty 1.3"
        case "unbroken":
            return "it strayed into a run without spaces; try another --seed, or --min-p 0.05"
        case _:
            return ""
