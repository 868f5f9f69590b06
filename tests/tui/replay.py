"""A playground process that gives recorded answers: python replay.py answers.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    recorded = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for line in sys.stdin:
        request = json.loads(line)
        missing = "missing.txt" in request.get("paths", ())
        known = recorded.get("missing" if missing else request["op"])
        if known is None:  # stop: it has all been said
            continue
        for part in known:
            print(json.dumps({"id": request["id"], **part}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
