"""What `--optimizer` names, as one object whatever stands behind it, with a state that checkpoints can hold.

Muon (Jordan et al. 2024) orthogonalises the update of each matrix of the recurrent stack; embedding, output, biases and
norms are AdamW's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from checkpoints.errors import CheckpointError
from engine.config import TrainConfig
from engine.model import Model, token_axes
from engine.muon import Muon
from engine.uncompiled import plain_step

# From the trial in the papers' recipes and ours: good starts for networks of 0.1 to 10 million weights.
DEFAULT_RATES: Mapping[str, float] = {
    "muon": 0.03,
    "adamw": 4e-3,
    "adam": 2e-3,
    "rmsprop": 2e-3,
    "adagrad": 0.1,
    "sgd": 0.5,
}
# Of Muon's rate, for embedding, output, biases and norms, which are AdamW's.
ADAMW_SHARE = 0.2
# Rates beyond these have, for that kind of step, led nowhere (too small) or to divergence (too large).
SANE_RATES: Mapping[str, tuple[float, float]] = {
    "muon": (1e-4, 0.2),
    "adamw": (1e-5, 0.03),
    "adam": (1e-5, 0.03),
    "rmsprop": (1e-5, 0.03),
    "adagrad": (1e-4, 1.0),
    "sgd": (1e-4, 30.0),
}

# What each keeps for a weight: of its shape, but `step`, which is a single number.
_KEPT: Mapping[type[torch.optim.Optimizer], frozenset[str]] = {
    Muon: frozenset({"momentum_buffer"}),
    torch.optim.AdamW: frozenset({"step", "exp_avg", "exp_avg_sq"}),
    torch.optim.Adam: frozenset({"step", "exp_avg", "exp_avg_sq"}),
    torch.optim.RMSprop: frozenset({"step", "square_avg"}),
    torch.optim.Adagrad: frozenset({"step", "sum"}),
    torch.optim.SGD: frozenset({"momentum_buffer"}),
}

# Ours and torch's fused kernels ask the device whether to change anything.
CAN_SKIP = frozenset({"muon", "adamw", "adam"})


def default_lr(optimizer: str) -> float:
    """The rate that the optimizer starts with where none was given."""
    return DEFAULT_RATES[optimizer]


def default_decay(optimizer: str) -> float:
    """The weight decay that the optimizer has where none was given."""
    # Muon soon learns a text by heart: 0.1 won 0.015 nats/char over 0.01 at 3.5 passes (rate 0.03) and at 1.5 (0.045).
    return 0.1 if optimizer == "muon" else 0.01


def warn_if_odd(lr: float, optimizer: str) -> str | None:
    """A sentence if this rate belongs to another optimizer (30 suits plain SGD and destroys Adam), else None."""
    least, most = SANE_RATES[optimizer]
    if least <= lr <= most:
        return None
    return (
        f"a learning rate of {lr:g} is very {'low' if lr < least else 'high'} for {optimizer}: "
        f"{least:g} to {most:g} is usual, {default_lr(optimizer):g} the default"
    )


class Optimizer:
    """One or two of torch's optimizers over all of a model's weights, stepping together."""

    def __init__(
        self, name: str, named: Mapping[str, nn.Parameter], parts: list[torch.optim.Optimizer]
    ) -> None:
        self.name = name
        self._names: dict[Tensor, str] = {parameter: key for key, parameter in named.items()}
        self._parts = parts
        self._steps = [plain_step(part) for part in parts]
        self._start_buffers()

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """torch's groups; each has a `ratio`, its rate as a share of the one given to `step`."""
        return list(itertools.chain.from_iterable(part.param_groups for part in self._parts))

    @property
    def can_skip(self) -> bool:
        """Whether `step` takes `unless`."""
        return self.name in CAN_SKIP

    @torch.no_grad()
    def step(self, *, lr: float, turn: int = 0, unless: Tensor | None = None) -> None:
        """Move every weight along its gradient, at the rate `lr` (for Muon: the matrices' rate).

        `turn` counts the steps before this one: Muon lets large matrices rest at two of three. Where `unless`, a truth
        value on the weights' device, says so, nothing changes; nobody waits to know.
        """
        assert unless is None or self.can_skip
        for part in self._parts:
            if isinstance(part, Muon):
                part.turn = turn
            # Where torch's fused kernels look for it; GradScaler puts it there too.
            part.found_inf = None if unless is None else unless.float()  # type: ignore[attr-defined]
        for group in self.param_groups:
            group["lr"] = lr * group["ratio"]
            if shrink := group["own_weight_decay"]:
                moved = [p for p in group["params"] if p.grad is not None]
                torch._foreach_mul_(moved, 1 - group["lr"] * shrink)
        for step in self._steps:
            step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._names:
            parameter.grad = None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next step depends on but weights and rate: tensors on the CPU by name, and plain JSON."""
        tensors = {
            f"{key}.{self._names[parameter]}": value.detach().to("cpu", copy=True).contiguous()
            for part in self._parts
            for parameter, kept in part.state.items()
            for key, value in kept.items()
        }
        return tensors, {"optimizer": self.name}

    def load_state(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from what `state` gave, wherever its tensors lie.

        Raises CheckpointError, having changed nothing, where it is not the state of this optimizer over these weights.
        """
        if numbers.get("optimizer") != self.name:
            raise CheckpointError(
                f"the checkpoint holds the state of the optimizer {numbers.get('optimizer')!r}, not {self.name}",
                hint=f"go on with --optimizer {self.name} as a new run: rnnstudio train --from RUN",
            )
        left = dict(tensors)
        loaded = []
        for part in self._parts:
            kept = {
                i: self._kept(part, parameter, left)
                for i, parameter in enumerate(_parameters(part))
            }
            loaded.append({i: values for i, values in kept.items() if values})
        if left:
            raise CheckpointError(
                f"the optimizer's state has {sorted(left)[0]!r}, which is not part of this model",
                hint="the checkpoint's files do not belong together",
            )
        for part, state in zip(self._parts, loaded, strict=True):
            part.load_state_dict({**part.state_dict(), "state": state})
        self._start_buffers()

    def _kept(
        self, part: torch.optim.Optimizer, parameter: nn.Parameter, left: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """What the checkpoint has for this weight: all that its optimizer keeps, or nothing yet."""
        name = self._names[parameter]
        keys = _KEPT[type(part)]
        found = {key: left.pop(f"{key}.{name}") for key in keys if f"{key}.{name}" in left}
        for key in keys if found else ():
            expected = () if key == "step" else tuple(parameter.shape)
            shape = tuple(found[key].shape) if key in found else "missing"
            if shape != expected:
                raise CheckpointError(
                    f"the optimizer's {key} of {name} is {shape}; this model needs {expected}",
                    hint="the checkpoint's files do not belong together",
                )
        return {key: value.clone() for key, value in found.items()}

    def _start_buffers(self) -> None:
        """Begin momentum at zeros laid out like the weight.

        torch would take over the layout of the first gradient, which no checkpoint keeps, and sums over another layout
        round differently: a resumed run would drift from an uninterrupted one.
        """
        for part in self._parts:
            if "momentum_buffer" in _KEPT[type(part)]:
                for parameter in _parameters(part):
                    kept = part.state[parameter]
                    if kept.get("momentum_buffer") is None:
                        kept["momentum_buffer"] = torch.zeros_like(
                            parameter, memory_format=torch.contiguous_format
                        )


def build(model: Model, config: TrainConfig) -> Optimizer:
    """The optimizer that the configuration names, over those weights of the model that want gradients.

    Weight decay is decoupled and acts on matrices only; `adam` has none (with it, it is `adamw`). The model must be on
    its device already. Rates are given to each step.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    parts: list[torch.optim.Optimizer] = []
    if config.optimizer == "muon":
        stack = _stack_matrices(model)
        parts.append(
            Muon(
                [_group([p for name, p in named.items() if name in stack])],
                weight_decay=config.weight_decay,
                tokens=config.lanes * config.bptt,
            )
        )
        rest = {name: p for name, p in named.items() if name not in stack}
        parts.append(_adamw(rest, ratio=ADAMW_SHARE, weight_decay=config.weight_decay))
    elif config.optimizer == "adamw":
        parts.append(_adamw(named, ratio=1.0, weight_decay=config.weight_decay))
    elif config.optimizer == "adam":
        parts.append(torch.optim.Adam([_group([*named.values()])], fused=True))
    else:
        groups = _by_dimension(named, own_weight_decay=config.weight_decay)
        parts.append(_classic(config, groups, on_cpu=model.device.type == "cpu"))
    return Optimizer(config.optimizer, named, parts)


def clip(model: nn.Module, config: TrainConfig) -> Tensor:
    """Clip the gradients in place as the configuration says; gives the whole gradient's norm before it, a scalar.

    The norm is not finite if, and only if, a gradient is not (or overflows when squared): then the gradients are no
    good, and the step should be skipped.
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    if config.clip and config.clip_by == "norm":
        # Always a product, as a comparison would make the CPU wait for the device.
        share = (config.clip / (norm + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, share)
    elif config.clip:
        torch._foreach_clamp_min_(gradients, -config.clip)
        torch._foreach_clamp_max_(gradients, config.clip)
    return norm


def _adamw(
    named: Mapping[str, nn.Parameter], *, ratio: float, weight_decay: float
) -> torch.optim.Optimizer:
    matrices, rest = _by_dimension(named, ratio=ratio)
    matrices["weight_decay"], rest["weight_decay"] = weight_decay, 0.0
    # Fused: 0.3 ms a step against 0.9 (2x192, one CPU thread), 2.5 against 9.9 (2x512).
    return torch.optim.AdamW([matrices, rest], betas=(0.9, 0.99), fused=True)


def _classic(
    config: TrainConfig, groups: list[dict[str, Any]], *, on_cpu: bool
) -> torch.optim.Optimizer:
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, alpha=config.rms_decay)
    if config.optimizer == "adagrad":
        # g / sqrt(sum of g^2 + 1e-8), as min-char-rnn has it. torch has the fused kernel for the CPU only.
        return torch.optim.Adagrad(
            groups, initial_accumulator_value=1e-8, eps=0.0, fused=on_cpu or None
        )
    return torch.optim.SGD(groups, momentum=config.momentum, fused=True)


def _stack_matrices(model: Model) -> set[str]:
    """Names of the recurrent layers' matrices; one that reads one-hot tokens is an embedding, and AdamW's."""
    tokens = token_axes(model.config)
    return {
        name
        for name, p in model.named_parameters()
        if name.startswith("cells.") and p.ndim == 2 and name not in tokens
    }


def _group(
    parameters: list[nn.Parameter], *, ratio: float = 1.0, own_weight_decay: float = 0.0
) -> dict[str, Any]:
    """A group in torch's sense; `own_weight_decay` is applied by us, as torch's would not be decoupled there."""
    return {"params": parameters, "ratio": ratio, "own_weight_decay": own_weight_decay}


def _by_dimension(
    named: Mapping[str, nn.Parameter], *, ratio: float = 1.0, own_weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    matrices = [p for p in named.values() if p.ndim >= 2]
    rest = [p for p in named.values() if p.ndim < 2]
    return [
        _group(matrices, ratio=ratio, own_weight_decay=own_weight_decay),
        _group(rest, ratio=ratio),
    ]


def _parameters(part: torch.optim.Optimizer) -> list[nn.Parameter]:
    """In the order in which torch numbers them in a state dict."""
    return [p for group in part.param_groups for p in group["params"]]
