"""A whole checkpoint of a tiny model, written as the trainer writes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from checkpoints.checkpoint import write_checkpoint
from checkpoints.tensors import pack
from engine.config import to_json
from engine.model import Model
from engine.tokenizers.base import Tokenizer


def files(
    model: Model, tokenizer: Tokenizer, *, documents: bool = False, genre: str = "prose"
) -> dict[str, bytes]:
    config = {
        "format": 1,
        "model": to_json(model.config),
        "vocab_size": model.vocab_size,
        "document_mode": documents,
        "genre": genre,
    }
    return {
        **tokenizer.to_files(),
        "config.json": json.dumps(config).encode(),
        "trainer.json": b"{}",
        "model.safetensors": pack(model.weights()),
    }


def write(run: Path, step: int, contents: Mapping[str, bytes], **about: float) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    if not (run / "run.json").exists():
        (run / "run.json").write_text("{}")
    return write_checkpoint(run, step, contents, about=about)
