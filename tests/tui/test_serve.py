"""The studio in a browser: bound to this machine, the same studio behind a page."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.conftest import PATIENCE_S, ROOT

pytest.importorskip("textual_serve", reason="needs the extra `web`")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def started(
    words: list[str], folder: Path, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """A program at work in a folder, ended at the end."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RNNSTUDIO_SETTINGS": str(folder / "studio.json"),
        },
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def serving(folder: Path, port: int, *more: str):  # type: ignore[no-untyped-def]
    words = [sys.executable, "-P", "-m", "rnnstudio", "serve", "--port", str(port), *more]
    return started(words, folder)


def fetch(port: int, server: subprocess.Popen[str]) -> str:
    """The page, as soon as it is served."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert server.poll() is None, server.communicate()[1]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                return str(answer.read().decode())
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_the_page_is_served_on_this_machine_only(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port, "--demo") as server:
        assert "rnnstudio" in fetch(port, server)
        listening = Path("/proc/net/tcp")
        if listening.exists():
            rows = [line.split()[1] for line in listening.read_text().splitlines()[1:]]
            assert {r for r in rows if r.endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}


def test_another_address_is_warned_about(tmp_path: Path) -> None:
    with serving(tmp_path, free_port(), "--host", "0.0.0.0") as server:
        assert server.stderr is not None
        assert "no password" in server.stderr.readline()


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
async def test_the_studio_is_used_in_a_browser(tmp_path: Path) -> None:
    """Its page in Chromium shows the demo, and takes a click and a key; RNNSTUDIO_PICTURE keeps what it looked like."""
    assert CHROMIUM is not None
    port = free_port()
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--window-size=1300,800",
        # The page asks for a font of Google's, and shows nothing until that has failed.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path}",
    ]  # fmt: skip
    with (
        serving(tmp_path, port, "--demo") as server,
        started([CHROMIUM, *flags, "about:blank"], tmp_path, subprocess.DEVNULL),
    ):
        fetch(port, server)
        tools = tmp_path / "DevToolsActivePort"
        async with asyncio.timeout(PATIENCE_S):
            while not tools.exists() or not tools.read_text().split():
                await asyncio.sleep(0.1)
            await use(f"http://127.0.0.1:{port}/", int(tools.read_text().split()[0]))


async def use(address: str, tools: int) -> None:
    """Open the page, wait for the studio on its web socket, click a run, and ask for help with a key."""
    import aiohttp

    async with aiohttp.ClientSession() as http:
        async with http.put(f"http://127.0.0.1:{tools}/json/new?about:blank") as answer:
            target = (await answer.json())["webSocketDebuggerUrl"]
        async with http.ws_connect(target, max_msg_size=0) as page:
            numbers = itertools.count(1)
            heard = b""

            async def ask(method: str, **params: object) -> None:
                await page.send_json({"id": next(numbers), "method": method, "params": params})

            async def receive() -> dict[str, object]:
                """What Chromium says next; what the studio wrote to the page's terminal is heard."""
                nonlocal heard
                body = json.loads((await page.receive()).data)
                if body.get("method") == "Network.webSocketFrameReceived":
                    frame = body["params"]["response"]
                    data = frame["payloadData"]
                    heard += base64.b64decode(data) if frame["opcode"] == 2 else data.encode()
                return dict(body)

            async def until(text: bytes) -> None:
                while text not in heard:
                    await receive()

            await ask("Network.enable")
            await ask("Page.navigate", url=address)
            await until(b"folk-tunes")
            await until(b"Palette")
            heard = b""
            for kind in ("mousePressed", "mouseReleased"):
                await ask(
                    "Input.dispatchMouseEvent", type=kind, x=500, y=62, button="left", clickCount=1
                )
            await until(b"bits per character")
            if wanted := os.environ.get("RNNSTUDIO_PICTURE"):
                await asyncio.sleep(2)  # for a whole picture, which is for people
                await ask("Page.captureScreenshot")
                while "data" not in (result := (await receive()).get("result") or {}):
                    pass
                Path(wanted).write_bytes(base64.b64decode(result["data"]))
            for kind in ("keyDown", "keyUp"):
                await ask("Input.dispatchKeyEvent", type=kind, key="?", text="?")
            await until(b"keys and help")
