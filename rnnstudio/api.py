"""rnnstudio from Python: open what a run learned, let it write, ask how well it knows a text.

import rnnstudio

plays = rnnstudio.load("plays")
print(plays.sample("KING:", length=200, seed=1)[0].text)
print(plays.score("To be, or not to be").nats_per_char)
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints.errors import ConfigError
from checkpoints.runs import default_runs
from engine.config import SampleConfig

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


def load(run: str | Path = "", *, runs: str | Path | None = None, device: str = "cpu") -> Loaded:
    """The model of a run: its name or folder, `NAME@best|last|STEP`, or a checkpoint's folder; "" is the newest run.

    `runs` is where runs live (RNNSTUDIO_RUNS or ./runs). Raises RunError or CheckpointError, with what to do, where
    there is no such run or the checkpoint is damaged; a checkpoint from anybody is safe to open.
    """
    from engine import devices
    from engine.load import open_run

    where, _ = devices.choose(device)
    loaded = open_run(str(run), default_runs() if runs is None else Path(runs))
    loaded.model.to(where)
    return Loaded(loaded)
