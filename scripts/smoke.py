"""Try an installed rnnstudio as a stranger would, outside the checkout: train, resume, sample, eval, export.

python scripts/smoke.py FOLDER      with the Python of the environment to try; FOLDER is scratch space
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SMALL = ["--hidden", "32", "--layers", "1", "--sample-length", "60", "--name", "smoke", "--json"]
TUNE = "X:1\nT:The Stranger\nM:6/8\nL:1/8\nK:G\nGBd gdB|cea fdc|GBd gdB|AFD G3|]\n"


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


def lines(folder: Path, *arguments: str) -> list[Any]:
    return [json.loads(line) for line in rnnstudio(folder, *arguments).splitlines()]


def main() -> None:
    folder = Path(sys.argv[1])
    text = "".join(f"{n} green bottles hanging on the wall,\n" for n in range(400, 0, -1))
    (folder / "song.txt").write_text(text, "utf-8")
    (folder / "tune.abc").write_text(TUNE, "utf-8")
    end = lines(folder, "train", "song.txt", "--steps", "40", *SMALL)[-1]
    assert (end["type"], end["step"]) == ("end", 40), end
    end = lines(folder, "resume", "smoke", "--steps", "60", "--json")[-1]
    assert (end["type"], end["step"]) == ("end", 60), end
    assert end["best"]["nats_per_char"] < 3.0, end
    (sample,) = lines(folder, "sample", "smoke", "--length", "80", "--seed", "7", "--json")
    assert len(sample["text"]) == 80, sample
    (measured,) = lines(folder, "eval", "smoke", "--json")
    assert measured["nats_per_char"] < 3.0, measured
    (runs,) = lines(folder, "runs", "list", "--json")
    assert [run["name"] for run in runs] == ["smoke"]
    (tune,) = lines(folder, "export", "tune.abc", "--to", "mid", "--out", "music", "--json")
    assert list((folder / "music").glob("*.mid")), tune
    assert "rnnstudio" in rnnstudio(folder, "--help")
    print("smoke: train, resume, sample, eval, runs, export and help work outside the checkout")


if __name__ == "__main__":
    main()
