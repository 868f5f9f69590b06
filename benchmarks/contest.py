"""The same text, the same minutes, the same judge: ours and an opponent, each trained for a budget and then read.

Time is counted while training alone: neither tokenizing nor the final reading is, but what ours does along the way
(log, validations, checkpoints) is; what is not counted before the first step stands in `uncounted_s`. Both keep freed
memory, as ours does by itself. By `cpu` it is this process's own CPU time, on one thread: that can be compared on a
machine that others use too. On a GPU only time on the wall counts anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.opponents.base import Opponent
from checkpoints import events as ev
from checkpoints.errors import ConfigError, CorpusError
from engine import allocator, devices
from engine.config import DataConfig, ModelConfig, TrainConfig
from engine.load import open_model
from engine.measure import measure_part
from engine.training.prepare import Request, prepare
from engine.training.run import train_run

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}
HELD_OUT = 0.1
WINDOW = 256


def options(parser: argparse.ArgumentParser) -> None:
    """What every contest asks: where, by what clock, on how many threads and cores, and how much of a text."""
    parser.add_argument("--device", type=usable_device, default="cpu")
    parser.add_argument("--clock", choices=[*CLOCKS], default="wall")
    parser.add_argument(
        "--threads",
        type=number_of_threads,
        default=1,
        help="CPU threads of each; 0: its own choice",
    )
    parser.add_argument(
        "--processes",
        type=number_of_cores,
        default=1,
        help="entrants at once, each on a core of its own",
    )
    parser.add_argument("--chars", type=int, default=0, help="only so many characters of a text")


def usable_device(text: str) -> str:
    """By its name. Raises ArgumentTypeError for what cannot be used."""
    try:
        return devices.choose(text)[0].type
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.message) from error


def number_of_threads(text: str) -> int:
    """0 for a choice. Raises ArgumentTypeError for what no machine has."""
    try:
        devices.choose_threads(int(text))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.message) from error
    return int(text)


def number_of_cores(text: str) -> int:
    """Raises ArgumentTypeError for more than there are."""
    cores = devices.usable_cores()
    if not 1 <= int(text) <= cores:
        raise argparse.ArgumentTypeError(f"there are {cores} cores")
    return int(text)


class Reader(Protocol):
    """What can be judged: ours and the opponents alike."""

    def initial_state(self, lanes: int) -> Any: ...

    def __call__(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A corpus, its last tenth held out, as nanoGPT does. The path holds all of it and nothing else."""

    path: Path
    whole: str

    @property
    def train(self) -> str:
        return self.whole[: self._border]

    @property
    def valid(self) -> str:
        return self.whole[self._border :]

    @property
    def _border(self) -> int:
        return int(len(self.whole) * (1 - HELD_OUT))


