"""What holds on a CUDA device, run on a pretended one by `test_on_cuda.py`; pytest collects this file only if named."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import contest
from benchmarks.opponents import OPPONENTS
from checkpoints import events as ev
from checkpoints.checkpoint import read_checkpoint
from checkpoints.control import request
from checkpoints.runs import RunFolder
from engine import cells
from engine.optimizers import CAN_SKIP
from engine.precision import autocast
from engine.training import learning
from engine.training.prepare import Request, prepare
from engine.training.run import train_run
from tests.cli import TINY, here, verse
from tests.engine.pretended_cuda.device import waits

Make = Callable[..., RunFolder]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")

    def make(device: str = "cuda", **settings: Any) -> RunFolder:
        given = {
            "steps": 12, "hidden_size": 12, "num_layers": 2, "embedding_size": 8, "lanes": 4, "bptt": 16,
            "sample_length": 0, **settings,
        }  # fmt: skip
        asked = Request(
            corpus=(str(tmp_path / "v.txt"),),
            runs=tmp_path / "runs",
            given=given,
            device=device,
            threads=1,
        )
        return prepare(asked).run

    return make


def told(run: RunFolder, kind: type[ev.Event]) -> list[Any]:
    return [e for e in run.events() if isinstance(e, kind)]


def test_two_devices_do_not_mix() -> None:
    with pytest.raises(RuntimeError, match="two devices"):
        torch.ones(2, device="cuda") + torch.ones(2)
    assert torch.equal(
        (torch.ones(2, device="cuda") * torch.tensor(2.0)).cpu(), torch.full((2,), 2.0)
    )


def test_waiting_is_counted() -> None:
    ones = torch.ones(2, device="cuda")
    before = waits()
    (ones * 2).sum()
    torch.ones(2).to("cuda", non_blocking=True)
    assert waits() == before
    ones.sum().item()
    ones.cpu()
    assert waits() == before + 2


@pytest.mark.parametrize(
    "settings",
    [
        *({"cell": cell} for cell in cells.names()),
        *({"optimizer": optimizer} for optimizer in sorted(CAN_SKIP)),
        {"precision": "float32"},
        {"precision": "bf16"},
        {"clip_by": "value", "ema": 0.9, "embedding_size": 0},
        {"residual": True, "layer_norm": True, "tied": True},
        {"grams": 4, "gram_dropout": 0.3},
        {"documents": "on"},
    ],
    ids=lambda settings: ",".join(f"{k}={v}" for k, v in settings.items()),
)
def test_no_step_waits_for_the_device(
    make: Make, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first steps may: what they need is made then."""
    counted = []
    real = learning.clip

    def clip(*arguments: Any) -> torch.Tensor:
        counted.append(waits())
        return real(*arguments)

    monkeypatch.setattr(learning, "clip", clip)
    run = make(dropout=0.2, **settings)
    train_run(run)
    assert len(counted) == 12
    assert counted[2] == counted[-1]
    assert len(told(run, ev.Validation)) == 1


@pytest.mark.parametrize("cell", cells.names())
def test_learning_is_the_cpu_s(make: Make, cell: str) -> None:
    found = []
    for device in ("cpu", "cuda"):
        run = make(device, cell=cell, optimizer="adamw", precision="float32")
        train_run(run)
        (end,) = told(run, ev.Validation)
        found.append([*(step.loss_nats for step in told(run, ev.Step)), end.nats_per_char])
    cpu, cuda = found
    assert cuda == pytest.approx(cpu, abs=1e-4)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_layer_of_cudnn_computes_in_what_it_is_told(cell: str) -> None:
    layer = cells.find(cell)(8, 16)
    layer.initialise(torch.Generator().manual_seed(1))
    x = torch.randn(5, 4, 8)
    exact, after = layer(x, layer.initial_state(4))
    layer.to("cuda")
    for precision, dtype in {"auto": torch.float16, "bf16": torch.bfloat16}.items():
        with autocast(torch.device("cuda"), precision, cell, hidden_size=16):
            out, state = layer(x.cuda(), layer.initial_state(4, device="cuda"))
        assert {out.dtype, *(part.dtype for part in state)} == {dtype}
        torch.testing.assert_close(out.float().cpu(), exact, rtol=0, atol=0.02)
        torch.testing.assert_close(state[-1].float().cpu(), after[-1], rtol=0, atol=0.02)
        out.float().square().sum().backward()
        assert all(weight.grad is not None for weight in layer.parameters())


