"""A playing as a standard MIDI file, right to the tick: 480 ticks a quarter.

The bytes are written here: a file needs five kinds of event, and a reader of one's own is not needed to write them.
Format 1: a first track with tempo, metre and key, one track a voice, and one, `Chords`, for an accompaniment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from corpora.abc.tune import WHOLE, Key, Meter, Tempo
from corpora.abc.unfolding import Note, Playing

TICKS = 480
"""Ticks a quarter."""

_UNIT = WHOLE // (4 * TICKS)
"""Units of time a tick: 96,096; every onset that is a whole number of ticks is exact."""


def ticks(time: int) -> int:
    """The tick nearest to a moment."""
    return (time + _UNIT // 2) // _UNIT


def write_midi(playing: Playing, *, program: int = 0, accompaniment: Sequence[Note] = ()) -> bytes:
    """The MIDI file of a playing, on instrument `program` (General MIDI, from 0)."""
    tracks = [_conductor(playing)]
    channels = [c for c in range(16) if c != 9]  # channel 10 is drums
    for i, part in enumerate(playing.parts):
        tracks.append(
            _track(f"Voice {part.name}", part.notes, channels[i % 14], program, velocity=90)
        )
    if accompaniment:
        tracks.append(_track("Chords", accompaniment, channels[14], 24, velocity=60))
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), TICKS)
    return header + b"".join(struct.pack(">4sI", b"MTrk", len(body)) + body for body in tracks)


def _conductor(playing: Playing) -> bytes:
    title = playing.tune.title.encode("utf-8", "replace")[:200]
    events: list[tuple[int, int, bytes]] = [(0, 0, _meta(3, title))]
    for time, change in playing.changes:
        tick = ticks(time)
        if isinstance(change, Tempo):
            events.append((tick, 1, _meta(0x51, _microseconds(change).to_bytes(3, "big"))))
        elif isinstance(change, Meter) and change.unit and change.beats < 256:
            power = change.unit.bit_length() - 1
            clicks = (
                36 if change.compound and change.unit == 8 else 96 // max(1, min(change.unit, 96))
            )
            events.append((tick, 2, _meta(0x58, bytes((change.beats, power, clicks, 8)))))
        elif isinstance(change, Key):
            minor = change.mode in ("minor", "aeolian")
            events.append(
                (tick, 3, _meta(0x59, struct.pack("bB", max(-7, min(7, change.fifths)), minor)))
            )
    return _joined(events)


def _track(name: str, notes: Iterable[Note], channel: int, program: int, *, velocity: int) -> bytes:
    """One voice. Notes of the same pitch never overlap: the earlier ends where the later begins, so none hangs."""
    events: list[tuple[int, int, bytes]] = [
        (0, 0, _meta(3, name.encode("utf-8", "replace")[:100])),
        (0, 1, bytes((0xC0 | channel, program))),
    ]
    last: dict[int, list[int]] = {}  # by pitch: [on, off] of the note not yet written
    spans: list[tuple[int, int, int]] = []
    for note in sorted(notes, key=lambda n: n.onset):
        pitch = note.pitch
        on = ticks(note.onset)
        off = max(on + 1, ticks(note.onset + note.duration))
        before = last.get(pitch)
        if before is not None:
            if before[0] == on:  # a unison: the longer one
                before[1] = max(before[1], off)
                continue
            spans.append((before[0], min(before[1], on), pitch))
        last[pitch] = [on, off]
    spans += [(on, off, pitch) for pitch, (on, off) in last.items()]
    for on, off, pitch in spans:
        events.append((on, 3, bytes((0x90 | channel, pitch, velocity))))
        events.append(
            (off, 2, bytes((0x80 | channel, pitch, 0)))
        )  # ends come before beginnings at the same tick
    return _joined(events)


def _joined(events: list[tuple[int, int, bytes]]) -> bytes:
    """Events (tick, order within the tick, message) as a track's bytes, with the track's end."""
    body, now = bytearray(), 0
    for tick, _, message in sorted(events, key=lambda e: (e[0], e[1])):
        body += _number(tick - now) + message
        now = tick
    return bytes(body + b"\x00\xff\x2f\x00")


def _microseconds(tempo: Tempo) -> int:
    """Microseconds a quarter, within the three bytes that MIDI has for it."""
    return max(1, min(0xFFFFFF, round(60_000_000 / tempo.quarters)))


def _meta(kind: int, payload: bytes) -> bytes:
    return bytes((0xFF, kind)) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    """A variable-length quantity: seven bits a byte, the highest bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))
