"""What a run is: everything that `run.json` holds and a resumed run needs, decided once before the first step."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from checkpoints.errors import ConfigError, RunError
from engine.config import DataConfig, ModelConfig, TrainConfig, from_json, to_json

FORMAT = 1
# A short run shows each ten of its steps at least, however many it does in a second; a long one has a thousand events.
EVENTS_OF_A_LONG_RUN = 1000
STEPS_PER_EVENT = 10
# What a step takes beside its products.
STEP_S = 0.002


@dataclass(frozen=True, slots=True)
class CorpusRecord:
    """The text a run learns from, as it was found."""

    paths: tuple[str, ...]
    sha256: str
    chars: int
    size_bytes: int
    genre: str
    document_mode: bool


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A run, described whole. `log_every` steps share one `step` event; `lr` is the rate that was settled on."""

    data: DataConfig
    model: ModelConfig
    training: TrainConfig
    corpus: CorpusRecord
    vocab_size: int
    device: str
    threads: int
    log_every: int
    parent: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "data": to_json(self.data),
            "model": to_json(self.model),
            "training": to_json(self.training),
            "corpus": asdict(self.corpus),
            "vocab_size": self.vocab_size,
            "device": self.device,
            "threads": self.threads,
            "log_every": self.log_every,
            "parent": self.parent,
            "versions": versions(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any], *, where: str) -> RunSettings:
        """Raises RunError (naming `where`) if run.json is damaged or from a newer version."""
        made_by = body.get("format")
        if isinstance(made_by, int) and made_by > FORMAT:
            raise RunError(
                f"{where} was written by a newer rnnstudio (format {made_by}, this one reads {FORMAT})",
                hint="upgrade rnnstudio",
            )
        try:
            corpus = body["corpus"]
            return cls(
                data=from_json(DataConfig, body["data"]),
                model=from_json(ModelConfig, body["model"]),
                training=from_json(TrainConfig, body["training"]),
                corpus=CorpusRecord(
                    paths=tuple(str(p) for p in corpus["paths"]),
                    sha256=str(corpus["sha256"]),
                    chars=int(corpus["chars"]),
                    size_bytes=int(corpus["size_bytes"]),
                    genre=str(corpus["genre"]),
                    document_mode=bool(corpus["document_mode"]),
                ),
                vocab_size=int(body["vocab_size"]),
                device=str(body["device"]),
                threads=int(body["threads"]),
                log_every=max(1, int(body["log_every"])),
                parent=str(body.get("parent", "")),
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise RunError(
                f"{where} is damaged: {why}",
                hint=f"its checkpoints still write: rnnstudio sample {Path(where).parent.name}; "
                "to learn on, train a new run",
            ) from None


def versions() -> dict[str, str]:
    """What the run was made with."""
    found = {"python": platform.python_version()}
    for package in ("rnnstudio", "torch", "numpy", "sentencepiece"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def steps_per_event(training: TrainConfig, *, parameters: int, text: int, device: str) -> int:
    """How many steps share a `step` event, so that at most about ten come in a second; `text` is in tokens.

    It follows from the budget, the work of a step (6 floating-point operations a weight and token) and the usual speed
    of such a device, never from a clock: the same settings give the same log.
    """
    usual = 20e12 if device.startswith("cuda") else 40e9
    tokens = training.lanes * training.bptt
    steps_per_s = 1 / (6 * parameters * tokens / usual + STEP_S)
    budgets = training.steps, training.epochs * text / tokens, training.minutes * 60 * steps_per_s
    steps = min(filter(None, budgets), default=0)
    most = max(STEPS_PER_EVENT, round(steps / EVENTS_OF_A_LONG_RUN))
    return min(most, max(1, round(steps_per_s / 10)))
