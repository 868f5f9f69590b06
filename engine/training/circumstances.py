"""What decides over the last bits of training, beside the run itself: kept with each checkpoint, compared at resume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from engine import precision
from engine.training import looks
from engine.training.session import Session

KEY = "circumstances"
"""Under which a checkpoint's manifest has them."""


def circumstances(session: Session) -> dict[str, str]:
    """By what each is called, in words for a person."""
    device, model = session.world.device, session.settings.model
    how = device, session.settings.training.precision, model.cell
    found = {
        "torch": torch.__version__,
        "device": _named(device),
        "processes": str(session.world.size),
        "threads": str(torch.get_num_threads()),
        "products": precision.told(*how, hidden_size=model.hidden_size),
        "looks": "in int8" if looks.in_int8(session.settings, session.model) else "as training",
    }
    library = precision.own_kernels(*how, hidden_size=model.hidden_size)
    # Another one comes of another compiler, or of other sources.
    return found | ({"compiled library": library.digest} if library else {})


def changed(before: object, now: Mapping[str, str]) -> str:
    """What is otherwise than a checkpoint says of itself, as a sentence; empty if nothing is, or it says nothing."""
    if not isinstance(before, Mapping):
        return ""
    others = [
        f"{name} {now[name]} instead of {before[name]}"
        for name in now
        if name in before and before[name] != now[name]
    ]
    if not others:
        return ""
    return f"the run goes on from the same weights, but not bit for bit: {'; '.join(others)}"


def _named(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    capable: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return f"{capable.get('cpu_name', 'CPU')} ({torch.backends.cpu.get_cpu_capability()})"
