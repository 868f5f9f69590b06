"""How large a model is and how much memory its training takes, computed from its shape, without torch."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from engine import cells
from engine.config import ModelConfig

FLOAT_BYTES = 4


def parameters(config: ModelConfig, vocab_size: int) -> int:
    """Number of trained weights. Raises ConfigError for a cell that there is not."""
    e, h, v = config.embedding_size, config.hidden_size, vocab_size
    beside = config.gram_size if config.grams > 1 else 0
    stack = sum(
        layer_parameters(config.cell, (e or v) + beside if i == 0 else h, h)
        for i in range(config.num_layers)
    )
    norms = 2 * h * config.num_layers if config.layer_norm else 0
    output = (h * e if e != h else 0) if config.tied else v * h
    return v * e + config.gram_rows * beside + stack + norms + output + v


def layer_parameters(cell: str, input_size: int, hidden_size: int) -> int:
    """Number of weights of one recurrent layer."""
    formula = str(_declared(cell, "parameter_formula"))
    return int(eval(formula, {"__builtins__": {}}, {"I": input_size, "H": hidden_size}))


def training_bytes(config: ModelConfig, *, vocab_size: int, lanes: int, bptt: int) -> int:
    """Memory that training needs beside the program itself, within about a quarter.

    Weights, their gradients and two running averages of the optimizer; and for each of the `lanes * bptt` tokens what
    the backward pass needs: gates, states and masks of each layer, and logits, their probabilities and their gradient.
    Example: 2x192 LSTM, 65 characters, 16 lanes of 64: 0.5 M weights four times over and 1,024 tokens of 7,171 numbers
    each, 38 MB in all.
    """
    weights = 4 * parameters(config, vocab_size)
    units = config.hidden_size * config.num_layers
    kept = int(_declared(config.cell, "kept_per_unit"))
    beside = config.grams * config.gram_size if config.grams > 1 else 0
    token = (config.embedding_size or vocab_size) + beside + kept * units + 3 * vocab_size
    return FLOAT_BYTES * (weights + lanes * bptt * token)


@cache
def _declared(cell: str, name: str) -> str | int:
    """What the cell's class declares under this name, read from its source: importing a cell imports torch."""
    path = Path(cells.__file__).parent / f"{cells.check(cell)}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == name
        ):
            value = ast.literal_eval(node.value)
            assert isinstance(value, str | int)
            return value
    raise LookupError(f"{path} declares no {name}")
