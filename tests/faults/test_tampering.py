"""A checkpoint that is not byte for byte what was written, or was made to do harm: refused, nothing runs or leaks."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints.checkpoint import MANIFEST, read_checkpoint, read_manifest, write_checkpoint
from checkpoints.errors import CheckpointError
from checkpoints.tensors import pack
from tests.faults.crashdisk import QuickDisk
from tests.faults.memory import at_most

RNG = torch.Generator().manual_seed(1)
FILES = {
    "model.safetensors": pack({"weight": torch.randn(20, 20, generator=RNG)}),
    "optimizer.safetensors": pack({"momentum": torch.zeros(20, 20)}),
    "state.safetensors": pack({"h": torch.randn(4, 20, generator=RNG)}),
    "tokenizer.json": json.dumps({"name": "char", "characters": "abcü"}).encode(),
    "config.json": json.dumps({"cell": "lstm", "hidden_size": 20, "embedding_size": 8}).encode(),
    "trainer.json": json.dumps({"step": 200, "lr": 1e-05, "best": {"step": 100}}).encode(),
}
ABOUT = {"nats_per_char": 1.25e-05, "protocol": "tail", "note": "\u00e4"}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path, 200, FILES, about=ABOUT, disk=QuickDisk())


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_each_of_300_flipped_bits_is_found(name: str, checkpoint: Path) -> None:
    whole = (checkpoint / name).read_bytes()
    bits = random.Random(name).sample(range(8 * len(whole)), 300)
    found = 0
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (checkpoint / name).write_bytes(damaged)
        try:
            read_checkpoint(checkpoint)
        except CheckpointError:
            found += 1
    assert found == 300
    (checkpoint / name).write_bytes(whole)
    assert read_checkpoint(checkpoint) == FILES


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def drop(path: Path) -> None:
    path.unlink()


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))  # what some file systems leave after a power cut


def link(path: Path) -> None:
    path.rename(path.parent.parent / "outside")
    path.symlink_to(path.parent.parent / "outside")  # the very same bytes


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", [cut, grow, empty, drop, zero, link, folder, pipe])
def test_a_file_that_is_not_what_was_written_is_refused(
    damage: Callable[[Path], None], name: str, checkpoint: Path
) -> None:
    damage(checkpoint / name)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(checkpoint)
    assert str(checkpoint) in caught.value.message
    assert caught.value.hint


def test_a_pipe_in_place_of_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 200, {"empty": b""}, disk=QuickDisk())
    pipe(path / "empty")
    with pytest.raises(CheckpointError, match="empty is no plain file"):
        read_checkpoint(path)


def test_files_added_or_swapped_are_refused(checkpoint: Path) -> None:
    (checkpoint / "extra.py").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"'extra\.py' does not belong to it"):
        read_checkpoint(checkpoint)
    (checkpoint / "extra.py").unlink()
    (checkpoint / "state.safetensors").write_bytes(FILES["model.safetensors"])
    with pytest.raises(CheckpointError, match=r"state.safetensors has [\d,]+ bytes instead of "):
        read_checkpoint(checkpoint)


def test_two_files_of_one_size_that_changed_places_are_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1, {"a": b"one", "b": b"two"}, disk=QuickDisk())
    (path / "a").write_bytes(b"two")
    (path / "b").write_bytes(b"one")
    with pytest.raises(CheckpointError, match=r"a is not what was written \(its sha256 differs\)"):
        read_checkpoint(path)


def sealed(**changes: Any) -> bytes:
    """A manifest as an attacker would make it: whatever it says, its own checksum is right."""
    files = {"a": {"size": 6, "sha256": sha256(b"secret").hexdigest()}}
    body = {"format": 1, "step": 200, "files": files, "about": {}, **changes}

    def spell(value: dict[str, Any]) -> bytes:
        return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"

    return spell({**body, "sha256": sha256(spell(body)).hexdigest()})


def entry(data: bytes = b"secret", **changes: Any) -> dict[str, Any]:
    return {"size": len(data), "sha256": sha256(data).hexdigest(), **changes}


def test_the_attackers_seal_is_right(tmp_path: Path) -> None:
    path = tmp_path / "step-0000200"
    path.mkdir()
    (path / "a").write_bytes(b"secret")
    (path / MANIFEST).write_bytes(sealed())
    assert read_checkpoint(path) == {"a": b"secret"}


OUTSIDE = [
    "../secret",
    "..",
    ".",
    "/etc/passwd",
    "a/../../secret",
    "..\\secret",
    "C:secret",
    "",
    "a\0b",
    ".secret",
]
HOSTILE = {
    **{f"the name {name!r}": (sealed(files={name: entry()}), "no plain file name") for name in OUTSIDE},
    "itself among the files": (sealed(files={MANIFEST: entry()}), "missing"),
    "a size below 0": (sealed(files={"a": entry(size=-1)}), "lacks the size"),
    "a size that is a text": (sealed(files={"a": entry(size="6")}), "lacks the size"),
    "a size that is true": (sealed(files={"a": entry(b"x", size=True)}), "lacks the size"),
    "a size of 10^18": (sealed(files={"a": entry(size=10**18)}), "instead of"),
    "a hash that is a number": (sealed(files={"a": entry(sha256=1)}), "lacks the size"),
    "a file that is a list": (sealed(files={"a": [6]}), "lacks the size"),
    "files that are a list": (sealed(files=["a"]), "lacks what it should say"),
    "65 files": (sealed(files={f"a{i}": entry() for i in range(65)}), "names 65 files"),
    "a step that is a text": (sealed(step="200"), "lacks what it should say"),
    "a step below 0": (sealed(step=-200), "lacks what it should say"),
    "a step that is true": (sealed(step=True), "lacks what it should say"),
    "another step": (sealed(step=100), "says step 100"),
    "about that is a text": (sealed(about="me"), "lacks what it should say"),
    "no format": (sealed(format=None), "changed after it was written"),
    "an older format": (sealed(format=0), "changed after it was written"),
    "a newer format": (sealed(format=2), "newer rnnstudio"),
    "a seal that is wrong": (sealed().replace(b"200", b"201"), "changed after it was written"),
    "no object": (b"[]", "not an object"),
    "nothing": (b"", "cannot be read"),
    "a pickle": (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "not UTF-8"),
    "nesting 100,000 deep": (b"[" * 100_000, "nested deeper than 64"),
    "nesting 100,000 deep in about": (sealed()[:-2] + b',"x":' + b'{"a":' * 100_000, "nested deeper than 64"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_made_to_do_harm_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run" / "step-0000200"
    path.mkdir(parents=True)
    (tmp_path / "run" / "secret").write_bytes(b"secret")
    (path / "a").write_bytes(b"secret")
    data, why = HOSTILE[name]
    (path / MANIFEST).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    with (
        at_most(1_500_000),
        pytest.raises(CheckpointError, match=why),
    ):  # the largest one has 0.5 MB
        read_checkpoint(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    """Sparse files claim a size that they do not take on disk."""
    path = write_checkpoint(tmp_path, 200, {"a": b"x"}, disk=QuickDisk())
    whole = (path / MANIFEST).read_bytes()
    os.truncate(path / MANIFEST, 2**40)
    with (
        at_most(100_000),
        pytest.raises(CheckpointError, match=r"MANIFEST.json has 1,099,511,627,776 bytes"),
    ):
        read_manifest(path)
    (path / MANIFEST).write_bytes(whole)
    os.truncate(path / "a", 2**40)
    with at_most(100_000), pytest.raises(CheckpointError, match="instead of 1"):
        read_checkpoint(path)
    (path / MANIFEST).write_bytes(sealed(files={"a": entry(size=2**40)}))
    with at_most(100_000), pytest.raises(CheckpointError, match="over 17,179,869,184"):
        read_checkpoint(path)
