"""JSON from outside, with limits: its size and depth are checked before it is parsed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from checkpoints.errors import CheckpointError

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_CONTAINERS = 500_000
MAX_DIGITS = 308
"""Of a whole number: one of that many still fits into a float."""

# A string, or a bracket outside of one. Possessive, and with an end for strings that have none, so that every text is
# scanned once, whatever it holds.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\(?:.|\Z)[^"\\]*+)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_DIRECTION = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def load_json(
    data: bytes, *, what: str = "JSON", max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Any:
    """The value that UTF-8 JSON holds. `what` names it in errors.

    Raises CheckpointError if it is too large, too deeply nested, no JSON, names a key twice, or holds NaN or a whole
    number beyond any float.
    """
    if len(data) > max_bytes:
        raise _bad(what, f"{len(data):,} bytes are over the limit of {max_bytes:,}")
    depth = containers = 0
    for match in _TOKENS.finditer(data):
        direction = _DIRECTION.get(data[match.start()], 0)
        depth += direction
        containers += direction > 0
        if depth > max_depth or containers > MAX_CONTAINERS:
            raise _bad(what, f"it is nested deeper than {max_depth} or has too many parts")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_int=whole_number,
        )
    except UnicodeDecodeError as error:
        raise _bad(what, f"byte {error.start:,} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _bad(what, str(error) or "it cannot be parsed") from error


def load_object(
    data: bytes, *, what: str = "JSON", max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """As `load_json`, for JSON that must be an object."""
    value = load_json(data, what=what, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(value, dict):
        raise _bad(what, f"it is a {type(value).__name__}, not an object")
    return value


def whole_number(digits: str) -> int:
    """For `parse_int` of a JSON parser. Raises ValueError for a number that no float could hold."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits is too large")
    return int(digits)


def finite(value: Any) -> Any:
    """The same for JSON: numbers that are not finite, which it has none of, become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _bad(what: str, why: str) -> CheckpointError:
    return CheckpointError(f"{what} cannot be read: {why}", hint="use another checkpoint or run")
