"""Downloads against a server on this machine that cuts, redirects, fails and lies."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from checkpoints.errors import CorpusError
from corpora import catalogue
from corpora.catalogue import fetch

TEXT = bytes(range(256)) * 3000
SHA256 = f"sha256:{hashlib.sha256(TEXT).hexdigest()}"
GIT = "git:" + hashlib.sha1(b"blob %d\0" % len(TEXT) + TEXT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """/whole, /cut (ends each answer early), /dies (sends once, then nothing), /moved, /deaf (no ranges), /500 ..."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        start = self.headers.get("Range")
        Server.asked.append((self.path, start))
        at = int(start.removeprefix("bytes=").rstrip("-")) if start else 0
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path in ("/404", "/500"):
            self.send_error(int(self.path[1:]))
            return
        if self.path == "/dies" and at:
            self.close_connection = True
            return
        if self.path == "/deaf":
            at = 0
        if at >= len(TEXT):
            self.send_error(416)
            return
        self.send_response(206 if at else 200)
        self.send_header("Content-Length", str(len(TEXT) - at))
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(TEXT) - 1}/{len(TEXT)}")
        self.end_headers()
        body = TEXT[at:]
        if self.path == "/wrong":
            body = bytes(len(body))
        if self.path in ("/cut", "/dies", "/deaf") and (self.path != "/deaf" or not start):
            body = body[:200_000]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@pytest.fixture
def server() -> Iterator[str]:
    Server.asked.clear()
    served = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.mark.parametrize("digest", [SHA256, GIT])
def test_a_file_is_fetched_once_and_verified(server: str, tmp_path: Path, digest: str) -> None:
    told: list[tuple[int, int]] = []
    path = fetch.download(
        f"{server}/whole",
        tmp_path / "a" / "text",
        digest=digest,
        progress=lambda *p: told.append(p),
    )
    assert path.read_bytes() == TEXT
    assert told[-1] == (len(TEXT), len(TEXT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    fetch.download(f"{server}/whole", path, digest=digest)
    assert len(Server.asked) == 1
    assert [p.name for p in path.parent.iterdir()] == ["text"]


def test_a_cut_connection_is_taken_up_where_it_ended(server: str, tmp_path: Path) -> None:
    path = fetch.download(f"{server}/cut", tmp_path / "text", digest=SHA256)
    assert path.read_bytes() == TEXT
    assert [start for _, start in Server.asked] == [
        None, "bytes=200000-", "bytes=400000-", "bytes=600000-",
    ]  # fmt: skip


def test_the_next_call_goes_on_from_what_an_earlier_one_left(server: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"200,000 bytes are kept"):
        fetch.download(f"{server}/dies", tmp_path / "text", digest=SHA256)
    assert not (tmp_path / "text").exists()
    Server.asked.clear()
    path = fetch.download(f"{server}/whole", tmp_path / "text", digest=SHA256)
    assert path.read_bytes() == TEXT
    assert Server.asked == [("/whole", "bytes=200000-")]


def test_a_server_without_ranges_sends_it_all_again(server: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = fetch.download(
        f"{server}/deaf", tmp_path / "text", digest=SHA256, progress=lambda *p: told.append(p)
    )
    assert path.read_bytes() == TEXT
    assert max(done for done, _ in told) == len(TEXT)


def test_a_part_longer_than_the_file_is_thrown_away(server: str, tmp_path: Path) -> None:
    (tmp_path / "text.part").write_bytes(bytes(len(TEXT) + 5))
    path = fetch.download(f"{server}/whole", tmp_path / "text", digest=SHA256)
    assert path.read_bytes() == TEXT


def test_a_redirect_is_followed(server: str, tmp_path: Path) -> None:
    assert fetch.download(f"{server}/moved", tmp_path / "t", digest=SHA256).read_bytes() == TEXT


def test_another_hash_is_a_sentence_and_nothing_is_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="its hash is another one"):
        fetch.download(f"{server}/wrong", tmp_path / "text", digest=SHA256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("path", "said"), [("/404", "answered 404"), ("/500", "answered 500")])
def test_an_error_of_the_server_is_a_sentence(
    server: str, tmp_path: Path, path: str, said: str
) -> None:
    with pytest.raises(CorpusError, match=said):
        fetch.download(server + path, tmp_path / "text", digest=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="could not be fetched"):
        fetch.download("http://127.0.0.1:1/text", tmp_path / "text", digest=SHA256)
    with pytest.raises(CorpusError, match="no address of the web"):
        fetch.download("file:///etc/hosts", tmp_path / "text", digest=SHA256)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch.os, "fsync", full)
    with pytest.raises(CorpusError, match="the disk is full"):
        fetch.download(f"{server}/whole", tmp_path / "text", digest=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_of_several_files_is_put_together_in_their_order(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = catalogue.Entry(
        name="two",
        title="two",
        genre="prose",
        licence="none",
        provenance="here",
        how="url",
        size=2 * len(TEXT),
        encoding="cp437",
        sources=tuple(
            catalogue.Source(f"{server}/{n}", len(TEXT), SHA256) for n in ("whole", "cut")
        ),
    )
    monkeypatch.setattr(catalogue, "entries", lambda _=None: {"two": entry})
    told: list[tuple[int, int]] = []
    path = catalogue.get("two", tmp_path, progress=lambda *p: told.append(p))
    one = TEXT.decode("cp437").replace("\r\n", "\n").replace("\r", "\n")
    assert path.read_text("utf-8") == f"{one}\n{one}"
    assert told[-1] == (2 * len(TEXT), 2 * len(TEXT))
