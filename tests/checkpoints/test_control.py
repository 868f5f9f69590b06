"""Requests reach the trainer whole, once, and only the one that was meant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints.control import FILE, ControlReader, request
from checkpoints.errors import RunError


def test_a_request_reaches_the_trainer_once(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    request(tmp_path, "set", name="lr", value=0.1)
    request(tmp_path, "pause")
    first, second = reader.poll()
    assert (first.request, first.name, first.value) == ("set", "lr", 0.1)
    assert (second.request, second.name, second.value) == ("pause", "", None)
    assert first.time > 1e9
    assert reader.poll() == []


def test_what_was_asked_of_an_earlier_trainer_is_void(tmp_path: Path) -> None:
    request(tmp_path, "stop")
    reader = ControlReader(tmp_path)
    request(tmp_path, "sample")
    assert [asked.request for asked in reader.poll()] == ["sample"]


@pytest.mark.parametrize("reader_first", [True, False])
def test_half_a_request_of_a_killed_writer_spoils_only_itself(
    tmp_path: Path, reader_first: bool
) -> None:
    request(tmp_path, "pause")
    reader = ControlReader(tmp_path) if reader_first else None
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"request": "sto')
    reader = reader or ControlReader(tmp_path)
    request(tmp_path, "resume")
    assert [asked.request for asked in reader.poll()] == ["resume"]


def test_lines_that_are_no_requests_are_passed_over(tmp_path: Path) -> None:
    reader = ControlReader(tmp_path)
    bad = [b"", b"[]", b"7", b'{"request":7}', b"\xff", b"[" * 100_000, b'"' + b"x" * 70_000 + b'"']
    bad += [b'{"request":"set","name":"lr","value":1' + b"0" * 400 + b"}"]  # beyond any float
    odd = b'{"request":"sing","name":7,"value":[1],"time":"now"}'  # the trainer itself refuses it
    (tmp_path / FILE).write_bytes(b"\n".join([*bad, odd, b""]))
    (asked,) = reader.poll()
    assert (asked.request, asked.name, asked.value, asked.time) == ("sing", "", [1], 0.0)


def test_an_unknown_request_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sing"):
        request(tmp_path, "sing")
    assert not (tmp_path / FILE).exists()


def test_a_run_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        request(tmp_path / "gone", "pause")


def test_requests_of_several_processes_never_mix(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from checkpoints.control import request\n"
        "for i in range(200): request(Path(sys.argv[1]), 'set', name=sys.argv[2], value='v' * i)"
    )
    reader = ControlReader(tmp_path)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), name], env={**os.environ, "PYTHONPATH": "."}
        )
        for name in ("a", "b", "c")
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    asked = reader.poll()
    for name in ("a", "b", "c"):
        assert [r.value for r in asked if r.name == name] == ["v" * i for i in range(200)]
