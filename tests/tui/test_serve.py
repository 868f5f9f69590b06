"""The studio in a browser: bound to this machine, the same studio behind a page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.tui.conftest import ROOT

pytest.importorskip("textual_serve", reason="needs the extra `web`")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_the_page_is_served_on_this_machine_only(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "rnnstudio", "serve", "--port", str(port), "--demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        page = ""
        while not page:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[0]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page = answer.read().decode()
            except OSError:
                time.sleep(0.1)
        assert "rnnstudio" in page
        listening = Path("/proc/net/tcp")
        if listening.exists():
            rows = [line.split()[1] for line in listening.read_text().splitlines()[1:]]
            assert {r for r in rows if r.endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_another_address_is_warned_about(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "rnnstudio",
            "serve",
            "--host",
            "0.0.0.0",
            "--port",
            str(free_port()),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "no password" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=30)
