"""What no loss curve shows about a network: how much of its memory it has given up on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.ids import Tokens
from engine.model import Model

# A unit whose memory moves less than this tells one place in the text from another no more.
STILL = 0.01
LANES, SETTLING, WATCHED = 32, 16, 32


@torch.inference_mode()
def dead_memory(model: Model, tokens: Tokens) -> float | None:
    """The share of all units whose memory stands still (sd < 0.01, of tanh c in an LSTM) while text is read.

    Looks at pieces of `tokens` (N,) side by side from a state of zero, once that has settled; None for too short a
    text. It takes 48 single steps of 32 lanes: 56 ms for 2x192 on one busy core, where a look reads for seconds.
    """
    steps = SETTLING + WATCHED
    lanes = min(LANES, len(tokens) // steps)
    if lanes < 2:
        return None
    starts = np.arange(lanes) * (len(tokens) // lanes)
    text = torch.from_numpy(np.stack([tokens[s : s + steps] for s in starts]).astype(np.int64))
    layers, state = model.layers, model.initial_state(lanes)
    seen: list[Tensor] = []
    for step, now in enumerate(text.T.to(model.device)):
        _, state = model.step(now, state)
        if step >= SETTLING:
            memory = [
                cell.memory(part) for cell, part in zip(layers, state[: len(layers)], strict=True)
            ]
            seen.append(torch.cat(memory, dim=-1))  # (B, L * H)
    spread = torch.cat(seen).float().std(dim=0)
    return float((spread < STILL).float().mean())
