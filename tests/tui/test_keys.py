"""The ids of keys, which a person needs to change one, stand in docs/studio.md."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_docs_name_the_id_of_every_key() -> None:
    """An id in code is `screen.what`; `{n}` in one stands for 1 to 5."""
    known: set[str] = set()
    for path in (ROOT / "tui").rglob("*.py"):
        for found in re.findall(r'id=f?"([a-z]+\.[a-z0-9{}-]+)"', path.read_text("utf-8")):
            known |= {found.replace("{n}", str(n)) for n in range(1, 6)}
    told: set[str] = set()
    screen = ""
    block = (ROOT / "docs" / "studio.md").read_text("utf-8").split("```\n")[1]
    for line in block.splitlines():
        first, *rest = line.split()
        screen, names = (screen, [first, *rest]) if line.startswith(" ") else (first, rest)
        told |= {f"{screen}.{name}" for name in names}
    assert "live.sample" in known
    assert told == known
