"""What the studio remembers between sessions: theme, keys, layout, and what was typed and not yet used.

One JSON file where the system keeps such files, written whole or not at all. A broken file gives the defaults, a copy
of it beside it, and a sentence that says what was wrong and where.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from checkpoints.files import write_atomic

VERSION = 1


@dataclass(slots=True)
class Settings:
    """Changed in place and saved by `save`."""

    theme: str = "rnnstudio-ink"
    smooth: bool = True
    log_y: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    """Keys by a binding's id, where the user wants others."""
    layout: dict[str, str] = field(default_factory=dict)
    """How screens were arranged: panes grown and shown, by screen and thing."""
    drafts: dict[str, str] = field(default_factory=dict)
    """What was typed, by the name of the field: the new-run form, prompts."""


def default_path() -> Path:
    """Where the settings live; `RNNSTUDIO_SETTINGS` names another file."""
    named = os.environ.get("RNNSTUDIO_SETTINGS")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_config_dir("rnnstudio")) / "studio.json"


def load(path: Path) -> tuple[Settings, str]:
    """The settings, and a sentence if the file, or a part of it, could not be used (empty otherwise).

    Such a file is kept beside it, for the next save replaces it.
    """
    loaded, fault = _read(path)
    if fault:
        kept = path.with_name(f"{path.name}.broken")
        with suppress(OSError):
            shutil.copyfile(path, kept)
            fault = f"{fault}; it is kept as {kept.name}"
    return loaded, fault


def _read(path: Path) -> tuple[Settings, str]:
    try:
        text = path.read_bytes().decode()
        body = json.loads(text)
    except FileNotFoundError:
        return Settings(), ""
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return Settings(), f"{path}, line {line}: this is not UTF-8; using the defaults"
    except json.JSONDecodeError as error:
        return Settings(), f"{path}, line {error.lineno}: {error.msg}; using the defaults"
    except (OSError, ValueError, RecursionError) as error:
        return Settings(), f"{path} could not be read ({error}); using the defaults"
    if not isinstance(body, dict):
        return Settings(), f"{path} holds no settings; using the defaults"
    settings, wrong = Settings(), []
    for f in fields(Settings):
        if f.name not in body:
            continue
        default, value = getattr(settings, f.name), body[f.name]
        fits = type(value) is type(default)
        if isinstance(value, dict):
            fits = fits and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
        if fits:
            setattr(settings, f.name, value)
        else:
            wrong.append(f"{f.name} (line {_line(text, f.name)})")
    return settings, f"{path}: {', '.join(wrong)} could not be used" if wrong else ""


def line_of(path: Path, name: str) -> int:
    """The line of the file on which something of this name stands; 0 where it cannot be read."""
    try:
        return _line(path.read_text(encoding="utf-8"), name)
    except (OSError, ValueError):
        return 0


def _line(text: str, name: str) -> int:
    found = re.search(rf"{re.escape(json.dumps(name))}\s*:", text)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def save(settings: Settings, path: Path) -> None:
    """Write the settings whole. Raises OSError or UserError if they cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps({"version": VERSION, **asdict(settings)}, indent=1))
