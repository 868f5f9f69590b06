"""Every ABC tune that music21 installs, exported to MIDI: `python -m benchmarks tunes [--only PART]`.

Prints tunes a second (reading, unfolding, writing MIDI to memory; one thread), failures, the longest tune and the
process's peak memory. A failure is an exception, a tune without a note, or a MIDI file that mido cannot read back.
"""

from __future__ import annotations

import argparse
import io
import resource
import time
from pathlib import Path

import mido

from benchmarks import options
from checkpoints.errors import ConfigError
from corpora.abc import perform, read_book
from corpora.abc.midi import write_midi
from corpora.abc.tunebooks import installed_tunebooks


def books(only: str = "") -> list[Path]:
    """Tunebooks whose path has `only` in it. Raises ConfigError where there is none."""
    found = [path for path in installed_tunebooks() if only in str(path)]
    if not found:
        raise ConfigError(
            f"music21 has no tunes here, or none whose path has {only!r} in it",
            hint="pip install music21",
        )
    return found


def main(arguments: list[str]) -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tunes", description=__doc__)
    parser.add_argument("--only", default="", help="files whose path has this in it")
    parser.add_argument(
        "--check", type=options.whole, default=10, help="read back each n-th MIDI file"
    )
    args = parser.parse_args(arguments)
    tunes = failures = 0
    seconds = longest = slowest = 0.0
    for path in books(args.only):
        text = path.read_text(encoding="utf-8", errors="replace")
        book = read_book(text)
        while True:
            began = time.process_time()
            try:
                tune = next(book, None)
                if tune is None:
                    break
                playing = perform(tune)
                data = write_midi(playing)
            except Exception as error:
                print(f"{path.name}: {type(error).__name__}: {error}")
                failures += 1
                break
            took = time.process_time() - began
            seconds += took
            slowest = max(slowest, took)
            longest = max(longest, playing.seconds)
            tunes += 1
            if tune.empty:
                failures += 1
                print(f"{path.name} X:{tune.number}: no note")
            elif tunes % args.check == 0:
                mido.MidiFile(file=io.BytesIO(data))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{tunes:,} tunes in {seconds:.1f} s of CPU: {tunes / seconds:,.0f} a second; {failures} failures; "
        f"slowest {slowest * 1000:.0f} ms; longest tune {longest:.0f} s; peak memory {memory:.0f} MB"
    )
    return 1 if failures else 0
