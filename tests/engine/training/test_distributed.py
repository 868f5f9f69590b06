"""Two processes with half the lanes each learn what one learns with all of them."""

from __future__ import annotations

import json
import random
import socket
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints.checkpoint import read_checkpoint
from checkpoints.errors import ConfigError
from checkpoints.tensors import unpack
from engine.training.distributed import World
from tests.cli import TINY, environment, here, verse
from tests.warm import Warm

FLAGS = (
    "--steps",
    "40",
    *TINY,
    "--optimizer",
    "adamw",
    "--checkpoint-every",
    "20",
    "--sample-length",
    "0",
    "--seed",
    "4",
)

# As it comes, the verse repeats itself every 30 lines, and both processes' lanes would read the same.
LINES = verse(200).splitlines(keepends=True)
MIXED = "".join(random.Random(1).sample(LINES, len(LINES)))


def test_lanes_are_shared_out_evenly_or_not_at_all() -> None:
    assert [World(rank=r, size=4).lanes(12) for r in range(4)] == [
        slice(0, 3),
        slice(3, 6),
        slice(6, 9),
        slice(9, 12),
    ]
    with pytest.raises(ConfigError, match="shared out") as caught:
        World(size=4).lanes(10)
    assert "--lanes 8" in caught.value.hint


def test_processes_silence_different_units_and_move_the_shared_stream_alike() -> None:
    def drawn(world: World) -> tuple[list[float], list[float]]:
        shared = torch.Generator().manual_seed(7)
        own = world.own_stream(shared)
        return torch.rand(8, generator=own).tolist(), torch.rand(8, generator=shared).tolist()

    (first, after_first), (second, after_second) = (drawn(World(rank=r, size=2)) for r in range(2))
    assert first != second
    assert after_first == after_second
    shared = torch.Generator()
    assert World().own_stream(shared) is shared  # a lone process draws as it always did


def together(folder: Path, *words: str) -> str:
    """What rank 0 prints of `rnnstudio WORDS` in two processes, as torchrun starts them."""
    with socket.create_server(("localhost", 0)) as free:
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        processes = [
            Warm(
                *words, cwd=folder, stdout=out, stderr=err,
                **place, WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK=str(rank),
            )
            for rank in range(2)
        ]  # fmt: skip
    ends = [process.wait() for process in processes]
    assert ends == [0, 0], (folder / "err.txt").read_text("utf-8")
    return (folder / "out.txt").read_text("utf-8")


def by_torchrun(folder: Path, *words: str) -> str:
    """The same by the command that people type."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run(
        [sys.executable, "-P", *torchrun, "-m", "rnnstudio", *words],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def losses(text: str) -> list[tuple[int, float]]:
    events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    return [(e["step"], e["loss_nats"]) for e in events if e["type"] == "step"]


@pytest.mark.parametrize(("documents", "start"), [("off", by_torchrun), ("on", together)])
def test_two_gloo_processes_learn_what_one_learns(
    tmp_path: Path, documents: str, start: Callable[..., str]
) -> None:
    text = (
        MIXED
        if documents == "off"
        else "\n".join(f"X:{i}\nT:tune\nK:C\n{'CDEF ' * (i % 9 + 2)}|\n" for i in range(60))
    )
    (tmp_path / "v.txt").write_text(text, "utf-8")
    flags = (
        *FLAGS,
        "--documents",
        documents,
        "--genre",
        "abc_tunes" if documents == "on" else "prose",
    )
    one = here("train", "v.txt", "--name", "one", *flags, "--json", cwd=tmp_path)
    two = start(tmp_path, "train", "v.txt", "--name", "two", *flags, "--json")
    for (step, expected), (also, found) in zip(losses(one.out), losses(two), strict=True):
        assert step == also
        assert found == pytest.approx(expected, abs=2e-4)
    runs = [read_checkpoint(tmp_path / "runs" / name / "step-0000040") for name in ("one", "two")]
    expected_weights, weights = (unpack(files["model.safetensors"]) for files in runs)
    for name, weight in weights.items():
        # On average: the first move of a run's vector goes by the sign of its gradient, which may be rounding.
        assert float((weight - expected_weights[name]).abs().float().mean()) < 1e-4, name
    carried = [unpack(files["state.safetensors"])["carried.0.0"] for files in runs]
    torch.testing.assert_close(*carried, rtol=0, atol=0.01)


def test_two_processes_go_on_where_one_stopped(tmp_path: Path) -> None:
    """Each with its own half of what the lanes had carried."""
    (tmp_path / "v.txt").write_text(MIXED, "utf-8")
    for name in ("one", "two"):
        here(
            "train", "v.txt", "--name", name, *FLAGS, "--steps", "20", "--schedule", "constant", cwd=tmp_path
        )  # fmt: skip
    here("resume", "one", "--steps", "21", cwd=tmp_path)
    together(tmp_path, "resume", "two", "--steps", "21")
    runs = [read_checkpoint(tmp_path / "runs" / name / "step-0000021") for name in ("one", "two")]
    pending = [json.loads(files["trainer.json"])["state"]["pending"] for files in runs]
    assert pending[0]["steps"] == 1
    assert pending[0] == pytest.approx(pending[1], abs=1e-5)
    carried = [unpack(files["state.safetensors"])["carried.0.0"] for files in runs]
    torch.testing.assert_close(*carried, rtol=0, atol=1e-4)


def test_two_processes_that_stop_early_end_together(tmp_path: Path) -> None:
    """The step where patience ends is saved already: no process may wait for the other to save it again."""
    (tmp_path / "v.txt").write_text(verse(200), "utf-8")
    out = together(
        tmp_path, "train", "v.txt", "--name", "two", *FLAGS, "--steps", "200", "--lr", "1e-9",
        "--schedule", "constant", "--patience", "1", "--json",
    )  # fmt: skip
    assert json.loads(out.splitlines()[-1])["reason"] == "early-stopping"


def test_two_processes_agree_that_a_passage_is_hard(tmp_path: Path) -> None:
    """Process 0 alone reads what is held out: the other must wait for what it finds, and go the same way."""
    noise = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=3000))
    (tmp_path / "v.txt").write_text(verse(200) + noise + verse(230), "utf-8")
    out = together(
        tmp_path, "train", "v.txt", "--name", "two", *FLAGS, "--steps", "420", "--lanes", "2", "--bptt", "32",
        "--checkpoint-every", "100", "--json",
    )  # fmt: skip
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["reason"] == "done"
    assert any("is unlike the rest" in e["text"] for e in events if e["type"] == "warning")
    assert not [e for e in events if e["type"] == "resume"]
