"""One trainer a run, held across processes; a dead one's lock is free."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoints import lock
from checkpoints.errors import RunError
from checkpoints.lock import TrainerLock, live

HOLDER = """
import sys
from pathlib import Path
from checkpoints.lock import TrainerLock
with TrainerLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_trainer(run: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_the_second_trainer_is_refused_at_once_by_a_sentence_that_names_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "tunes"
    run.mkdir()
    with another_trainer(run) as child:
        monkeypatch.setattr(lock.time, "sleep", lambda _: pytest.fail("it waited"))
        with pytest.raises(
            RunError, match=f"run tunes is being trained by process {child.pid}$"
        ) as e:
            TrainerLock(run).acquire()
        assert f"rnnstudio watch {run}" in e.value.hint
        assert live(run) == child.pid


def test_a_dead_trainers_lock_is_taken_over(tmp_path: Path) -> None:
    with another_trainer(tmp_path) as child:
        child.kill()
        child.wait()
        assert json.loads((tmp_path / lock.FILE).read_text())["pid"] == child.pid
        assert live(tmp_path) is None
        with TrainerLock(tmp_path):
            assert live(tmp_path) == os.getpid()


def test_a_trainer_that_ends_leaves_the_lock(tmp_path: Path) -> None:
    assert live(tmp_path) is None
    with another_trainer(tmp_path) as child:
        child.communicate("")
        assert child.returncode == 0
    assert live(tmp_path) is None
    assert (tmp_path / lock.FILE).read_bytes() == b""


def test_a_recorded_process_that_lives_is_not_the_lock(tmp_path: Path) -> None:
    # The trainer died, and its number belongs to someone else by now.
    record = {"pid": os.getpid(), "host": socket.gethostname()}
    (tmp_path / lock.FILE).write_text(json.dumps(record))
    assert live(tmp_path) is None
    with TrainerLock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": -1}', "[" * 4096])
def test_a_holder_without_a_name_is_still_the_holder(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.02)
    with TrainerLock(tmp_path):
        (tmp_path / lock.FILE).write_text(text)
        assert live(tmp_path) == 0
        with pytest.raises(RunError, match="another process"):
            TrainerLock(tmp_path).acquire()


def test_a_holder_on_another_machine_is_named_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.02)
    with TrainerLock(tmp_path):
        (tmp_path / lock.FILE).write_text('{"pid": 1, "host": "cluster-7"}')
        with pytest.raises(RunError, match="process 1 on cluster-7"):
            TrainerLock(tmp_path).acquire()


def test_views_that_look_never_get_in_a_trainers_way(tmp_path: Path) -> None:
    done = threading.Event()
    seen: list[int | None] = []

    def look() -> None:
        while not done.is_set():
            seen.append(live(tmp_path))

    views = [threading.Thread(target=look) for _ in range(2)]
    for view in views:
        view.start()
    try:
        for _ in range(300):
            with TrainerLock(tmp_path):
                pass
    finally:
        done.set()
        for view in views:
            view.join()
    assert len(seen) > 10


def test_a_lock_that_is_busy_for_a_moment_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, tries = lock._lock, []

    def busy_twice(fd: int, *, shared: bool = False) -> bool:
        tries.append(shared)
        return len(tries) > 2 and really(fd, shared=shared)

    monkeypatch.setattr(lock, "_lock", busy_twice)
    with TrainerLock(tmp_path):
        assert tries == [False] * 3


def test_without_locks_in_the_file_system_the_recorded_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*args: int, **options: bool) -> bool:
        del args, options
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", unsupported)
    with TrainerLock(tmp_path):
        assert live(tmp_path) == os.getpid()
        with pytest.raises(RunError, match=f"process {os.getpid()}"):
            TrainerLock(tmp_path).acquire()
    assert live(tmp_path) is None


def test_a_run_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be opened: no such file"):
        TrainerLock(tmp_path / "gone").acquire()
    assert live(tmp_path / "gone") is None
