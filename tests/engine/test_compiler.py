"""Libraries of the user's compiler: made once, kept, made anew where they are damaged, and done without."""

from __future__ import annotations

import ctypes
import errno
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import compiler

needs_compiler = pytest.mark.skipif(not compiler.command(), reason="no compiler")
PLAIN: list[tuple[str, ...]] = [()]
Cache = Callable[[Path], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Cache:
    """Make a folder the user's cache."""
    return lambda folder: monkeypatch.setattr(compiler, "user_cache", lambda: folder)


@pytest.fixture
def main(tmp_path: Path, use: Cache) -> Path:
    """A source beside its header, and an empty cache folder."""
    use(tmp_path / "cache")
    source = tmp_path / "sources" / "answer.cpp"
    source.parent.mkdir()
    source.write_text('#include "number.h"\nextern "C" int answer() { return NUMBER; }\n')
    number(source, 42)
    return source


def number(main: Path, value: int) -> None:
    (main.parent / "number.h").write_text(f"#define NUMBER {value}\n")


def answer(functions: ctypes.CDLL) -> int:
    return int(functions.answer())


def kept(folder: Path) -> list[Path]:
    return [*folder.rglob("*.so")]


@needs_compiler
def test_a_library_is_made_once_for_its_sources(main: Path, tmp_path: Path) -> None:
    assert compiler.library(main, PLAIN, answer) == (42, compiler.COMPILED)
    (first,) = kept(tmp_path / "cache")
    made_at = first.stat().st_mtime_ns
    assert compiler.library(main, PLAIN, answer)[0] == 42
    assert first.stat().st_mtime_ns == made_at
    number(main, 43)
    assert compiler.library(main, PLAIN, answer)[0] == 43
    assert len(kept(tmp_path / "cache")) == 2
    assert compiler.library(main, [("-DOTHER",)], answer)[0] == 43
    assert len(kept(tmp_path / "cache")) == 3


@needs_compiler
@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda _: b"no library", lambda data: data[:-9000]]
)
def test_a_damaged_library_is_made_anew(
    main: Path, tmp_path: Path, use: Cache, damage: Callable[[bytes], bytes]
) -> None:
    compiler.library(main, PLAIN, answer)
    (first,) = kept(tmp_path / "cache")
    # In another folder, as the system knows by its path what this process has loaded.
    damaged = tmp_path / "other" / "compiled" / first.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(damage(first.read_bytes()))
    use(tmp_path / "other")
    assert compiler.library(main, PLAIN, answer)[0] == 42
    assert damaged.read_bytes() == first.read_bytes()
    assert [*damaged.parent.iterdir()] == [damaged]


@needs_compiler
def test_a_library_without_the_functions_is_none(main: Path) -> None:
    found, why = compiler.library(main, PLAIN, lambda functions: functions.question())
    assert found is None
    assert "question" in why


@needs_compiler
def test_flags_that_a_compiler_does_not_know_give_way_to_the_next(main: Path) -> None:
    assert compiler.library(main, [("-mno-such-unit",), ()], answer)[0] == 42


@needs_compiler
def test_the_users_compiler_may_lie_anywhere_and_have_options(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own-c++"
    own.write_text(f'#!/bin/sh\nexec {compiler.command()[0]} "$@"\n', "utf-8")
    own.chmod(0o755)
    number(main, 7)
    (main.parent / "answer.cpp").write_text('extern "C" int answer() { return NUMBER; }\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", "./own-c++ -DNUMBER=44")
    assert compiler.command() == [str(own), "-DNUMBER=44"]
    assert compiler.library(main, PLAIN, answer)[0] == 44


def test_without_a_compiler_that_works_there_is_none(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "false")
    found, why = compiler.library(main, PLAIN, answer)
    assert found is None
    assert "false could not compile" in why
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(compiler.shutil, "which", lambda _name: None)
    found, why = compiler.library(main, PLAIN, answer)
    assert found is None
    assert "with a C++ compiler" in why
    assert not kept(tmp_path)


def test_a_quote_without_its_end_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = compiler.command()
    monkeypatch.setenv("CXX", 'g++ "')
    assert compiler.command() == usual


def test_on_windows_there_is_none(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler.platform, "system", lambda: "Windows")
    found, why = compiler.library(main, PLAIN, answer)
    assert found is None
    assert why == "own ones are compiled on Linux and macOS only"


@needs_compiler
@pytest.mark.parametrize("tools", [0, 2])
def test_a_mac_without_tools_is_not_asked_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: int
) -> None:
    (tmp_path / "xcode-select").write_text(f"#!/bin/sh\nexit {tools}\n")
    (tmp_path / "xcode-select").chmod(0o755)
    known = compiler.command()
    monkeypatch.setattr(compiler.platform, "system", lambda: "Darwin")
    assert compiler.command() == []  # no xcode-select at all
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert compiler.command() == ([] if tools else known)


@needs_compiler
@pytest.mark.parametrize("fault", [RuntimeError("there is no home"), OSError("it is full")])
def test_where_nothing_can_be_kept_there_is_none(
    main: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def user_cache() -> Path:
        raise fault

    monkeypatch.setattr(compiler, "user_cache", user_cache)
    found, why = compiler.library(main, PLAIN, answer)
    assert found is None
    assert str(fault) in why


@pytest.fixture
def times_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the compiler was called."""
    counting, calls = tmp_path / "counting-c++", tmp_path / "calls"
    calls.touch()
    usual = shlex.quote(compiler.command()[0])
    counting.write_text(f'#!/bin/sh\necho >> "{calls}"\nexec {usual} "$@"\n', "utf-8")
    counting.chmod(0o755)
    monkeypatch.setenv("CXX", shlex.quote(str(counting)))
    return lambda: len(calls.read_bytes())


@needs_compiler
def test_a_folder_where_nothing_can_be_written_is_found_out_before_compiling(
    main: Path, monkeypatch: pytest.MonkeyPatch, times_compiled: Callable[[], int]
) -> None:
    def temporary_file(**_given: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(compiler.tempfile, "TemporaryFile", temporary_file)
    found, why = compiler.library(main, PLAIN, answer)
    assert found is None
    assert "Read-only file system" in why
    assert times_compiled() == 0


@needs_compiler
def test_another_system_that_shares_the_home_has_its_own(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler.library(main, PLAIN, answer)
    monkeypatch.setattr(compiler.platform, "libc_ver", lambda: ("glibc", "2.28"))
    assert compiler.library(main, PLAIN, answer)[0] == 42
    assert len(kept(tmp_path / "cache")) == 2


@needs_compiler
def test_what_may_not_be_loaded_is_not_made_again(
    main: Path, monkeypatch: pytest.MonkeyPatch, times_compiled: Callable[[], int]
) -> None:
    def refused(path: str) -> None:
        raise OSError(f"{path}: failed to map segment from shared object")

    monkeypatch.setattr(compiler.ctypes, "CDLL", refused)
    for _start in range(2):
        found, why = compiler.library(main, PLAIN, answer)
        assert found is None
        assert "failed to map" in why
    assert times_compiled() == 1


def test_the_environment_says_when_nothing_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not compiler.off()
    monkeypatch.setenv(compiler.OFF, "0")
    assert compiler.off()
