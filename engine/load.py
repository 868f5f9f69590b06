"""Opening a checkpoint to write or measure with: anybody's, since nothing in it is believed before it is checked.

Every file is verified against the manifest first; then the description, whose sizes have limits; then the weights'
header against the shapes that such a model has. Only then is memory taken. Nothing in a checkpoint can run code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints.checkpoint import MANIFEST, newest_valid, read_checkpoint, read_manifest
from checkpoints.errors import CheckpointError, ConfigError
from checkpoints.jsontext import load_object
from checkpoints.paths import expanded, is_file
from checkpoints.runs import find_run, is_run
from checkpoints.tensors import Limits, unpack
from engine import tokenizers
from engine.config import DataConfig, ModelConfig, from_json
from engine.model import Model, weight_shapes
from engine.tokenizers.base import Tokenizer

FORMAT = 1
WEIGHTS, AVERAGED = "model.safetensors", "ema.safetensors"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to write, and what belongs to it."""

    path: Path
    """The checkpoint's folder."""
    model: Model
    tokenizer: Tokenizer
    config: ModelConfig
    step: int
    documents: bool
    """Whether it was trained on documents, each from a fresh state, and ends them."""
    genre: str
    titles: bool
    """Whether the pieces that it was trained on had their titles."""
    averaged: bool
    """Whether the weights are the running average that training kept (`ema`)."""
    data: DataConfig | None
    """How its text became tokens and what was held out; None where an older checkpoint does not say."""

    @property
    def alone(self) -> bool:
        """Whether the checkpoint lies in no run: it was sent, or copied out of one."""
        return not is_run(self.path.resolve().parent)

    @property
    def run(self) -> str:
        """The name of the run that the checkpoint lies in; of its own folder where it is alone."""
        path = self.path.resolve()
        return path.name if self.alone else path.parent.name


def open_model(path: Path) -> LoadedModel:
    """The model in a checkpoint's folder, on the CPU, with averaged weights where there are any.

    Raises CheckpointError if the checkpoint is damaged, from a newer version, or not what it says.
    """
    files = read_checkpoint(path)
    body = _description(files, path)
    tokenizer = tokenizers.load(files)
    try:
        config = from_json(ModelConfig, body["model"])
        data = from_json(DataConfig, body["data"]) if "data" in body else None
        shapes = weight_shapes(config, tokenizer.vocab_size)
    except ConfigError as error:
        raise _bad(path, error.message) from error
    if body["vocab_size"] != tokenizer.vocab_size:
        raise _bad(
            path,
            f"it has a vocabulary of {body['vocab_size']:,} tokens, its tokenizer one of {tokenizer.vocab_size:,}",
        )
    if data is not None and data.tokenizer != tokenizer.name:
        raise _bad(path, f"it was cut by {data.tokenizer}, and its tokenizer is {tokenizer.name}")
    name = AVERAGED if AVERAGED in files else WEIGHTS
    if name not in files:
        raise _bad(path, f"{WEIGHTS} is missing")
    try:
        weights = unpack(files[name], limits=Limits(shapes=shapes), what=f"{path / name}")
        model = Model.from_weights(config, tokenizer.vocab_size, weights)
    except (MemoryError, RuntimeError) as error:  # torch's allocator raises the second
        raise CheckpointError(
            f"the model of {path}, {len(files[name]):,} bytes of weights, does not fit into memory",
            hint="close other programs, or open it on a larger machine",
        ) from error
    return LoadedModel(
        path=path,
        model=model.requires_grad_(False),
        tokenizer=tokenizer,
        config=config,
        step=read_manifest(path).step,
        documents=body["document_mode"],
        genre=body["genre"],
        titles=body.get("titles") is not False,
        averaged=name == AVERAGED,
        data=data,
    )


def open_run(text: str, runs: Path, *, note: Callable[[str], None] | None = None) -> LoadedModel:
    """The model that a person means: a run's name or folder, `NAME@best|last|STEP`, or a checkpoint's own folder.

    A run without more means its best checkpoint; should that be damaged, the newest whole one. `note` is told of each
    that is passed over. Raises RunError or CheckpointError.
    """
    folder = expanded(text)
    if text and is_file(folder / MANIFEST):
        return open_model(folder)
    run, spec = find_run(text, runs)
    told: set[Path] = set()

    def skipped(path: Path, error: CheckpointError) -> None:
        if note is not None and path not in told:
            told.add(path)
            note(f"{error.message}; it is passed over")

    path = run.checkpoint(spec, skipped=skipped)
    try:
        return open_model(path)
    except CheckpointError as error:
        whole = newest_valid(run.path, skipped=skipped) if not spec else None
        if whole is None or whole == path:
            raise
        skipped(path, error)
        if note is not None:
            note(f"using {whole.name} instead")
        return open_model(whole)


def _description(files: Mapping[str, bytes], path: Path) -> dict[str, Any]:
    """config.json, every field of the type that it must have."""
    if "config.json" not in files:
        raise _bad(path, "config.json is missing")
    body = load_object(files["config.json"], what=f"{path / 'config.json'}")
    made_by = body.get("format")
    if type(made_by) is int and made_by > FORMAT:
        raise CheckpointError(
            f"the checkpoint {path} is of format {made_by}; this rnnstudio reads up to {FORMAT}",
            hint="install a newer rnnstudio",
        )
    kinds = {
        "format": int,
        "model": dict,
        "vocab_size": int,
        "document_mode": bool,
        "genre": str,
    }
    for name, kind in kinds.items():
        if type(body.get(name)) is not kind:
            raise _bad(path, f"{name} in config.json is not of type {kind.__name__}")
    return body


def _bad(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint {path} cannot be used: {why}", hint="use another checkpoint or run"
    )
