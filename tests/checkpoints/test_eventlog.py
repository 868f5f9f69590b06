"""The event log on disk: whole lines only, whatever was torn, cut, replaced or is still being written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import lines
from checkpoints.errors import RunError
from checkpoints.eventlog import EventLog, EventReader
from checkpoints.events import CheckpointWritten, Ended, Note, Unknown, encode
from checkpoints.lines import LineReader, cut_torn_line, lines_backwards, read_tail

NOTES = [Note(step=1, time=1.0, text="eins"), Note(step=2, time=2.0, text="zwei — ü 音\n\u2028")]
WHOLE = b"".join(encode(note).encode() + b"\n" for note in NOTES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_each_event_is_a_line_with_the_time(path: Path) -> None:
    clock = iter([10.0004, 9.0]).__next__  # clocks are set back now and then
    with EventLog(path, clock=clock) as log:
        written = [log.write(Note(step=i, text="a")) for i in (1, 2)]
    assert path.read_text() == "".join(line + "\n" for line in written)
    assert EventReader(path).poll() == [
        Note(step=1, time=10.0, text="a"),
        Note(step=2, time=9.0, text="a"),
    ]


def test_a_line_torn_at_any_byte_harms_no_other(path: Path) -> None:
    for at in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:at])
        with EventLog(path, clock=lambda: 3.0) as log:
            log.write(Note(step=3, text="drei"))
        reader = EventReader(path)
        whole = NOTES[: WHOLE[:at].count(b"\n")]
        assert reader.poll() == [*whole, Note(step=3, time=3.0, text="drei")]
        assert reader.broken == 0


def test_a_torn_line_longer_than_a_block_is_cut_whole(path: Path) -> None:
    path.write_bytes(WHOLE + b"x" * 200_000)
    assert cut_torn_line(path) == 200_000
    assert path.read_bytes() == WHOLE


def test_a_growing_log_gives_each_event_once_when_its_line_is_whole(path: Path) -> None:
    reader = EventReader(path)
    assert reader.poll() == []  # not there yet
    seen = []
    with path.open("wb", buffering=0) as file:
        for i in range(len(WHOLE)):
            file.write(WHOLE[i : i + 1])
            new = reader.poll()
            assert bool(new) == (WHOLE[i : i + 1] == b"\n")
            seen += new
    assert seen == NOTES
    assert reader.offset == len(WHOLE)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20), st.integers(1, 30))
def test_polls_of_any_size_give_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], max_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "lines"
    data = b"".join(b"x" * n + b"\n" for n in cuts)
    path.write_bytes(data)
    reader, seen = LineReader(path), []
    while new := reader.poll(max_bytes=max_bytes):
        assert sum(map(len, new)) <= max(max_bytes, lines._BLOCK_BYTES)
        seen += new
    assert seen == data.split(b"\n")[:-1]


def test_broken_lines_are_counted_and_passed_over(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\n" + WHOLE + b'{"type":"note"}\n{"type":"later"}\nnonsense\n')
    reader = EventReader(path)
    assert reader.poll() == [*NOTES, Unknown(name="later")]
    assert reader.broken == 3


@pytest.mark.parametrize(
    ("how", "same_beginning"),
    [
        ("other file", False),
        ("other file", True),
        ("cut", False),
        ("cut", True),
        # Nothing tells one with the same beginning apart, but for the file's number, which may be the same.
        ("rewritten in place", False),
        ("removed and made", False),
    ],
)
def test_a_replaced_log_is_read_anew(path: Path, how: str, same_beginning: bool) -> None:
    other = encode(Note(text="other")).encode() + b"\n"
    path.write_bytes((other * 9 if same_beginning else b"") + b"bad\n" + WHOLE)
    reader = EventReader(path)
    reader.poll()
    assert (reader.broken, reader.generation) == (1, 0)
    if how == "other file":
        fresh = path.with_name("fresh")
        fresh.write_bytes(other * 20)
        fresh.replace(path)
    elif how == "cut":
        path.write_bytes(other)
    elif how == "rewritten in place":
        path.write_bytes(other * 9)
    else:
        path.unlink()
        assert reader.poll() == []
        path.write_bytes(other * 9)
    assert reader.poll() == [Note(text="other")] * {"other file": 20, "cut": 1}.get(how, 9)
    assert (reader.broken, reader.generation) == (0, 1)
    assert reader.poll() == []


def test_a_resumed_trainer_that_cuts_a_torn_line_does_not_disturb_readers(path: Path) -> None:
    path.write_bytes(WHOLE + b'{"type":"no')
    reader = EventReader(path)
    assert reader.poll() == NOTES
    with EventLog(path, clock=lambda: 3.0) as log:
        log.write(Note(step=3, text="drei"))
    assert reader.poll() == [Note(step=3, time=3.0, text="drei")]
    assert (reader.broken, reader.generation) == (0, 0)


def test_an_overlong_line_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    path.write_bytes(WHOLE)
    reader = EventReader(path)
    seen = reader.poll()
    with path.open("ab") as file:
        for part in (b"y" * 3000, b"y" * 10, b"y\n" + WHOLE):
            file.write(part)
            file.flush()
            seen += reader.poll()
    assert seen == NOTES * 2
    assert reader.broken == 1


def test_a_full_disk_is_a_sentence_and_leaves_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventLog(path) as log:
        first = log.write(Note(text="first"))
        write, calls = os.write, []

        def full(fd: int, data: bytes) -> int:
            calls.append(data)
            if len(calls) == 1:
                return write(fd, data[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(RunError, match="no space left") as caught:
            log.write(Note(text="second"))
        monkeypatch.undo()
        assert str(path) in caught.value.message
        assert "free some space" in caught.value.hint
        assert path.read_text() == first + "\n"
        log.write(Note(text="third"))
    assert [e.text for e in EventReader(path).poll() if isinstance(e, Note)] == ["first", "third"]


def test_the_lines_up_to_a_checkpoint_survive_a_power_cut(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    with EventLog(path) as log:
        log.write(Note(text="a"))
        assert synced == []  # a step's line must not wait for the disk
        log.write(CheckpointWritten(step=1, path="step-0000001", reason="time"))
        assert synced == [path.stat().st_size]
        log.write(Ended(step=1, run="r", reason="done"))
        assert synced[1:] == [path.stat().st_size]


def test_a_read_only_folder_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:  # as the system does, but for root
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(RunError, match="permission denied"):
        EventLog(path)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file"):
        EventLog(tmp_path / "gone" / "events.jsonl")


def test_the_tail_holds_whole_lines_only(path: Path) -> None:
    data = b"".join(b"line %d\n" % i for i in range(100)) + b"torn"
    path.write_bytes(data)
    every = data.split(b"\n")[:-1]
    for size in range(0, len(data) + 10, 7):
        got = read_tail(path, size)
        assert got == every[len(every) - len(got) :]
        assert len(got) == len(every) or sum(len(line) + 1 for line in got) >= size - 2 * 8
    assert read_tail(path.with_name("none"), 10) == []


@pytest.mark.parametrize("block", [1, 2, 7, 10, 1000])
@pytest.mark.parametrize(
    "data", [b"", b"torn", b"\n", b"one\n", b"one\n\ntwo\nthree\n", b"one\ntwo\ntorn"]
)
def test_lines_are_read_backwards(
    data: bytes, block: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_BLOCK_BYTES", block)
    path.write_bytes(data)
    whole = data.split(b"\n")[:-1]
    assert list(lines_backwards(path, max_bytes=10**6)) == whole[::-1]
    for most in range(len(data)):
        assert list(lines_backwards(path, max_bytes=most)) == read_tail(path, most)[::-1]
    assert list(lines_backwards(path.with_name("none"), max_bytes=10)) == []


def test_a_log_that_was_removed_is_put_back_whole(path: Path) -> None:
    with EventLog(path, clock=lambda: 1.0) as log:
        log.write(Note(step=1, text="eins"))
        assert not log.put_back()
        path.unlink()
        log.write(Note(step=2, text="zwei"))
        assert log.put_back()
        log.write(Note(step=3, text="drei"))
        assert not log.put_back()
    assert [event.step for event in EventReader(path).poll()] == [1, 2, 3]


def test_a_log_in_whose_place_another_stands_is_written_on_there(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(WHOLE)
    with EventLog(path, clock=lambda: 3.0) as log:
        log.write(Note(step=1, text="lost"))
        other.replace(path)
        assert not log.put_back()
        log.write(Note(step=3, text="drei"))
    assert EventReader(path).poll() == [*NOTES, Note(step=3, time=3.0, text="drei")]
