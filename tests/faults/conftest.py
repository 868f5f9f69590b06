"""The runs that the fault tests train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpoints.runs import RunFolder
from engine.training.prepare import Request, prepare
from tests.cli import verse
from tests.faults.runs import SETTINGS


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    (tmp_path / "v.txt").write_text(verse(120), "utf-8")

    def make(**settings: Any) -> RunFolder:
        request = Request(
            corpus=(str(tmp_path / "v.txt"),),
            runs=tmp_path / "runs",
            given={**SETTINGS, **settings},
            threads=1,
        )
        return prepare(request).run

    return make
