"""Tensors to bytes and back: safetensors, its header checked before anything is allocated.

The format (a header's length as 8 bytes little-endian, a JSON header, the tensors' bytes) is stated at
github.com/huggingface/safetensors. The library checks much of this itself; a stranger's file is checked here first,
against tighter limits, so that its loader only ever sees what this module would have written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from checkpoints.errors import CheckpointError
from checkpoints.jsontext import load_object

BYTES_PER_ELEMENT = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""The element types that are read; torch has one for each."""

MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**48


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file of tensors may ask for."""

    max_bytes: int = 16 * 1024**3
    """Bytes of the whole file."""

    max_tensors: int = 10_000
    """Tensors in it."""

    max_header_bytes: int = 4 * 1024**2
    """Bytes of its header; 10,000 tensors need about 1 MiB."""

    shapes: Mapping[str, tuple[int, ...]] | None = None
    """The names and shapes that must be there, no more and no fewer; None allows any."""


DEFAULT_LIMITS = Limits()


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The tensors, from whatever device, as bytes. The same tensors always give the same bytes.

    Tensors that share memory are each stored in full.
    """
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        stored = tensor.detach().to("cpu").contiguous()
        storage = stored.untyped_storage()
        if storage.data_ptr() in storages or storage.nbytes() != stored.nbytes:
            stored = stored.clone()  # the library refuses to store tensors that share memory
        storages.add(stored.untyped_storage().data_ptr())
        plain[name] = stored
    return save(plain)


def unpack(
    data: bytes, *, limits: Limits = DEFAULT_LIMITS, what: str = "the tensor file"
) -> dict[str, Tensor]:
    """The tensors that `pack` stored, on the CPU. `what` names the file in errors.

    Raises CheckpointError, before any tensor is allocated, if the file asks for anything outside the limits.
    """
    check_header(data, limits=limits, what=what)
    try:
        # Where its copy does not fit, the library panics, and may wait for itself for ever: see first that it does.
        np.empty(2 * len(data), np.uint8)
        return load(data)
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise _bad(what, str(error).splitlines()[0]) from error
    except MemoryError as error:
        raise _bad(what, f"its {len(data):,} bytes do not fit into memory") from error


def check_header(
    data: bytes, *, limits: Limits = DEFAULT_LIMITS, what: str = "the tensor file"
) -> dict[str, tuple[int, ...]]:
    """The shapes that a file states, by name, once everything it states holds. Raises CheckpointError."""
    if len(data) > limits.max_bytes:
        raise _bad(what, f"{len(data):,} bytes are over the limit of {limits.max_bytes:,}")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise _bad(what, "it is cut short, or no safetensors file at all")
    if length > limits.max_header_bytes:
        raise _bad(what, f"its header of {length:,} bytes is over {limits.max_header_bytes:,}")
    header = load_object(
        data[8 : 8 + length],
        what=f"{what}: its header",
        max_bytes=limits.max_header_bytes,
        max_depth=3,
    )
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad(what, "its metadata are not texts")
    if len(header) > limits.max_tensors:
        raise _bad(what, f"it holds {len(header):,} tensors, over {limits.max_tensors:,}")
    shapes: dict[str, tuple[int, ...]] = {}
    ranges: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        shape, begin, end = _checked(name, entry, what)
        shapes[name] = shape
        ranges.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(ranges):
        if begin != position:
            raise _bad(what, f"{name!r} does not begin where the one before it ends")
        position = end
    if position != len(data) - 8 - length:
        raise _bad(what, f"its tensors take {position:,} of {len(data) - 8 - length:,} bytes")
    if limits.shapes is not None:
        _expect(shapes, limits.shapes, what)
    return shapes


def _checked(name: str, entry: object, what: str) -> tuple[tuple[int, ...], int, int]:
    """Shape, begin and end of one tensor; they agree with each other."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _bad(what, f"{name!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BYTES_PER_ELEMENT:
        raise _bad(what, f"{name!r} has elements of type {dtype!r}")
    if not _counts(shape) or len(shape) > MAX_DIMENSIONS:
        raise _bad(what, f"{name!r} has no proper shape")
    if not _counts(offsets) or len(offsets) != 2:
        raise _bad(what, f"{name!r} has no proper place in the file")
    elements = space = 1
    for (
        size
    ) in shape:  # Python's integers do not overflow; torch's strides would, also around a size of 0
        elements, space = elements * size, space * max(size, 1)
    begin, end = offsets
    if space > MAX_ELEMENTS:
        raise _bad(what, f"{name!r} has a shape of more than {MAX_ELEMENTS:,} elements")
    if end - begin != elements * BYTES_PER_ELEMENT[dtype]:
        raise _bad(what, f"{name!r} takes {end - begin:,} bytes, which its shape does not")
    return tuple(shape), begin, end


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**63 for v in value)


def _expect(
    shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], what: str
) -> None:
    if missing := sorted(expected.keys() - shapes.keys()):
        raise _bad(what, f"{missing[0]!r} is missing")
    if extra := sorted(shapes.keys() - expected.keys()):
        raise _bad(what, f"{extra[0]!r} does not belong there")
    for name, shape in shapes.items():
        if shape != tuple(expected[name]):
            raise _bad(what, f"{name!r} has the shape {list(shape)}, not {list(expected[name])}")


def _bad(what: str, why: str) -> CheckpointError:
    return CheckpointError(f"{what} cannot be read: {why}", hint="use another checkpoint")
