"""Fixtures that every room's tests share."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import hypothesis
import pytest

# One thread: tests run side by side on few cores, and sums over threads may round differently.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# What a person's own shell says to the program is not said to its tests; the pretended device's child is told by one.
if "RNNSTUDIO_PRETENDED_CUDA" not in os.environ:
    for name in ("CACHE", "COMPILE", "RUNS", "SETTINGS"):
        os.environ.pop(f"RNNSTUDIO_{name}", None)

# The same examples every time, and none that fails because the machine was busy. scripts/faults asks for many more.
EXAMPLES = int(os.environ.get("RNNSTUDIO_EXAMPLES", "40"))
hypothesis.settings.register_profile(
    "rnnstudio", deadline=None, derandomize=True, max_examples=EXAMPLES
)
hypothesis.settings.load_profile("rnnstudio")

# A shell that runs the tests in the background, or nohup, ignores these, and every child would inherit that.
for name in ("SIGINT", "SIGHUP", "SIGTERM"):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)

ROOT = Path(__file__).resolve().parents[1]


# These files wait for processes and screens; a worker that met one last would keep the other waiting.
LONG = (
    "engine/test_on_cuda.py",
    "rnnstudio/test_lacking.py",
    "tui/test_goldens.py",
    "faults/test_signals.py",
    "faults/test_numbers.py",
    "tui/test_playground.py",
    "tui/test_newrun.py",
    "tui/test_hostile.py",
    "tui/test_terminal.py",
    "engine/training/test_distributed.py",
    "tui/test_random.py",
    "tui/test_home.py",
    "tui/test_live.py",
    "engine/tokenizers/test_every_tokenizer.py",
    "rnnstudio/test_contract.py",
)


# A machine with a GPU may have torch and pytest and little else, and nothing can be installed on it.
NEEDED = {
    "mido": ("corpora/abc/test_writing.py",),
    "music21": ("corpora/abc/test_damage.py", "corpora/abc/test_musicxml.py", "corpora/test_catalogue.py"),
    "tree_sitter": ("corpora/genres/test_validators.py",),
    "textual": ("tui",),
}  # fmt: skip
collect_ignore = [
    name
    for package, names in NEEDED.items()
    if importlib.util.find_spec(package) is None
    for name in names
]
PLUGINS = {
    "pytest_asyncio": ("asyncio_mode", "asyncio_default_fixture_loop_scope"),
    "pytest_timeout": ("timeout",),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    place = {ROOT / "tests" / name: i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real texts that lies beside some checkouts; tests that need it skip where it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        # A helper's worktree lies one level deeper.
        folder = ROOT.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the development texts in ../shared, which this checkout does not have")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write what is shown now as what is expected"
    )
    # Nor are settings of plugins that it lacks faults.
    for plugin, names in PLUGINS.items():
        for name in names if importlib.util.find_spec(plugin) is None else ():
            parser.addini(name, f"a setting of {plugin}, which is not installed")
