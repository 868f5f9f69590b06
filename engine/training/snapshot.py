"""A run's moment as a checkpoint's files, and back: nothing that training depends on is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from checkpoints.errors import CheckpointError
from checkpoints.jsontext import load_object
from checkpoints.tensors import Limits, pack, unpack
from engine import carried
from engine.config import to_json
from engine.model import weight_shapes
from engine.training.session import Session
from engine.training.state import TrainerState

FORMAT = 1


def take(session: Session, state: TrainerState, *, all_lanes: carried.State) -> dict[str, bytes]:
    """The checkpoint's files. `all_lanes` is the carried state of every process's lanes, in lane order."""
    optimizer_tensors, optimizer_numbers = session.optimizer.state()
    files = {
        **session.tokenizer.to_files(),
        "config.json": _json(
            {
                "format": FORMAT,
                "model": to_json(session.settings.model),
                "data": to_json(session.settings.data),
                "vocab_size": session.settings.vocab_size,
                "document_mode": session.documents,
                "genre": session.settings.corpus.genre,
                "titles": session.settings.data.titles,
                "tokenizer": session.settings.data.tokenizer,
            }
        ),
        "trainer.json": _json(
            {
                "format": FORMAT,
                "state": state.to_json(),
                "lanes": session.lanes.position(),
                "optimizer": optimizer_numbers,
            }
        ),
        "model.safetensors": pack(session.model.weights()),
        "optimizer.safetensors": pack(optimizer_tensors),
        "state.safetensors": pack(
            _prefixed(carried=carried.pack(all_lanes), rng=session.rng.state())
        ),
    }
    if session.ema is not None:
        files["ema.safetensors"] = pack(session.ema.weights())
    return files


def restore(session: Session, files: Mapping[str, bytes]) -> TrainerState:
    """Bring the session to the moment that `take` wrote down. Raises CheckpointError if it is another run's."""
    body = _trainer(files)
    state = state_of(files)
    shapes = weight_shapes(session.settings.model, session.settings.vocab_size)
    weights = unpack(
        _file(files, "model.safetensors"), limits=Limits(shapes=shapes), what="model.safetensors"
    )
    rest = unpack(_file(files, "state.safetensors"), what="state.safetensors")
    optimizer_tensors = unpack(_file(files, "optimizer.safetensors"), what="optimizer.safetensors")
    session.model.load_weights(weights)
    session.optimizer.load_state(optimizer_tensors, _object(body, "optimizer"))
    if session.ema is not None:
        session.ema.load_weights(
            unpack(
                _file(files, "ema.safetensors"),
                limits=Limits(shapes=shapes),
                what="ema.safetensors",
            )
        )
    session.lanes.seek(_object(body, "lanes"))
    session.rng.load_state(_under("rng", rest))
    whole = carried.unpack(
        _under("carried", rest), like=session.model.initial_state(session.settings.training.lanes)
    )
    share = session.world.lanes(session.settings.training.lanes)
    session.carried = tuple(tuple(part[share].clone() for part in layer) for layer in whole)
    return state


def state_of(files: Mapping[str, bytes]) -> TrainerState:
    """Where the run stood when the checkpoint was taken. Raises CheckpointError where it does not say so."""
    return TrainerState.from_json(_object(_trainer(files), "state"))


def _trainer(files: Mapping[str, bytes]) -> dict[str, Any]:
    return load_object(_file(files, "trainer.json"), what="trainer.json")


def _prefixed(**groups: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"{group}.{name}": tensor
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }


def _under(group: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{group}."
    return {
        name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)
    }


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise CheckpointError(
            f"the checkpoint has no {name}", hint="resume from another checkpoint"
        )
    return files[name]


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise CheckpointError(
            f"the checkpoint's trainer.json has no {name}", hint="resume from another checkpoint"
        )
    return value


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all numbers are numbers: a checkpoint of anything else must never become the one to go back to."""
    return all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point())
