"""A playing as a piano roll in block characters: time to the right, pitch upwards, two semitones a row."""

from __future__ import annotations

from corpora.abc.tune import WHOLE
from corpora.abc.unfolding import Playing

_BLOCKS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B")
_IN_SHARPS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_IN_FLATS = ("C", "D♭", "D", "E♭", "E", "F", "G♭", "G", "A♭", "A", "B♭", "B")


SYSTEMS = 6
"""One above the other; a longer tune has longer columns."""


def piano_roll(playing: Playing, *, width: int = 100, fifths: int = 0) -> list[str]:
    """Rows of text, the highest pitch first, at most `width` columns.

    The left edge names each row's pitch: the lower of its two, unless only the upper one sounds in this tune; as a key
    of so many `fifths` (sharps; below 0 flats) spells it.

    A column is a sixteenth, and a tune goes on in a further system under the first, as a score does; where `SYSTEMS` of
    them would not do, a column is longer. Without notes: no rows.
    """
    notes = [n for part in playing.parts for n in part.notes]
    if not notes or width < 12:
        return []
    columns = width - 5
    unit = max(WHOLE // 16, -(-playing.end // (columns * SYSTEMS)))
    low = min(n.pitch for n in notes) // 2 * 2
    high = max(n.pitch for n in notes)
    total = -(-playing.end // unit)
    grid = {pitch: [False] * total for pitch in range(low, high + 2)}
    for note in notes:
        begin = note.onset // unit
        # A column stays empty before a note that is struck again, so that two quarters do not look like a half.
        end = max(begin + 1, (note.onset + note.duration) // unit - (note.duration >= 2 * unit))
        for column in range(begin, min(end, total)):
            grid[note.pitch][column] = True
    sounding = {n.pitch for n in notes}
    names = _IN_SHARPS if fifths > 0 else _IN_FLATS if fifths < 0 else _NAMES
    bars = {time // unit for part in playing.parts[:1] for time, _ in part.bars}
    rows: list[str] = []
    for left in range(0, total, columns):
        if rows:
            rows.append("")
        for pitch in range(high // 2 * 2, low - 1, -2):
            upper, lower = grid.get(pitch + 1, [False] * total), grid[pitch]
            cells = [_BLOCKS[upper[i], lower[i]] for i in range(left, min(left + columns, total))]
            text = "".join("┊" if c == " " and left + i in bars else c for i, c in enumerate(cells))
            named = pitch + (pitch + 1 in sounding and pitch not in sounding)
            rows.append(f"{names[named % 12]:>2}{named // 12 - 1:<2}" + text.rstrip())
    return rows
