"""The project's own virtual environment, `.venv`: made once, with nothing but Python and pip.

On Linux without an NVIDIA card torch's CPU build is taken where it can be had (200 MB instead of several GB): first
what pip already reaches (a local folder or a mirror that carries `+cpu` builds), then PyTorch's own CPU index, and if
neither has it the ordinary build, which runs on a CPU too.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def say(text: str) -> None:
    print(f"── {text}", flush=True)


def run(*command: str | Path, **options: object) -> None:
    """Run a command; if it fails, so do we, with its exit code and no traceback."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, **options)  # type: ignore[call-overload]
    if done.returncode:
        say(f"failed ({done.returncode}): {' '.join(str(part) for part in command)}")
        raise SystemExit(done.returncode)


def make(folder: Path) -> Path:
    """The environment's Python, made if it is not there."""
    python = python_of(folder)
    if not python.exists():
        say(f"making a virtual environment in {folder}")
        try:
            venv.create(folder, with_pip=True, symlinks=os.name != "nt")
        except (OSError, subprocess.CalledProcessError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            say(f"cannot make it ({error}); on Debian and Ubuntu: apt install python3-venv")
            raise SystemExit(2) from None
    return python


def _has_torch(python: Path) -> bool:
    probe = "from importlib.metadata import version; version('torch')"
    return subprocess.run([str(python), "-c", probe], capture_output=True).returncode == 0


def install_torch(python: Path) -> None:
    if _has_torch(python):
        return
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    cpu_only = platform.system() == "Linux" and not (
        Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi")
    )
    if cpu_only and platform.machine() in ("x86_64", "aarch64"):
        for source in ([], ["--retries", "1", "--timeout", "15", "--index-url", CPU_INDEX]):
            say(f"torch {TORCH}, CPU build{' from PyTorch' if source else ''}")
            if (
                subprocess.run(
                    [*pip, *source, f"torch=={TORCH}+cpu"], capture_output=True
                ).returncode
                == 0
            ):
                return
        say("no CPU build within reach; taking the ordinary one (several GB)")
    run(*pip, f"torch=={TORCH}")


def install_project(python: Path, *, dev: bool) -> None:
    """The project in place (editable) with what it needs; with `dev`, what its tests need too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = ["-e", "."]
    if dev:
        wanted += project["dependency-groups"]["dev"]
    say("rnnstudio and what it needs" + (", with the tools of its tests" if dev else ""))
    run(python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *wanted)


def ready(*, dev: bool = False) -> Path:
    """The Python of a `.venv` that has everything. Quick when nothing has to be done."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        say(f"rnnstudio needs Python 3.11 or later; this is {platform.python_version()}")
        raise SystemExit(2)
    folder = ROOT / ".venv"
    stamp = folder / (".ready-dev" if dev else ".ready")
    python = make(folder)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    if not stamp.exists() or stamp.read_text("utf-8") != project:
        install_torch(python)
        install_project(python, dev=dev)
        stamp.write_text(project, "utf-8")
    return python