def test_the_loss_is_scaled_where_fp16_computes(make: Make) -> None:
    def scale(run: RunFolder) -> float:
        state = json.loads(read_checkpoint(run.checkpoint("last"))["trainer.json"])["state"]
        return float(state["loss_scale"])

    run, other = make(), make(cell="mut1")
    train_run(run)
    train_run(other)
    assert scale(run) > 1
    assert scale(other) == 1
    for device, steps, scaled in (("cpu", 20, False), ("cuda", 30, True)):
        train_run(run, resuming=True, device=device, budget={"steps": steps})
        assert (scale(run) > 1) == scaled


def test_a_run_goes_on_to_the_same_bits(make: Make) -> None:
    """Stopped while the numbers of a step were on their way."""

    def learned(run: RunFolder) -> dict[str, Any]:
        files: dict[str, Any] = dict(read_checkpoint(run.path / "step-0000040"))
        files["trainer.json"] = json.loads(files["trainer.json"])
        files["trainer.json"]["state"]["seconds"] = 0
        return files

    settings: dict[str, Any] = {"steps": 40, "dropout": 0.2, "ema": 0.9, "grams": 3}
    whole, stopped = make(**settings), make(**settings)
    train_run(whole)

    def stop(event: ev.Event, line: str) -> None:
        del line
        if isinstance(event, ev.Step) and event.step == 20:
            request(stopped.path, "stop")

    assert train_run(stopped, hear=stop).end.reason == "stopped"
    assert told(stopped, ev.Ended)[0].step < 40
    train_run(stopped, resuming=True)
    assert learned(stopped) == learned(whole)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "v.txt").write_text(verse(), "utf-8")
    here(
        "train",
        "v.txt",
        "--name",
        "v",
        "--steps",
        "150",
        "--grams",
        "4",
        "--device",
        "cpu",
        *TINY,
        cwd=folder,
    )
    return folder


# int16, the CPU's own choice here, may now and then put a character on the other side of the number that was drawn.
EXACT = ("--weights", "float32")


@pytest.mark.parametrize(
    "how",
    [
        ("-n", "3", "--prime", "The cat", *EXACT),
        ("-n", "40", "--temperature", "1.2", "--top-k", "5", *EXACT),
        ("--repetition-penalty", "1.4", "--top-p", "0.9", *EXACT),
        ("--greedy", *EXACT),
        ("--beam", "3"),
    ],
    ids=" ".join,
)
def test_texts_are_the_cpu_s(trained: Path, how: tuple[str, ...]) -> None:
    written = []
    for device in ("cpu", "cuda"):
        arguments = (
            "sample",
            "v",
            "--seed",
            "5",
            "--length",
            "60",
            "--json",
            "--device",
            device,
            *how,
        )
        written.append([line["text"] for line in here(*arguments, cwd=trained).lines])
    assert written[0] == written[1]
    assert all(written[0])


@pytest.mark.parametrize("how", [(), ("--protocol", "windows"), ("--lanes", "4")], ids=" ".join)
def test_measures_are_the_cpu_s(trained: Path, how: tuple[str, ...]) -> None:
    found = [
        here("eval", "v", "--json", "--device", device, *how, cwd=trained).lines[0]["nats_per_char"]
        for device in ("cpu", "cuda")
    ]
    assert found[1] == pytest.approx(found[0], abs=1e-5)


def test_samples_are_written_beside_training(make: Make) -> None:
    run = make(steps=40, checkpoint_every=20, sample_length=30)
    train_run(run)
    assert [s.step for s in told(run, ev.SampleFinished)] == [20] * 3 + [40] * 3
    assert run.checkpoint("last").name == "step-0000040"


@pytest.mark.parametrize("name", ["ours", "char-rnn", "nanogpt-cpu"])
def test_a_contest_is_held_there(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = verse(120)
    (tmp_path / "v.txt").write_text(whole, "utf-8")
    text = contest.Text(tmp_path / "v.txt", whole)
    if name == "ours":
        given = {"minutes": 0.0, "steps": 12, "hidden_size": 12, "lanes": 4, "bptt": 16}
        found = [contest.ours(text, minutes=1, device="cuda", given=given)]
    else:
        monkeypatch.setitem(contest.CLOCKS, "wall", map(float, itertools.count()).__next__)
        found = [*contest.theirs(OPPONENTS[name], text, minutes=[2 / 60, 4 / 60], device="cuda")]
    assert all(0 < score.carried < 5 and 0 < score.windows < 5 for score in found)


def test_a_run_changes_devices(make: Make) -> None:
    run = make(dropout=0.2)
    train_run(run)
    for device, steps in (("cpu", 20), ("cuda", 30)):
        end = train_run(run, resuming=True, device=device, budget={"steps": steps}).end
        assert (end.reason, end.step) == ("done", steps)
