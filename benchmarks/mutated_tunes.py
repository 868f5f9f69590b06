"""A campaign of damaged tunes: `python -m benchmarks mutated_tunes [--count 20000] [--seed 1]`.

Tunes of music21 with characters deleted, changed, inserted or swapped, lines dropped or doubled, or cut anywhere are
read, unfolded and written as MIDI and as ABC. Counted as failures: an exception, more than a second, a MIDI file that
mido cannot read back, a note that never ends, a tune longer than the cap, and ABC that means other notes than the tune.
A second part damages one bar of each of 500 tunes and asks whether all other bars sound as before.
"""

from __future__ import annotations

import argparse
import io
import random
import time

import mido

from benchmarks import options
from benchmarks.tunes import books
from corpora.abc import perform, read_book, read_tune
from corpora.abc.midi import ticks, write_midi
from corpora.abc.tune import Tune
from corpora.abc.unfolding import MAX_SECONDS
from corpora.abc.writer import write_abc

SIGNS = "ABCDEFGabcdefg[](){}|:,'0123456789/<>-^_=\"!+&~.%\\zZxXKMLQTVP \n\u266f\0\r"


def mutated(text: str, rng: random.Random) -> str:
    """The text with one to thirty faults."""
    for _ in range(rng.choice([1, 1, 2, 3, 5, 10, 30])):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + rng.choice(SIGNS) + text[at + 1 :]
        elif kind == 2:
            text = text[:at] + rng.choice(SIGNS) * rng.choice([1, 1, 2, 50]) + text[at:]
        elif kind == 3:
            text = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
        elif kind in (4, 5):
            lines = text.split("\n")
            i = rng.randrange(len(lines))
            lines[i : i + 1] = [] if kind == 4 else [lines[i]] * 2
            text = "\n".join(lines)
        elif kind == 6:
            text = text[:at] if rng.random() < 0.3 else text
        else:
            text = text[:at] + str(rng.randrange(10 ** rng.randrange(1, 8))) + text[at:]
    return text


def fault(text: str) -> str:
    """What is wrong with how a text is dealt with; nothing where all is well."""
    began = time.perf_counter()
    try:
        tunes = list(read_book(text))
        playings = [perform(tune) for tune in tunes]
        files = [write_midi(playing) for playing in playings]
        written = [write_abc(tune) for tune in tunes]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    took = time.perf_counter() - began
    if took > 1:
        return f"took {took:.2f} s"
    for tune, playing, data, abc in zip(tunes, playings, files, written, strict=True):
        if playing.seconds > MAX_SECONDS + 1e-6:
            return f"lasts {playing.seconds:.0f} s"
        if hanging := unended(data):
            return f"{hanging} notes never end"
        if sounding(read_tune(abc)) != sounding(tune):
            return "its ABC means other notes"
    return ""


def unended(data: bytes) -> int:
    count = 0
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        on: set[int] = set()
        for message in track:
            if message.type == "note_on" and message.velocity:
                count += message.note in on
                on.add(message.note)
            elif message.type in ("note_on", "note_off"):
                count += message.note not in on
                on.discard(message.note)
        count += len(on)
    return count


def sounding(tune: Tune) -> list[list[tuple[int, int, int]]]:
    return [
        [(ticks(n.onset), ticks(n.onset + n.duration), n.pitch) for n in part.notes]
        for part in perform(tune).parts
        if part.notes
    ]


def spoiled_bars(texts: list[str], rng: random.Random) -> tuple[int, int, list[str]]:
    """Damage one bar of each text: (tunes, those whose other bars all sound as before, texts of the others)."""
    kept, lost = 0, []
    total = 0
    for text in texts:
        tune = read_tune(text)
        bars = tune.voices[0].bars
        chosen = [i for i, b in enumerate(bars[1:-1], 1) if sum(1 for _ in b.events()) > 2]
        if not chosen:
            continue
        i = rng.choice(chosen)
        events = list(bars[i].events())
        at = rng.choice(events[1:]).start
        total += 1
        damaged = (
            text[:at]
            + rng.choice(
                ["[", "]", "{", "}", '"', "(3", "!", "^", "#", "~", ">", "&", "9", "((", "$"]
            )
            + text[at:]
        )
        other = read_tune(damaged).voices[0].bars
        before = [[p.midi for e in b.events() for p in e.pitches] for b in bars]
        after = [[p.midi for e in b.events() for p in e.pitches] for b in other]
        if before[:i] == after[:i] and before[i + 1 :] == after[i + 1 :]:
            kept += 1
        else:
            lost.append(damaged)
    return total, kept, lost


def main(arguments: list[str]) -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks mutated_tunes", description=__doc__)
    parser.add_argument("--count", type=options.whole, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    rng = random.Random(args.seed)
    sources = [
        tune.source
        for path in books()
        if "essen" not in str(path)
        for tune in read_book(path.read_text(encoding="utf-8", errors="replace"))
    ]
    failures = 0
    began = time.process_time()
    for _ in range(args.count):
        text = mutated(rng.choice(sources), rng)
        if what := fault(text):
            failures += 1
            print(f"{what}\n{text!r}")
    spent = time.process_time() - began
    total, kept, lost = spoiled_bars(rng.sample(sources, 500), rng)
    print(
        f"{args.count:,} damaged tunes, {failures} failures, {spent / args.count * 1000:.1f} ms of CPU each"
    )
    print(f"one damaged bar: {kept} of {total} tunes keep all their other bars")
    for text in lost[:5]:
        print(repr(text))
    return 1 if failures or kept < total else 0
