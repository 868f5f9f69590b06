"""Our reading of music21's ABC tunes against abc2midi's: `python -m benchmarks abc_oracle [--limit N] [--show K]`.

abc2midi (Debian's `abcmidi`) reads each tune with its graces, ornaments, decorations, chord symbols and rhythm field
taken out, since at its defaults it plays them; ours reads the tune as it stands. A tune agrees when both have as many
notes, with equal pitches, and onsets and durations within 0.01 quarters. Every disagreement is put down to a cause.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import mido

from benchmarks.tunes import books
from checkpoints.errors import ConfigError
from corpora.abc import Tune, perform, read_book
from corpora.abc.tune import QUARTER, Voice
from corpora.abc.unfolding import sections

Sounding = tuple[float, int, float]
TOLERANCE = 0.01


def plain(source: str) -> str:
    """The tune's text without what abc2midi would play or count otherwise."""
    rows = []
    for row in source.split("\n"):
        if re.match(r"R:|w:|%%", row):
            continue
        if not re.match(r"[A-Za-z]:(?!\|)", row):
            row = re.sub(r"\{[^}]*\}", "", row.split("%")[0])
            row = re.sub(r'"[^"|]*"', "", row)
            row = re.sub(r"![^!|]*!", "", row)
            row = re.sub(r"(?<!\[)[~.HLMOPSTuvk](?![:|])", "", row).replace("`", "")
        if row.strip():  # an empty line would end the tune
            rows.append(row)
    # abc2midi begins a chord's notes one after the other unless told not to.
    keys = [i for i, row in enumerate(rows) if row.startswith("K:")]
    rows.insert(keys[0] + 1 if keys else 0, "%%MIDI chordattack 0")
    return "\n".join(rows) + "\n"


