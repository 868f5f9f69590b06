"""torch's optimizers without torch's compiler, whose import costs every start of a training a second.

Their methods hide from the compiler, or break its graph, and import all of it in order to do so. Nothing is compiled
here, so they are told to do without. Both tricks rest on how torch is written today; where it is written otherwise they
change nothing, but that the second is back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer

_HIDING = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def _stop_hiding() -> None:
    """`torch._disable_dynamo` looks in this attribute for a method's hidden form, before it has one made."""
    for name in _HIDING:
        method = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if method is not None:
            method.__dict__.setdefault("__dynamo_disable", method)


_stop_hiding()


def plain_step(optimizer: Optimizer) -> Callable[[], object]:
    """`optimizer.step` as its class defines it, without torch's wrappers: to be called under `torch.no_grad`."""
    return partial(inspect.unwrap(type(optimizer).step), optimizer)
