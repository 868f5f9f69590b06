"""Tensors come back bit for bit, and a file that asks for anything odd is refused before it is allocated."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import tensors
from checkpoints.errors import CheckpointError
from checkpoints.tensors import Limits, check_header, pack, unpack
from tests.faults.memory import at_most

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


@st.composite
def some_tensors(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    found = {}
    for name in draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=4)):
        shape = draw(st.lists(st.integers(0, 3), max_size=4))
        dtype = draw(st.sampled_from(list(DTYPES.values())))
        rng = torch.Generator().manual_seed(draw(st.integers(0, 99)))
        found[name] = torch.randint(0, 2, shape, generator=rng).to(dtype)
    return found


@given(some_tensors())
def test_tensors_come_back_as_they_were(given_tensors: dict[str, torch.Tensor]) -> None:
    given_tensors.pop("__metadata__", None)
    data = pack(given_tensors)
    for found in (
        unpack(data),
        safetensors.torch.load(data),
    ):  # the library's own reader is the oracle
        assert found.keys() == given_tensors.keys()
        for name, tensor in given_tensors.items():
            assert found[name].dtype == tensor.dtype
            assert found[name].shape == tensor.shape
            assert torch.equal(found[name], tensor)
    assert pack(dict(reversed(given_tensors.items()))) == data


def test_floats_keep_every_bit() -> None:
    odd = torch.tensor([0.1, -0.0, float("inf"), float("nan"), 1e-45])
    assert torch.equal(unpack(pack({"a": odd}))["a"].view(torch.int32), odd.view(torch.int32))


def test_tensors_that_share_memory_or_are_views_are_stored_in_full() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    found = unpack(pack({"all": base, "same": base, "row": base[1], "turned": base.t()}))
    assert torch.equal(found["same"], base)
    assert torch.equal(found["row"], torch.tensor([4.0, 5.0, 6.0, 7.0]))
    assert torch.equal(found["turned"], base.t())
    assert len(pack({"row": base[1]})) == len(pack({"row": base[1].clone()}))


def made(header: dict[str, Any] | bytes, body: bytes = b"", *, claimed: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if claimed is None else claimed).to_bytes(8, "little") + text + body


def one(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


EIGHT = bytes(8)
HOSTILE = {
    "empty": b"",
    "shorter than a length": b"\x01\x00",
    "a pickle": pickle.dumps({"a": 1}),
    "a header longer than the file": made(one(), EIGHT, claimed=100 * 2**20),
    "a header of 2^64 - 1": made(one(), EIGHT, claimed=2**64 - 1),
    "nested 100,000 deep": made(b"[" * 100_000),
    "nested 100,000 deep inside a shape": made(b'{"a":{"shape":' + b"[" * 100_000),
    "no object": made(b"[]"),
    "a tensor twice": made(b'{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":1}', EIGHT),
    "metadata that are no texts": made({"__metadata__": {"x": 1}}),
    "an unknown element type": made(one("F8_E4M3"), EIGHT),
    "an element type that is a list": made(one(["F32"]), EIGHT),
    "a negative size": made(one(shape=[-2]), EIGHT),
    "sizes whose product overflows to 2": made(one(shape=[2**33, 2**31 + 1]), EIGHT),
    "a product of 2^64": made(one(shape=[2**32, 2**32], offsets=[0, 0])),
    "a size of 0 beside huge ones": made(one(shape=[0, 2**62, 2**62], offsets=[0, 0])),
    "a size over 64 bits": made(one(shape=[10**30], offsets=[0, 0])),
    "a size that is a float": made(one(shape=[2.0]), EIGHT),
    "a size that is true": made(one("F64", shape=[True]), EIGHT),
    "too many dimensions": made(one(shape=[1] * 8 + [2]), EIGHT),
    "a hidden size of 10^9": made(one(shape=[4 * 10**9, 10**9], offsets=[0, 16 * 10**18]), EIGHT),
    "an end before its begin": made(one(offsets=[8, 0]), EIGHT),
    "three offsets": made(one(offsets=[0, 8, 8]), EIGHT),
    "offsets behind the end": made(one(offsets=[8, 16]), EIGHT),
    "bytes that no tensor has": made(one(), EIGHT + b"PK\x03\x04"),
    "fewer bytes than its shape": made(one(shape=[3]), EIGHT),
    "overlapping tensors": made({**one(), "b": one()["a"]}, EIGHT),
    "tensors that overlap by a part": made({**one(), "b": one(offsets=[4, 12])["a"]}, bytes(12)),
    "a hole between tensors": made({**one(), "b": one(offsets=[12, 20])["a"]}, bytes(20)),
    "more tensors than allowed": made(
        {str(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
    ),
    "a field too many": made({"a": {**one()["a"], "code": "x"}}, EIGHT),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_before_anything_is_allocated(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = HOSTILE[name]
    monkeypatch.setattr(tensors, "load", lambda data: pytest.fail(f"{len(data)} bytes were loaded"))
    # 10,000 small tensors' header becomes Python objects of some 600 bytes each; nothing else needs even 1 MB.
    most = 12_000_000 if "more tensors" in name else 1_000_000
    with at_most(most), pytest.raises(CheckpointError) as caught:
        unpack(data, what="model.safetensors")
    assert caught.value.message.startswith("model.safetensors")


def test_what_does_not_fit_into_memory_is_found_out_before_the_library_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room(size: int, _dtype: type) -> None:
        assert size >= 2 * len(GOOD)
        raise MemoryError

    monkeypatch.setattr(tensors, "load", lambda data: pytest.fail(f"{len(data)} bytes were loaded"))
    monkeypatch.setattr(tensors.np, "empty", no_room)
    with pytest.raises(CheckpointError, match=f"its {len(GOOD)} bytes do not fit into memory"):
        unpack(GOOD)


def test_a_header_of_100_mb_is_refused_unread() -> None:
    data = made(b"{" + b" " * (100 * 2**20) + b"}")
    with at_most(100_000), pytest.raises(CheckpointError, match="header of 104,857,602 bytes"):
        unpack(data)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_pickles_and_zip_polyglots_run_nothing(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    plain = pickle.dumps(Bomb(proof))
    zipped, polyglot = io.BytesIO(), io.BytesIO(pack({"a": torch.ones(2)}))
    torch.save({"a": Bomb(proof)}, zipped)
    polyglot.seek(0, io.SEEK_END)
    with zipfile.ZipFile(
        polyglot, "a"
    ) as archive:  # a valid file of tensors with an archive behind it
        archive.writestr("archive/data.pkl", plain)
    for data in (plain, zipped.getvalue(), polyglot.getvalue()):
        with pytest.raises(CheckpointError):
            unpack(data)
    assert not proof.exists()
    pickle.loads(plain)  # the bomb itself does go off
    assert proof.exists()


GOOD = pack(
    {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(3, dtype=torch.bfloat16)}
)


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_any_damage_is_a_checkpoint_error_or_harmless(damage: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for at, value in damage:
        data[at] = value
    try:
        found = unpack(bytes(data))
    except CheckpointError:
        return
    assert sum(t.numel() * t.element_size() for t in found.values()) == 30


def test_shapes_must_be_the_expected_ones() -> None:
    shapes = {"weight": (2, 3), "bias": (3,)}
    assert check_header(GOOD, limits=Limits(shapes=shapes)) == shapes
    for wrong, why in [
        ({"weight": (2, 3)}, "'bias' does not belong there"),
        ({**shapes, "gain": (1,)}, "'gain' is missing"),
        ({**shapes, "weight": (3, 2)}, r"'weight' has the shape \[2, 3\], not \[3, 2\]"),
    ]:
        with pytest.raises(CheckpointError, match=why):
            unpack(GOOD, limits=Limits(shapes=wrong))
    with pytest.raises(CheckpointError, match="over the limit of 10"):
        unpack(GOOD, limits=Limits(max_bytes=10))
