"""The `rnnstudio` command: every error becomes one sentence, an exit code, and what to do next."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from types import FrameType


def _interrupted(_number: int, frame: FrameType | None) -> None:
    """Ctrl-C. In the middle of an import it ends the process at once: a package that is broken off may swallow the
    error, or stay loaded by half.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    with suppress(ValueError):  # in a thread of another program's
        signal.signal(signal.SIGINT, _interrupted)

from checkpoints.errors import RnnStudioError  # noqa: E402
from engine import waiting  # noqa: E402


def main() -> None:
    """Run the command line and exit: 0 done, 1 our fault, 2 user input, 3 the run stopped itself, 130 interrupted."""
    waiting.settle()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal has the locale's signs, and a narrow one shows a replacement; files and pipes are UTF-8, as
            # JSON must be, whose escape for half a character is this one too.
            encoding = None if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    try:
        from rnnstudio.cli import app

        app()
    except SystemExit as end:
        _flush()
        if _trains_with_others() and isinstance(end.code, int | None):
            os._exit(end.code or 0)
        raise
    except RnnStudioError as error:
        if debug:
            raise
        _say(error.message, error.hint)
        _leave(error.exit_code)
    except KeyboardInterrupt:
        _leave(130)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _say(
                f"no space is left on the disk for {error.filename or 'what this prints'}",
                "make room, or write it elsewhere",
            )
            _leave(2)
        if _is_memory(error):
            _say(
                "the machine has no memory left for this",
                "try a smaller model, or fewer texts at once",
            )
            _leave(2)
        if isinstance(error, ModuleNotFoundError) and (package := _foreign(error.name or "")):
            _say(
                f"this needs the package {package}, which this Python lacks",
                f"pip install {package}",
            )
            _leave(2)
        _say(
            f"a fault of ours: {type(error).__name__}: {error}",
            "run it again with --debug and send us what it prints",
        )
        _leave(1)


def _trains_with_others() -> bool:
    """Whether this is a process of torchrun's, which must not be taken down by the interpreter.

    Gloo's threads may still wait for the interpreter's lock when it shuts down; Python then ends them inside C++, which
    aborts the process that had done everything (seen once in 60 ends on a busy machine).
    """
    distributed = sys.modules.get("torch.distributed")
    return distributed is not None and bool(distributed.is_initialized())


def _open_closed_streams() -> None:
    """Where a stream was closed (`2>&-`) stands nothing: a file opened later must not come to be written to for it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def _is_memory(error: Exception) -> bool:
    if isinstance(error, ImportError):  # there was no room for torch itself
        return any(words in str(error) for words in ("map segment", "allocate memory"))
    if "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from engine.training.memory import is_memory

    return is_memory(error)


def _foreign(module: str) -> str:
    """The package if a module is one that is neither ours nor Python's; else nothing."""
    ours = {"rnnstudio", "tui", "engine", "checkpoints", "corpora"}
    known = module in ours or module in sys.stdlib_module_names or "." in module
    return "" if known else module


def _say(message: str, hint: str) -> None:
    from tui.literal import literal

    with suppress(OSError):  # the exit code tells it too
        print(f"rnnstudio: {literal(message)}", file=sys.stderr)
        if hint:
            print(f"  → {literal(hint)}", file=sys.stderr)


def _leave(code: int) -> None:
    _flush()
    raise SystemExit(code)


def _flush() -> None:
    """Write what is left. Where that can't be, it is dropped: Python would complain of it, and exit with 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