@dataclass(frozen=True, slots=True)
class Score:
    """How an entrant did. The losses are nats per character of the held-out text."""

    minutes: float
    carried: float
    """One pass with the state carried all the way; what has none reads windows that overlap by half."""
    best: float
    """The least `carried` of this training so far: recipes keep the checkpoint that reads held-out text best."""
    windows: float
    """Windows of 256 (or the longest it can read) without earlier context."""
    documents: float | None
    """Each document from a state of zero, as a run learns that reads in documents; None for all others."""
    training_loss: float | None
    """The average of the last hundred steps or so; None where a budget was too short for any to be told."""
    epochs: float
    steps: int
    chars_per_s: float
    uncounted_s: float
    """Seconds that no budget counts: tokenizing, building, and ours measuring how fast this machine is."""
    parameters: int
    about: str

    def row(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def read_text(path: Path, folder: Path, *, part: str = "whole", most_chars: int = 0) -> Text:
    """The corpus at `path`. `part` "tuning" leaves its last tenth away, so that what is tuned never saw it.

    Raises CorpusError if it cannot be read.
    """
    whole = read_whole(path)
    whole = whole[:most_chars] if most_chars else whole
    if part == "tuning":
        whole = whole[: int(len(whole) * (1 - HELD_OUT))]
    own = folder / path.name
    own.write_text(whole, encoding="utf-8")
    return Text(own, whole)


def read_whole(path: Path) -> str:
    """All of a text in UTF-8. Raises CorpusError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeError) as error:
        raise CorpusError(f"{path} cannot be read as UTF-8: {error}") from error


def ours(
    text: Text,
    *,
    minutes: float,
    device: str = "cpu",
    clock: str = "wall",
    threads: int = 1,
    seed: int = 1,
    given: Mapping[str, Any] | None = None,
) -> Score:
    """The program as a person runs it: `rnnstudio train TEXT --minutes N --split nanogpt`, with everything on.

    With `threads` 0 it chooses their number.
    """
    tick = CLOCKS[clock]
    with tempfile.TemporaryDirectory() as scratch:
        request = Request(
            corpus=(str(text.path),),
            runs=Path(scratch),
            name="run",
            given={"minutes": minutes, "split": "nanogpt", "seed": seed, **(given or {})},
            threads=threads,
            device=device,
        )
        began = tick()
        ready = prepare(request, clock=tick)
        outcome = train_run(ready.run, clock=tick, notes=ready.notes)
        uncounted_s = tick() - began - outcome.end.seconds
        # Whoever trains keeps the best checkpoint; by the held-out text, so what is compared here is the last one.
        loaded = open_model(ready.run.checkpoint("last"))
        record = ready.run.record()
        steps = [e for e in ready.run.events() if isinstance(e, ev.Step)]
        documents = measure_part(loaded, "valid") if loaded.documents else None
    settings = record["model"]
    training = record["training"]
    ids = torch.from_numpy(loaded.tokenizer.encode(text.valid).astype("int64")).to(device)
    carried, windows = judge(loaded.model.to(device), ids, chars=len(text.valid), window=WINDOW)
    tokens = steps[-1].tokens if steps else 0
    return Score(
        minutes=minutes,
        carried=carried,
        best=carried,
        windows=windows,
        documents=documents.nats_per_char if documents else None,
        training_loss=steps[-1].loss_nats if steps else None,
        epochs=steps[-1].epoch if steps else 0.0,
        steps=outcome.end.step,
        chars_per_s=tokens / max(outcome.end.seconds, 1e-9),
        uncounted_s=uncounted_s,
        parameters=loaded.model.parameter_count,
        about=(
            f"{settings['num_layers']}x{settings['hidden_size']} {settings['cell']}, {training['optimizer']} "
            f"{training['lr']:g}, {training['lanes']}x{training['bptt']}, dropout {settings['dropout']:g}"
        ),
    )


def theirs(
    opponent: type[Opponent],
    text: Text,
    *,
    minutes: Sequence[float],
    device: str = "cpu",
    clock: str = "wall",
    threads: int = 1,
    seed: int = 1,
) -> Iterator[Score]:
    """An opponent by its own recipe after each of `minutes`, which ascend; with `threads` 0 on all cores, like torch.

    One training serves them all: one whose schedule is laid over the budget takes the last of them for it.
    """
    tick = CLOCKS[clock]
    began = tick()
    allocator.keep_freed()
    torch.set_num_threads(threads or devices.usable_cores())
    alphabet = {c: i for i, c in enumerate(sorted(set(text.whole)))}
    train, valid = (
        torch.tensor([alphabet[c] for c in part], device=device)
        for part in (text.train, text.valid)
    )
    with torch.device(device):
        # torch's first calls take up to a second, which ours spends before its budget, on measuring the machine.
        opponent(train, valid, len(alphabet)).step(0.0)
        torch.manual_seed(seed)
        model = opponent(train, valid, len(alphabet))
    uncounted_s = tick() - began
    budget, steps, average, spent, best = minutes[-1] * 60, 0, math.nan, 0.0, math.inf
    for mark in minutes:
        began = tick() - spent
        while spent < mark * 60:
            loss = model.step(spent / budget)
            average = loss if math.isnan(average) else 0.99 * average + 0.01 * loss
            steps += 1
            spent = tick() - began
        window = min(WINDOW, model.window)
        carried, windows = judge(
            model.eval(), valid, chars=len(valid), window=window, carries=model.carries
        )
        best = min(best, carried)
        yield Score(
            minutes=mark,
            carried=carried,
            best=best,
            windows=windows,
            documents=None,
            training_loss=average,
            epochs=model.epoch,
            steps=steps,
            chars_per_s=model.tokens_read / spent,
            uncounted_s=uncounted_s,
            parameters=sum(p.numel() for p in model.parameters()),
            about=model.about
            + (f"; read in windows of {model.window}" if model.window < WINDOW else ""),
        )


@torch.no_grad()
def judge(
    model: Reader, tokens: Tensor, *, chars: int, window: int, carries: bool = True
) -> tuple[float, float]:
    """Nats per character of `tokens` (N,) after the first: with what came before, and by windows from a state of zero.

    What came before is a state carried in one lane, or for what has none at least half a window of text.
    """
    inputs, targets = tokens[:-1], tokens[1:]
    window = min(window, len(inputs))
    carried = (
        _carried(model, inputs, targets, window=window)
        if carries
        else _by_windows(model, inputs, targets, window=window, read=-(-window // 2))
    )
    windows = _by_windows(model, inputs, targets, window=window, read=window)
    share = chars / len(tokens)
    return carried / share, windows / share


def _carried(model: Reader, inputs: Tensor, targets: Tensor, *, window: int) -> float:
    total, state = 0.0, model.initial_state(1)
    for start in range(0, len(inputs), window):
        logits, state = model(inputs[start : start + window, None], state)
        total += _nats(logits, targets[start : start + window, None])
    return total / len(inputs)


def _by_windows(model: Reader, inputs: Tensor, targets: Tensor, *, window: int, read: int) -> float:
    """Over the last `read` tokens of windows that begin `read` apart, each from a state of zero."""
    x, y = (column.unfold(0, window, read).t() for column in (inputs, targets))
    total, lanes = 0.0, x.shape[1]
    for lane in range(0, lanes, 64):
        logits, _ = model(x[:, lane : lane + 64], model.initial_state(min(64, lanes - lane)))
        total += _nats(logits[-read:], y[-read:, lane : lane + 64])
    return total / (lanes * read)


def _nats(logits: Tensor, targets: Tensor) -> float:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").double().item()


def setting(text: str) -> tuple[str, Any]:
    """`NAME=VALUE` as a field of the configurations and a value of its type. Raises ValueError or ArgumentTypeError."""
    name, _, value = text.partition("=")
    kinds: dict[str, Any] = {
        f.name: type(f.default)
        for config in (DataConfig, ModelConfig, TrainConfig)
        for f in dataclasses.fields(config)
        if isinstance(f.default, bool | int | float | str)
    }
    if name not in kinds:
        raise argparse.ArgumentTypeError(f"there is no setting {name!r}")
    if kinds[name] is bool:
        if value not in ("True", "False"):
            raise argparse.ArgumentTypeError(f"{name} is True or False, not {value!r}")
        return name, value == "True"
    return name, kinds[name](value)
