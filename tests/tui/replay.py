"""A playground process that gives recorded answers: python replay.py answers.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SPEED = {"tokens_per_s": 20_000.0, "weights": 100_000}
CARD = {
    "chars": 52_000, "size_bytes": 52_000, "vocabulary": 61, "once": 3, "files": 1, "encodings": ["utf-8"],
    "genre": "prose", "genre_title": "prose", "why": "long lines, full stops", "notes": [],
    "preview": "The king shall speak of night and day.\n" * 9,
}  # fmt: skip


def main() -> None:
    answers = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answers["speed"] = {"done": SPEED, "pieces": []}
    answers["corpus"] = {"done": CARD, "pieces": []}
    for line in sys.stdin:
        request = json.loads(line)
        known = answers.get(request["op"])
        if known is None:  # stop: it has all been said
            continue
        if "missing.txt" in request.get("paths", ()):
            said = {"error": "there is no file missing.txt", "hint": "look at its name"}
            print(json.dumps({"id": request["id"], **said}), flush=True)
            continue
        for piece in known["pieces"]:
            print(json.dumps({"id": request["id"], "piece": piece}))
        print(json.dumps({"id": request["id"], "done": known["done"]}), flush=True)


if __name__ == "__main__":
    main()
