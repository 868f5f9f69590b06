"""Try an installed rnnstudio as a stranger would, outside the checkout: train, resume, sample, eval, export.

python scripts/smoke.py FOLDER      with the Python of the environment to try; FOLDER is scratch space
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def rnnstudio(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rnnstudio", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
        raise SystemExit(f"rnnstudio {' '.join(arguments)} ended with {done.returncode}")
    return done.stdout


def main() -> None:
    folder = Path(sys.argv[1])
    text = "".join(f"{n} green bottles hanging on the wall,\n" for n in range(400, 0, -1))
    (folder / "song.txt").write_text(text, "utf-8")
    small = [
        "--hidden",
        "32",
        "--layers",
        "1",
        "--sample-length",
        "60",
        "--name",
        "smoke",
        "--json",
    ]
    events = [
        json.loads(line)
        for line in rnnstudio(folder, "train", "song.txt", "--steps", "60", *small).splitlines()
    ]
    assert events[-1]["type"] == "end", events[-1]
    assert events[-1]["best"]["nats_per_char"] < 3.0, events[-1]
    (sample,) = rnnstudio(
        folder, "sample", "smoke", "--length", "80", "--seed", "7", "--json"
    ).splitlines()
    assert len(json.loads(sample)["text"]) == 80, sample
    assert json.loads(rnnstudio(folder, "eval", "smoke", "--json"))["nats_per_char"] < 3.0
    assert [run["name"] for run in json.loads(rnnstudio(folder, "runs", "list", "--json"))] == [
        "smoke"
    ]
    assert "rnnstudio" in rnnstudio(folder, "--help")
    print("smoke: train, sample, eval, runs and help work outside the checkout")


if __name__ == "__main__":
    main()
