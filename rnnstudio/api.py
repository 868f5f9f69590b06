"""rnnstudio from Python: train, resume, open what a run learned, let it write, ask how well it knows a text.

import rnnstudio

run = rnnstudio.train("plays.txt", minutes=10)
plays = rnnstudio.load(run)
print(plays.sample("KING:", length=200, seed=1)[0].text)
print(plays.score("To be, or not to be").nats_per_char)
"""

from __future__ import annotations

import difflib
import secrets
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints.errors import ConfigError
from checkpoints.events import Event
from checkpoints.runs import default_runs, find_run
from engine.config import DataConfig, ModelConfig, SampleConfig, TrainConfig

if TYPE_CHECKING:
    from engine.load import LoadedModel

DEFAULT = SampleConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A written text, and what reproduces it."""

    text: str
    """Without the prime."""
    prime: str
    seed: int
    temperature: float
    step: int
    """Of the checkpoint that wrote it."""
    nats_per_char: float | None
    """Its surprise under the model itself, before temperature and filters; None for an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How surprising a text is to the model."""

    nats_per_char: float
    bits_per_char: float
    nats_per_token: float
    chars: int
    tokens: int


class Loaded:
    """A trained model, ready to write. Nothing that it does changes it or the run."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    @property
    def run(self) -> str:
        """The run's name."""
        return self._loaded.run

    @property
    def step(self) -> int:
        """How many steps it had learned for."""
        return self._loaded.step

    @property
    def genre(self) -> str:
        """The kind of text that it learned from."""
        return self._loaded.genre

    def sample(
        self,
        prime: str = "",
        *,
        length: int = 1000,
        temperature: float = DEFAULT.temperature,
        seed: int | None = None,
        n: int = 1,
        stop: str = "",
        top_k: int = DEFAULT.top_k,
        top_p: float = DEFAULT.top_p,
        min_p: float = DEFAULT.min_p,
        typical_p: float = DEFAULT.typical_p,
        repetition_penalty: float = DEFAULT.repetition_penalty,
    ) -> list[Sample]:
        """Write `n` texts of up to `length` characters that go on from `prime`.

        The first is drawn with `seed` (None: a random one), each next one with one more; a seed gives the same text
        whatever `n` is. A text ends before `stop` would appear and, if the model learned documents, with its document.
        Length 0 sets no limit, which needs a `stop` or documents. Raises ConfigError for a setting that cannot be.
        """
        from engine.sampling.sampler import Sampler
        from engine.sampling.stream import Request

        config = SampleConfig(
            repetition_penalty=repetition_penalty,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            typical_p=typical_p,
        )
        loaded = self._loaded
        if not (length or stop or loaded.documents):
            raise ConfigError("a text of length 0 never ends", hint="give a length or a stop text")
        request = Request(
            seed=secrets.randbelow(2**31) if seed is None else seed,
            prime=loaded.tokenizer.familiar(prime)[0],
            config=config,
            length=length,
            stop=stop,
        )
        sampler = Sampler(loaded.model, loaded.tokenizer, documents=loaded.documents)
        return [
            Sample(
                text=found.text,
                prime=found.request.prime,
                seed=found.request.seed,
                temperature=temperature,
                step=loaded.step,
                nats_per_char=found.nats_per_char,
            )
            for found in sampler.write(request.copies(n))
        ]

    def score(self, text: str, *, prime: str = "") -> Score:
        """How surprising `text` is after `prime`. Raises CorpusError if it is empty."""
        from engine.evaluation import score

        loaded = self._loaded
        found = score(loaded.model, loaded.tokenizer, text, documents=loaded.documents, prime=prime)
        return Score(
            nats_per_char=found.nats_per_char,
            bits_per_char=found.bits_per_char,
            nats_per_token=found.nats_per_token,
            chars=found.chars,
            tokens=found.tokens,
        )


def train(
    *corpus: str | Path,
    name: str = "",
    runs: str | Path | None = None,
    preset: str = "",
    like: str = "",
    parent: str = "",
    device: str = "auto",
    threads: int = 0,
    hear: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Path:
    """Train a network on files, folders or named corpora; gives the run's folder when it has ended.

    `settings` are the fields of `DataConfig`, `ModelConfig` and `TrainConfig` in `engine.config`, such as `minutes`,
    `steps`, `hidden_size`, `tokenizer`, `seed`; what is left out is chosen as the command line does. `parent`
    ("RUN@STEP") forks or fine-tunes. `hear` is called with each event (`checkpoints.events`) as it happens.

    Raises CorpusError, ConfigError or RunError, with what to do, for what cannot be; RunStopped if the run gave up. An
    interrupt (Ctrl-C) saves and returns: `resume` goes on.
    """
    from engine.training.launch import launch
    from engine.training.prepare import Request

    known = {f.name for config in (DataConfig, ModelConfig, TrainConfig) for f in fields(config)}
    for setting in settings:
        if setting not in known:
            near = difflib.get_close_matches(setting, known, n=1)
            raise ConfigError(
                f"there is no setting {setting!r}", hint=f"did you mean {near[0]}?" if near else ""
            )
    request = Request(
        corpus=tuple(map(str, corpus)),
        runs=default_runs() if runs is None else Path(runs),
        name=name,
        given=settings,
        preset=preset,
        like=like,
        parent=parent,
        device=device,
        threads=threads,
    )
    return launch(request, hear=_hearing(hear)).run.path


def resume(
    run: str | Path = "",
    *,
    runs: str | Path | None = None,
    hear: Callable[[Event], None] | None = None,
    **budget: Any,
) -> Path:
    """Go on exactly where a run (its name or folder; "" is the newest) stopped; gives its folder when it has ended.

    `budget` (steps, epochs, minutes; all told) replaces the run's own. Raises RunError if it is finished, being
    trained elsewhere, or not there.
    """
    from engine.training.run import train_run

    found, _ = find_run(str(run), default_runs() if runs is None else Path(runs))
    return train_run(found, resuming=True, budget=budget, hear=_hearing(hear)).run.path


def _hearing(hear: Callable[[Event], None] | None) -> Callable[[Event, str], None]:
    def heard(event: Event, line: str) -> None:
        del line
        if hear is not None:
            hear(event)

    return heard


def load(run: str | Path = "", *, runs: str | Path | None = None, device: str = "cpu") -> Loaded:
    """The model of a run: its name or folder, `NAME@best|last|STEP`, or a checkpoint's folder; "" is the newest run.

    `runs` is where runs live (RNNSTUDIO_RUNS or ./runs). Raises RunError or CheckpointError, with what to do, where
    there is no such run or the checkpoint is damaged, and warns where another one is used in its place; a checkpoint
    from anybody is safe to open.
    """
    from engine import devices
    from engine.load import open_run

    where, _ = devices.choose(device)
    notes: list[str] = []
    folder = default_runs() if runs is None else Path(runs)
    loaded = open_run(str(run), folder, note=notes.append)
    if notes:
        warnings.warn("; ".join(notes), stacklevel=2)
    loaded.model.to(where)
    return Loaded(loaded)
