"""Record what the studio's goldens show, from a real training: a run that the disk failed, answers of its model, and
the card of a text.

    python scripts/record_goldens.py          (a minute; then: pytest tests/tui/test_goldens.py --update-goldens)

Finished and live runs come from the demo's recording. What is kept holds what models wrote, no text of a corpus: the
text on the card is what the demo's model wrote.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from engine.config import ModelConfig, to_json  # noqa: E402
from rnnstudio.playground import Playground  # noqa: E402
from tui import demo  # noqa: E402

OUT = ROOT / "tests" / "tui" / "recordings"
TRAIN = "train abc-tunes --name broken --layers 1 --hidden 64 --steps 300 --lanes 8 --checkpoint-every 50"
PROMPT = "X:1\nT:"
SETTINGS = {"temperature": 0.8}


def failed_run(folder: Path) -> Path:
    """Train, and after two checkpoints let no file grow beyond a hundred bytes, as on a full disk."""
    run = folder / "runs" / "broken"
    with (folder / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rnnstudio", *TRAIN.split()],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        while not (run / "step-0000100").exists():
            time.sleep(0.05)
            assert process.poll() is None
        largest = (run / "events.jsonl").stat().st_size + 40_000
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, largest))
        process.wait()
    return run


def text(folder: Path) -> dict[str, Any]:
    """What is told of a text: its card, the check's findings, the speed of a model, and that there is no such text."""
    log = Path(demo.__file__).parent / demo.NAME / "events.jsonl"
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    written = [e["prime"] + e["text"] for e in events if e["type"] == "sample_end"]
    path = folder / "written.txt"
    path.write_text("\n\n".join(written) + "\n", encoding="utf-8")
    side = Playground(lambda _part: None, lambda: True)
    read = {"op": "corpus", "cache": str(folder)}
    speed = {"op": "speed", "model": to_json(ModelConfig()), "vocab_size": 100}
    told = subprocess.run(
        [sys.executable, "-P", "-m", "rnnstudio", "corpora", "check", str(path), "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        "corpus": [side.answer({**read, "paths": [str(path)]})],
        "missing": [side.answer({**read, "paths": ["missing.txt"]})],
        "speed": [side.answer(speed)],
        "check": json.loads(told.stdout),
    }


def answers(run: Path) -> dict[str, Any]:
    """What the playground's process answers to each request, in parts."""
    pieces: list[Any] = []
    side = Playground(lambda part: pieces.append(part["piece"]), lambda: True)
    model = {"model": f"{run}@100", "runs": str(run.parent), "settings": SETTINGS}
    text = PROMPT + "The Jig\n"
    asked: dict[str, dict[str, Any]] = {
        "write": {"prompt": PROMPT, "seed": 1, "length": 200},
        "next": {"text": text, "count": 10},
        "surprise": {"text": text},
    }
    out: dict[str, Any] = {}
    for op, body in asked.items():
        pieces.clear()
        last = side.answer({"op": op, **model, **body})
        out[op] = [*({"piece": piece} for piece in ["".join(pieces)] if piece), last]
    return out


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        run = failed_run(Path(name))
        kept = [
            line
            for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
            if json.loads(line)["type"] not in ("sample_begin", "sample_text")
        ]
        assert any(json.loads(line)["type"] == "error" for line in kept)
        target = OUT / "broken"
        target.mkdir(parents=True, exist_ok=True)
        events = "\n".join(kept) + "\n"
        (target / "events.jsonl").write_text(events.replace(name, "."), encoding="utf-8")
        said = (Path(name) / "run.log").read_text(encoding="utf-8").replace(name, ".")
        (target / "run.log").write_text(said, encoding="utf-8")
        record = (run / "run.json").read_text(encoding="utf-8").replace(name, ".")
        (target / "run.json").write_text(record, encoding="utf-8")
        told = json.dumps({**answers(run), **text(Path(name))}, indent=1)
        (OUT / "answers.json").write_text(told.replace(name, "."), encoding="utf-8")


if __name__ == "__main__":
    main()
