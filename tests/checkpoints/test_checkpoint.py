"""The checkpoint format: what was written comes back, anything else is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.checkpoint import (
    MANIFEST,
    checkpoint_folders,
    clean,
    folder_name,
    newest_valid,
    read_checkpoint,
    read_manifest,
    remove_checkpoint,
    step_of,
    write_checkpoint,
)
from checkpoints.errors import CheckpointError, RunError
from tests.faults.crashdisk import QuickDisk

FILES = {"model.safetensors": bytes(range(256)), "trainer.json": b"{}", "empty": b""}
QUICK = QuickDisk()


def save(run: Path, step: int, **about: float) -> Path:
    return write_checkpoint(run, step, FILES, about=about, disk=QUICK)


def test_files_come_back_and_the_manifest_is_true(tmp_path: Path) -> None:
    path = save(tmp_path, 200, nats_per_char=1.25)
    assert path == tmp_path / "step-0000200"
    assert read_checkpoint(path) == FILES
    manifest = read_manifest(path)
    assert (manifest.step, manifest.nats_per_char, manifest.size_bytes) == (200, 1.25, 258)
    body = json.loads((path / MANIFEST).read_bytes())
    for name, data in FILES.items():
        found = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        assert body["files"][name] == found


@given(st.integers(0, 10**12))
def test_folder_names_and_steps_agree(step: int) -> None:
    assert step_of(Path("run") / folder_name(step)) == step


@pytest.mark.parametrize(
    "name",
    ["step-200", "step-00000200", "step-000020x", "step-0000200x", ".tmp-step-0000200-1", "s"],
)
def test_other_folders_are_no_checkpoints(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "step-0000100").write_bytes(b"")  # no folder
    assert checkpoint_folders(tmp_path) == []
    assert newest_valid(tmp_path) is None


def test_checkpoints_are_in_the_order_of_their_steps(tmp_path: Path) -> None:
    steps = [9_999_999, 100, 10_000_000, 2]
    for step in steps:
        save(tmp_path, step)
    assert [step_of(path) for path in checkpoint_folders(tmp_path)] == sorted(steps)


def test_the_newest_valid_one_is_found_and_the_skipped_are_told(tmp_path: Path) -> None:
    for step in (100, 200, 300):
        save(tmp_path, step)
    (tmp_path / "step-0000300" / MANIFEST).unlink()
    (tmp_path / "step-0000200" / "trainer.json").write_bytes(b"[]")
    told: list[tuple[str, str]] = []
    newest = newest_valid(tmp_path, skipped=lambda path, e: told.append((path.name, e.message)))
    assert newest == tmp_path / "step-0000100"
    assert [name for name, _ in told] == ["step-0000300", "step-0000200"]
    assert "step-0000300 is no checkpoint" in told[0][1]
    assert "trainer.json is not what was written" in told[1][1]


def test_a_newer_format_is_named_as_such(tmp_path: Path) -> None:
    path = save(tmp_path, 100)
    (path / MANIFEST).write_text('{"format": 2, "shape": "unheard of"}')
    with pytest.raises(
        CheckpointError, match=r"newer rnnstudio \(format 2; this one reads up to 1\)"
    ) as e:
        read_checkpoint(path)
    assert "update" in e.value.hint


def test_a_folder_under_the_name_of_another_step_is_refused(tmp_path: Path) -> None:
    save(tmp_path, 100).rename(tmp_path / "step-0000900")
    with pytest.raises(CheckpointError, match="says step 100"):
        read_checkpoint(tmp_path / "step-0000900")
    (tmp_path / "step-0000900").rename(
        tmp_path / "my favourite"
    )  # a name that states no step is fine
    assert read_checkpoint(tmp_path / "my favourite") == FILES


def test_what_a_file_manager_leaves_does_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path, 100)
    (path / ".DS_Store").write_bytes(b"icons")
    assert read_checkpoint(path) == FILES


def test_a_checkpoint_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint at "):
        read_checkpoint(tmp_path / "step-0000100")
    (tmp_path / "step-0000100").mkdir()
    with pytest.raises(CheckpointError, match="step-0000100 is no checkpoint"):
        read_checkpoint(tmp_path / "step-0000100")


def test_a_checkpoint_of_the_same_step_is_replaced_whole(tmp_path: Path) -> None:
    save(tmp_path, 100)
    path = write_checkpoint(tmp_path, 100, {"other": b"x"}, disk=QUICK)
    assert read_checkpoint(path) == {"other": b"x"}
    assert list(tmp_path.iterdir()) == [path]


def test_while_one_stands_aside_it_is_still_found(tmp_path: Path) -> None:
    aside = save(tmp_path, 100).rename(tmp_path / "step-0000100.old")
    assert newest_valid(tmp_path) == aside
    clean(tmp_path)
    assert newest_valid(tmp_path) == tmp_path / "step-0000100"
    (tmp_path / ".tmp-step-0000200-ab").mkdir()
    clean(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["step-0000100"]


def test_a_removed_checkpoint_is_gone_at_once(tmp_path: Path) -> None:
    path = save(tmp_path, 100)
    remove_checkpoint(path, disk=QUICK)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunError, match="could not be removed: no such file"):
        remove_checkpoint(path, disk=QUICK)


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "a\\b", "/x", ".x", "ü", MANIFEST, "x" * 101]
)
def test_only_plain_names_are_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no plain name"):
        write_checkpoint(tmp_path, 1, {name: b""})
    assert list(tmp_path.iterdir()) == []
