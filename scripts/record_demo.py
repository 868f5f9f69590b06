"""Make the recording that `rnnstudio --demo` opens from a finished run: its log without the pieces of samples.

    python scripts/record_demo.py runs/folk-tunes

The recording holds what the model wrote and figures about it, no text of the corpus.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1] / "tui" / "demo" / "folk-tunes"
EVERY = 3
"""Of this many step events one is kept."""


def main(run: Path) -> None:
    DEMO.mkdir(parents=True, exist_ok=True)
    kept = []
    steps = 0
    for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        kind = json.loads(line)["type"]
        steps += kind == "step"
        if kind not in ("sample_begin", "sample_text") and (kind != "step" or steps % EVERY == 0):
            kept.append(line)
    (DEMO / "events.jsonl").write_text("\n".join(kept) + "\n", encoding="utf-8")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (DEMO / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{len(kept)} events, {(DEMO / 'events.jsonl').stat().st_size:,} bytes in {DEMO}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