def reference(text: str, folder: Path) -> list[Sounding] | None:
    """What abc2midi plays: (onset, pitch, duration) in quarters; None if it gives no file."""
    source, target = folder / "tune.abc", folder / "tune.mid"
    target.unlink(missing_ok=True)
    source.write_text(text, encoding="utf-8")
    command = ["abc2midi", str(source), "-o", str(target), "-silent", "-NGUI", "-NFER"]
    try:
        subprocess.run(command, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return None
    if not target.exists():
        return None
    return notes_of(mido.MidiFile(target, clip=True))


def notes_of(midi: mido.MidiFile) -> list[Sounding]:
    found: list[Sounding] = []
    for track in midi.tracks:
        now, on = 0, defaultdict(list)
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                on[message.channel, message.note].append(now)
            elif message.type in ("note_on", "note_off") and on[message.channel, message.note]:
                began = on[message.channel, message.note].pop(0)
                found.append(
                    (began / midi.ticks_per_beat, message.note, (now - began) / midi.ticks_per_beat)
                )
    return found


def ours(tune: Tune) -> list[Sounding]:
    playing = perform(tune)
    return [
        (n.onset / QUARTER, n.pitch, n.duration / QUARTER)
        for part in playing.parts
        for n in part.notes
    ]


def difference(a: list[Sounding], b: list[Sounding]) -> str:
    """Nothing where they agree, else the first place where they do not."""
    a, b = (sorted(x, key=lambda n: (round(n[0] * 24), n[1], n[0])) for x in (a, b))
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x[1] != y[1] or abs(x[0] - y[0]) > TOLERANCE or abs(x[2] - y[2]) > TOLERANCE:
            return (
                f"note {i + 1}: ours {x[1]} at {x[0]:.3f} for {x[2]:.3f}, abc2midi {y[1]} at {y[0]:.3f} "
                f"for {y[2]:.3f}; {len(a)}/{len(b)} notes"
            )
    return "" if len(a) == len(b) else f"{len(a)} notes, abc2midi {len(b)}"


def main(arguments: list[str]) -> int:
    """Measure, print, and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks abc_oracle", description=__doc__)
    parser.add_argument("--limit", type=int, default=0, help="tunes at most")
    parser.add_argument("--only", default="", help="files whose path has this in it")
    parser.add_argument("--show", type=int, default=10, help="disagreements to print of each cause")
    args = parser.parse_args(arguments)
    if not shutil.which("abc2midi"):
        raise ConfigError("abc2midi is not installed here", hint="apt install abcmidi")
    causes: Counter[str] = Counter()
    shown: dict[str, list[str]] = defaultdict(list)
    total = agree = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in books(args.only):
            for tune in read_book(path.read_text(encoding="utf-8", errors="replace")):
                if args.limit and total >= args.limit:
                    break
                total += 1
                theirs = reference(plain(tune.source), folder)
                what = (
                    "abc2midi gives no file" if theirs is None else difference(ours(tune), theirs)
                )
                if not what:
                    agree += 1
                    continue
                cause = explain(tune, what, theirs or [])
                causes[cause] += 1
                shown[cause].append(f"{path.name} X:{tune.number} {tune.title!r}: {what}")
    print(f"{agree:,} of {total:,} tunes agree with abc2midi note for note")
    for cause, count in causes.most_common():
        print(f"{count:6,}  {cause}")
        for line in shown[cause][: args.show]:
            print(f"          {line}")
    return 0


def explain(tune: Tune, what: str, theirs: list[Sounding]) -> str:
    """The cause of a disagreement, by reading the tune as abc2midi does where that can be done.

    Elsewhere by what stands in the text that the two readers are known to read differently.
    """
    if what == "abc2midi gives no file":
        return f"{what}: `K: H`, which is no key, is C here" if "\nK: H\n" in tune.source else what
    unmarked = next(read_book(tune.source))
    for voice in unmarked.voices:
        for bar in voice.bars:
            bar.marks = ()
    if not difference(ours(unmarked), theirs):
        return "da capo or dal segno is carried out here; abc2midi passes over it"
    for voice in unmarked.voices:
        voice.transpose = 0
    if not difference(ours(unmarked), theirs):
        return "an octave clef such as `-8va` sounds an octave lower here, as written in abc2midi"
    body = "\n".join(
        row for row in tune.source.split("\n") if not re.match(r"[A-Za-z]:(?!\|)", row)
    )
    if re.search(r"![^!]*\|[^!]*!", body):
        return "`!` ends a line as in ABC 1.6; abc2midi takes all between two of them for one decoration"
    if re.search(r"\+[A-G,a-g'0-9]{2,}\+", body):
        return "an old chord, +CEG+, which abc2midi passes over"
    if re.search(r':\s*("[^"]*")?\s*(\[\|\]|\|\])|:"[^"]*":?\|', body):
        return "a repeat written `:[|]` or with words inside, which abc2midi does not take for one"
    if len(tune.voices) > 1:
        return "repeats in several voices, which abc2midi carries out differently in each"
    if re.search(r"=3D|=20|=\n", body):
        return "remains of quoted-printable mail in the text"
    if re.search(r'\["', body):
        return "an ending whose number is a text, which stripping the chord symbols destroys"
    if re.search(r"\([579](?!:)", body) and tune.meter.beats == 3:
        return "a tuplet of 5, 7 or 9 in 3/4 or 3/8, which abc2midi takes for compound time"
    if any(unclosed(voice) for voice in tune.voices):
        return "`|:` that is never closed: played once here; abc2midi repeats to the next `|:`"
    if tune.order and any(
        s.plays > 1 and not voice.bars[s.start].repeat_start
        for voice in tune.voices
        for s in sections(voice.bars, 0, len(voice.bars))
    ):
        return "a repeat without `|:` inside a part, which abc2midi takes back to another place"
    if any(unopened(voice) for voice in tune.voices):
        return "a repeat without `|:` with endings or after such, which abc2midi does not (or twice) carry out"
    if any(closed_ending(voice) for voice in tune.voices):
        return "`:|` after the last ending: here the repeat is spent, in abc2midi it goes back once more"
    if re.search(r"-[<>]|[<>]-", body):
        return "a tie before the sign of a broken rhythm"
    if broken_unequal(tune):
        return "a broken rhythm between notes of unequal length, or one that goes on (A>B>C)"
    if re.search(r"\[[^\]|]*[zx][^\]|]*\]", body):
        return "a rest inside a chord"
    if any("a tuplet of" in finding.text for finding in tune.findings):
        return "a tuplet that opens before the last has all its notes: ours ends that one; abc2midi counts on"
    if re.search(r"\|\\\n\d", body):
        return "an ending's number on the line after `|\\`: `|1` when joined, as ABC 2.1 asks; abc2midi drops it"
    if "||:" in body:
        return "`||:`, which opens a repeat here, and in abc2midi none"
    return "not explained"


def unopened(voice: Voice) -> bool:
    """Whether a repeat that is not opened has endings or follows one with endings."""
    found = sections(voice.bars, 0, len(voice.bars))
    ended = [bool(s.endings) for s in found]
    return any(
        s.plays > 1 and not voice.bars[s.start].repeat_start and any(ended[: i + 1])
        for i, s in enumerate(found)
    )


def unclosed(voice: Voice) -> bool:
    """Whether a repeat is opened twice without being closed between."""
    opened = False
    for bar in voice.bars:
        if bar.repeat_start and opened:
            return True
        opened = (opened or bar.repeat_start) and not bar.repeat_end
    return False


def closed_ending(voice: Voice) -> bool:
    """Whether an ending beyond the first ends in a repeat sign."""
    inside: tuple[int, ...] = ()
    for bar in voice.bars:
        inside = bar.ending or inside
        if bar.repeat_end and inside and 1 not in inside:
            return True
        if bar.repeat_end or bar.double:
            inside = inside if bar.repeat_end and 1 in inside else ()
    return False


def broken_unequal(tune: Tune) -> bool:
    """Whether a broken rhythm joins notes that are not of the same written length."""
    for voice in tune.voices:
        events = [e for bar in voice.bars for e in bar.events()]
        for a, b in itertools.pairwise(events):
            if a.broken:
                n = abs(a.broken)
                ratio = 2 ** (n + 1) - 1
                long, short = (a, b) if a.broken > 0 else (b, a)
                if long.duration != short.duration * ratio or b.broken:
                    return True
    return False
