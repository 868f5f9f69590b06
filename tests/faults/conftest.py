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
    def make(*, text: str = "", suffix: str = "txt", **settings: Any) -> RunFolder:
        path = tmp_path / f"v.{suffix}"
        path.write_text(text or verse(120), "utf-8")
        request = Request(
            corpus=(str(path),),
            runs=tmp_path / "runs",
            given={**SETTINGS, **settings},
            threads=1,
        )
        return prepare(request).run

    return make
