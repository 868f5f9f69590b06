"""A playing as sound: a plucked string made of its harmonics, in NumPy, written as a WAV file.

Each note is a sum of harmonics k f with amplitudes that fall as 1/k and fade the faster the higher they are, as a
plucked string's do. It begins over 4 ms and ends over 25 ms, so nothing clicks; the sum is kept below full scale.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from corpora.abc.unfolding import Clock, Note, Playing

RATE = 44_100
"""Samples a second."""
ATTACK_S = 0.004
RELEASE_S = 0.025
HARMONICS = 10

Samples = npt.NDArray[np.float32]


def frequency(pitch: int) -> float:
    """A MIDI pitch in hertz: A above middle C, 69, is 440."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


def pluck(pitch: int, seconds: float) -> Samples:
    """One note (N,), N = seconds and the release in samples; within -1 to 1."""
    count = max(1, round((seconds + RELEASE_S) * RATE))
    time = np.arange(count, dtype=np.float32) / RATE
    base = frequency(pitch)
    sound = np.zeros(count, np.float32)
    # Low strings ring longer: half of the loudness is gone after 0.8 s at middle C.
    fade = 0.9 * (base / 261.6) ** 0.5
    for k in range(1, HARMONICS + 1):
        if base * k > 0.45 * RATE:  # above that it would fold back as another pitch
            break
        envelope = np.exp(-time * fade * (0.7 + 0.3 * k))
        sound += (envelope / k) * np.sin(2 * np.pi * base * k * time)
    attack = min(count, round(ATTACK_S * RATE))
    release = min(count, round(RELEASE_S * RATE))
    sound[:attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    sound[-release:] *= np.linspace(1, 0, release, dtype=np.float32)
    return sound * np.float32(0.45)


def render(playing: Playing, *, accompaniment: Sequence[Note] = ()) -> Samples:
    """The whole playing (N,) at its own tempi, within -1 to 1."""
    clock = Clock(playing.changes)
    voices = [(part.notes, 1.0) for part in playing.parts] + [(list(accompaniment), 0.4)]
    end = clock.seconds(
        max((n.onset + n.duration for notes, _ in voices for n in notes), default=0)
    )
    total = np.zeros(round((end + 0.3) * RATE) + 1, np.float32)
    known: dict[tuple[int, int], Samples] = {}  # tunes repeat themselves
    for notes, loud in voices:
        for note in notes:
            on = clock.seconds(note.onset)
            length = clock.seconds(note.onset + note.duration) - on
            key = (note.pitch, round(length * RATE))
            if key not in known:
                if len(known) > 400:
                    known.clear()
                known[key] = pluck(key[0], length)
            sound = known[key]
            begin = round(on * RATE)
            stop = min(len(total), begin + len(sound))
            total[begin:stop] += loud * sound[: stop - begin]
    peak = float(np.abs(total).max(initial=0.0))
    return total * np.float32(0.9 / peak) if peak > 0.9 else total


def write_wav(playing: Playing, *, accompaniment: Sequence[Note] = ()) -> bytes:
    """The WAV file of a playing: mono, 16 bits, 44,100 Hz."""
    sound = render(playing, accompaniment=accompaniment)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return out.getvalue()
